"""What the pictures of attention and their reports call things."""

from probekit.attention.relations import DIRECTIONS

LINES, MATRIX, MODEL = "lines", "matrix", "model"
DRAWINGS = (LINES, MATRIX, MODEL)
EVEN = "even"
NOTES = tuple(f"from {direction}" for direction in DIRECTIONS)
"""What stands in the note of a row: the direction."""
