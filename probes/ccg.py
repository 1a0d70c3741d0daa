"""CCG category of each word (supertag), such as ``(s:dcl\\np)/np`` of a transitive verb.

The corpus must have the column ``ccg`` (Parallel Meaning Bank). The 200 categories most frequent in
training are the classes; words with a rarer one, or none, are left out. A category that training never showed counts
as an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the tag of every word that has one."""
    return word_targets(example, example.annotations["ccg"])


TASK = ProbeTask(
    "ccg",
    targets,
    needs=("ccg",),
    top_labels=200,
    reference="Liu et al. 2019, Linguistic knowledge and transferability of contextual representations",
)
