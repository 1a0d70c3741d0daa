"""Which depths train: every block that is kept. The embeddings stay: they are half of a small model's parameters.

Words that training does not show would keep the vectors they have while those it shows move away from them, and every
step would pull on the whole vocabulary. Surprise: nothing below is frozen where examples are few, as Lee et al. [1]_
would have it: with 300 sentences too, all kept blocks tune better than the upper ones (docs/howto/tune.md).

.. [1] Lee, Tang & Lin 2019, What would Elsa do? Freezing layers during transformer fine-tuning.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule


def decide(case: Case) -> Decision:
    """Return the depths that train."""
    top = max(case.decided["read"]["layers"])
    evidence = {"n_train": case.n_train, "highest": top}
    if case.frozen:
        return Decision("train", [], "the head alone was asked for", evidence)
    if not top:
        return Decision("train", [], "the embeddings are read, and they stay as they are", evidence)
    text = f"every block that is kept trains, 1 to {top}, and the embeddings stay as they are"
    return Decision("train", list(range(1, top + 1)), text, evidence)


RULE = Rule("train", decide, "every block that is kept; the embeddings stay")
