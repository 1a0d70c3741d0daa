"""A tuned run under ablation: its own model with its own head, and the labels that it gives."""
