"""Weights left out one by one: masks over the matrices of the blocks."""
