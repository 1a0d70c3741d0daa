"""Relation between two marked nominals, direction included: a pair of spans.

``Cause-Effect(e1,e2)`` and ``Cause-Effect(e2,e1)`` are two labels; ``Other`` is one too. Relation F1 is the
official score of the task: macro F1 with direction, ``Other`` left out of the mean. The corpus must have
``relation`` and the spans ``e1`` and ``e2`` (SemEval-2010 task 8, CC BY 3.0: ``semeval:FOLDER``).
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import spans_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the relation of a sentence that has its two nominals."""
    relation = example.annotations["relation"]
    for first, second in zip(example.spans["e1"], example.spans["e2"], strict=True):
        if relation is not None:
            yield spans_target(example, ((first.start, first.stop), (second.start, second.stop)), relation)


TASK = ProbeTask(
    "relation",
    targets,
    kind="pair",
    needs=("relation", "e1", "e2"),
    metrics=("relation_f1",),
    reference="Hendrickx et al. 2010, SemEval-2010 task 8: multi-way classification of semantic relations",
)
