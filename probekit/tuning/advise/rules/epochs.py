"""How long training goes on: over many epochs where the head alone trains, or where examples are few [1]_.

.. [1] Mosbach, Andriushchenko & Klakow 2021, On the stability of fine-tuning BERT.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.planning.defaults import EPOCHS, epochs_for


def decide(case: Case) -> Decision:
    """Return the number of epochs."""
    epochs = epochs_for(case.decided["train"], case.n_train)
    text = f"blocks train, on {case.n_train:,} examples"
    if not case.decided["train"]:
        text = "the head alone trains, whose steps cost next to nothing"
    elif epochs > EPOCHS:
        text += f", few: {epochs / EPOCHS:.0f} times the usual {EPOCHS} epochs give them enough steps"
    evidence = {"n_train": case.n_train, "epochs": epochs}
    return Decision("loop.epochs", epochs, f"{text}: at most {epochs} epochs", evidence)


RULE = Rule("epochs", decide, "many where the head alone trains, or examples are few (Mosbach et al. 2021)")
