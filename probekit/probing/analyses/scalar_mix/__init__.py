"""A learned mix of all layers."""
