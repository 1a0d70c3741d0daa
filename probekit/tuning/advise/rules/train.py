"""Which blocks train: with few examples those from one below the lowest layer that is needed, else all.

Few examples move what was pretrained away from what they do not speak of [1]_, and a quarter of the layers does most of
what all do [2]_.

.. [1] Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform out-of-distribution.
.. [2] Lee, Tang & Lin 2019, What would Elsa do? Freezing layers during transformer fine-tuning.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule

FEW = 1_000
"""Training examples below which the lower blocks are frozen."""


def decide(case: Case) -> Decision:
    """Return the depths that train."""
    keep, low = max(case.decided["read"]["layers"]), case.profile.lowest
    evidence = {"n_train": case.n_train, "few": FEW, "lowest": low}
    if case.frozen:
        return Decision("train", [], "the head alone was asked for", evidence)
    if case.n_train >= FEW:
        text = f"{case.n_train:,} training examples, {FEW:,} or more: everything that is kept trains"
        return Decision("train", list(range(keep + 1)), text, evidence)
    size = f"{case.n_train:,} training examples, fewer than {FEW:,}"
    first = min(low, keep) - 1
    if first > 1:
        text = f"{size}: of the blocks those below {first} are frozen, one below layer {low}, the lowest that is needed"
    else:
        text = f"{size}: the embeddings are frozen, and no block, since layer {low} is needed"
    return Decision("train", list(range(max(1, first), keep + 1)), text, evidence)


RULE = Rule("train", decide, "few examples freeze what lies below (Kumar et al. 2022; Lee et al. 2019)")
