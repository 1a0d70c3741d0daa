"""A model's files: found, checked, loaded."""
