"""Other attention: how far attention weights can change before what a model says does."""
