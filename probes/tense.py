"""Tense of the main clause, from the sentence's vector.

It is that of the root where the root is a finite verb, else of the first finite auxiliary or copula
that depends on it (``has gone`` is present, ``was tired`` past). Sentences whose main clause has no
finite verb with a tense (fragments, imperatives, ``will go``) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import children, root, sentence_target, universal


def targets(example: Example) -> Iterator[Target]:
    """Yield the tense of the main clause where there is one."""
    top = root(example)
    if top is None:
        return
    relations = example.annotations["deprel"]
    helpers = [child for child in children(example, top) if universal(relations[child]) in ("aux", "cop")]
    for word in (top, *helpers):
        feats = example.annotations["feats"][word] or {}
        if feats.get("VerbForm") == "Fin":
            if "Tense" in feats:
                yield sentence_target(example, feats["Tense"])
            return


TASK = ProbeTask(
    "tense",
    targets,
    kind="sentence",
    needs=("feats", "head", "deprel"),
    reference="Conneau et al. 2018, What you can cram into a single $&!#* vector",
)
