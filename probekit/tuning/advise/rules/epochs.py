"""How long training goes on: with few examples longer [1]_.

.. [1] Zhang et al. 2021, Revisiting few-sample BERT fine-tuning.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.advise.rules.train import FEW
from probekit.tuning.defaults import EPOCHS, epochs_for

MORE = 10


def decide(case: Case) -> Decision:
    """Return the number of epochs."""
    if not case.decided["train"]:
        epochs = epochs_for(())
        text = f"the head alone trains, whose steps cost next to nothing: at most {epochs} epochs"
        return Decision("loop.epochs", epochs, text, {"n_train": case.n_train, "epochs": epochs})
    few = case.n_train < FEW
    epochs = MORE if few else EPOCHS
    size = f"fewer than {FEW:,}" if few else f"{FEW:,} or more"
    text = f"{case.n_train:,} training examples, {size}: at most {epochs} epochs"
    return Decision("loop.epochs", epochs, text, {"n_train": case.n_train, "few": FEW, "epochs": epochs})


RULE = Rule("epochs", decide, "few examples are seen more often (Zhang et al. 2021)")
