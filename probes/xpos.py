"""Language-specific part of speech of each word (for English: Penn Treebank tags).

Words without one are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the fine tag of every word that has one."""
    return word_targets(example, example.annotations["xpos"])


TASK = ProbeTask(
    "xpos",
    targets,
    needs=("xpos",),
    reference="Liu et al. 2019, Linguistic knowledge and transferability of contextual representations",
)
