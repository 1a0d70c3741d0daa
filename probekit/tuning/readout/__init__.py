"""From the states of a model to what a head reads: pooling, mixing, one size; and what every head is."""
