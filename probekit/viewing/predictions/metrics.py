"""Names of what is measured and of a report's own methods; no heavy import, for commands read them."""

STAGE = "view-lens"
CROSS_ENTROPY, ACCURACY, AGREEMENT, DIVERGENCE = "cross_entropy", "accuracy", "agreement", "kl"
METRICS = (CROSS_ENTROPY, ACCURACY, AGREEMENT, DIVERGENCE)
SHUFFLED = (CROSS_ENTROPY, ACCURACY)
"""What the control measures: how the same predictions do at the tokens of other places."""
UNIGRAM, CONTROL = "unigram", "shuffled"
WITHOUT = {"zeroed": "massive dimensions zeroed", "mean": "massive dimensions at their training mean"}
"""How a lens is shown without massive dimensions; behind its name in a method."""
TASKS = {"causal": "next-token", "masked": "masked-token"}
