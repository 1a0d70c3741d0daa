"""Whether two mentions in a sentence are of the same entity: a pair of spans, the earlier one first.

Every mention with another one of its entity gives one pair with it, the nearest before it, and one with a mention
of another entity, drawn by the hash of sentence and place, so that half of the pairs are ``same`` and the draw is the
same in every run. Sentences with mentions of one entity alone are left out. The corpus must have the spans
``mentions`` (GUM, LitBank, CoNLL-2012).
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import draw, spans_target


def targets(example: Example) -> Iterator[Target]:
    """Yield a pair of one entity and a pair of two for every mention that has an antecedent."""
    # One span may be annotated as two mentions of an entity; it is one here.
    mentions = sorted({(span.start, span.stop, span.label) for span in example.spans["mentions"]})
    for place, (start, stop, entity) in enumerate(mentions):
        before = [other for other in mentions[:place] if other[2] == entity]
        others = [other for other in mentions if other[2] != entity and other[:2] != (start, stop)]
        if before and others:
            drawn = others[draw(len(others), example.id, start, stop)]
            yield spans_target(example, (before[-1][:2], (start, stop)), "same")
            first, second = sorted((drawn[:2], (start, stop)))
            yield spans_target(example, (first, second), "other")


TASK = ProbeTask(
    "coreference",
    targets,
    kind="pair",
    needs=("mentions",),
    joined_by="conll2012:FOLDER",
    metrics=("same_f1",),
    reference="Tenney et al. 2019, What do you learn from context? Probing for sentence structure",
)
