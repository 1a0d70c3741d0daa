"""Attention of a decoder over its encoder as word alignment, scored against links that people drew."""
