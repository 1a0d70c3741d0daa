"""Number of words of the sentence, in six bins of the training part."""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import sentence_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the length of the sentence."""
    yield sentence_target(example, len(example.words))


TASK = ProbeTask(
    "sentence-length",
    targets,
    kind="sentence",
    bins=6,
    reference="Adi et al. 2017, Fine-grained analysis of sentence embeddings using auxiliary prediction tasks",
)
