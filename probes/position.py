"""Position of each word in its sentence, counted from the first word, in six bins of the training part."""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the position of every word; the first is 0."""
    return word_targets(example, range(len(example.words)))


TASK = ProbeTask(
    "position",
    targets,
    bins=6,
    reference="Lin, Tan & Frank 2019, Open Sesame: getting inside BERT's linguistic knowledge",
)
