"""What the files of a cache are called and what may stand in them."""
