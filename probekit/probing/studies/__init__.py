"""The studies: labels, numbers, trees."""
