"""Chunk of each word, as a BIO tag: ``B-NP`` begins a noun phrase without its modifiers behind it.

The corpus must have the column ``chunk`` (CoNLL-2000). Words without a tag are left
out. Accuracy is that of single tags, span F1 that of whole chunks, as the CoNLL-2000 scorer counts them.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the tag of every word that has one."""
    return word_targets(example, example.annotations["chunk"])


TASK = ProbeTask(
    "chunk",
    targets,
    needs=("chunk",),
    metrics=("span_f1",),
    reference="Liu et al. 2019, Linguistic knowledge and transferability of contextual representations",
)
