"""Universal part of speech of each word (17 classes in UD).

Words without one are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the part of speech of every word that has one."""
    return word_targets(example, example.annotations["upos"])


TASK = ProbeTask(
    "pos",
    targets,
    needs=("upos",),
    reference="Belinkov et al. 2017, What do neural machine translation models learn about morphology?",
)
