"""A probe of a layer as what a model is read by while something is left out of it."""
