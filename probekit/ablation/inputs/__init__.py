"""What decisions rest on among the words that a model reads."""
