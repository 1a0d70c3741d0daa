"""Single neurons, the coordinates of a layer's vectors: how they are ranked, and what a few of them alone can say."""
