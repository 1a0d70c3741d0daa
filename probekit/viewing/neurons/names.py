"""What rows of a report of neurons are called."""

STAGE, ALL, RANDOM, SHUFFLED, SHARE = "view-neurons", "all", "random_neurons", "shuffled_labels", "label_share"
NEURONS = "neurons"
"""What ``strength`` counts."""
