"""Scores of texts under a model's own head: causal, masked, encoder-decoder; their sums, and perplexity."""
