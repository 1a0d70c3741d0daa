"""Whether what a predicate tells of happened, as a number, in six bins of the training part.

Positive if it did, negative if it did not, near zero if the text leaves it open. The corpus must have
``factuality``, joined with ``--annotations`` (UDS 2.0, CC BY-SA 4.0). Words that are no annotated predicate are
left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the tag of every word that has one."""
    return word_targets(example, example.annotations["factuality"])


TASK = ProbeTask(
    "factuality",
    targets,
    needs=("factuality",),
    bins=6,
    joined_by="uds:FOLDER",
    reference="Rudinger, White & Van Durme 2018, Neural models of factuality",
)
