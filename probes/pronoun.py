"""Whether a definite pronoun means a candidate: a pair of spans, the candidate first.

Every candidate of the sentence gives a pair with the pronoun, ``same`` or ``other``. In twins a changed word turns
the answer over, so that neither the two forms nor their distance tells it. The corpus must have the spans ``pronoun``
and ``candidates`` (Definite Pronoun Resolution and Winograd schemas: ``dpr:FOLDER``; GAP, Webster et al. 2018,
Apache-2.0: ``gap:FOLDER``). Scores by the gender of the pronoun are given where dev and test have pronouns of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import spans_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the pair of every candidate with the pronoun."""
    for pronoun in example.spans["pronoun"]:
        for candidate in example.spans["candidates"]:
            places = ((candidate.start, candidate.stop), (pronoun.start, pronoun.stop))
            yield spans_target(example, places, candidate.label)


TASK = ProbeTask(
    "pronoun",
    targets,
    kind="pair",
    needs=("pronoun", "candidates"),
    metrics=("same_f1", "same_f1_masculine", "same_f1_feminine", "same_f1_bias"),
    reference="Tenney et al. 2019, What do you learn from context? Probing for sentence structure",
)
