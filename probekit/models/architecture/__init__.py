"""Where the layers of a model are."""
