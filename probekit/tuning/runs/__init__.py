"""A run on disk: its folder, whose it is, what it saved, and how it is opened again."""
