"""Which word of a translation looks at which word of its source: a grid, beside the links that people drew."""
