"""The loop and all that a step needs; proof of what trained, and what came of it."""
