"""Slices found from errors: who is wrong where, and which slices that are no chance."""
