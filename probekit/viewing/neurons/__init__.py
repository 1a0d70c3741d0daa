"""Neurons of a layer: which ones carry a task, how few suffice, what single ones say, and pictures of them."""
