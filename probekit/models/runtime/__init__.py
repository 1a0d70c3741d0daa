"""A model while it runs: forward, capture, check."""
