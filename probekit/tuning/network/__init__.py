"""A model cut to what a plan keeps, with its head, and what it is fed."""
