"""One morphological feature, over the words that bear it: ``morph:Number``, ``morph:Tense``.

The question is *which* value a word has, not whether it has the feature: words without it are left
out. Several values at once (``Acc,Nom``) are one label, as annotated.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the value of the feature ``option`` for every word that bears it."""
    return word_targets(example, [(feats or {}).get(option) for feats in example.annotations["feats"]])


def named(example: Example, option: str) -> Iterator[tuple[str, str]]:
    """Yield the feature that was asked for beside every one there is."""
    for feats in example.annotations["feats"]:
        for feature in feats or ():
            yield option, feature


TASK = ProbeTask(
    "morph",
    targets,
    needs=("feats",),
    option="Feature",
    named=named,
    trial="Number",
    reference="Belinkov et al. 2017, What do neural machine translation models learn about morphology?",
)
