"""Number of the main clause's subject, from the sentence's vector.

The subject is the first noun (not a pronoun or a name) that depends on the root as ``nsubj``; sentences
without one are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import noun_number


def targets(example: Example) -> Iterator[Target]:
    """Yield the number of the main clause's subject where there is one."""
    return noun_number(example, "nsubj")


TASK = ProbeTask(
    "subj-number",
    targets,
    kind="sentence",
    needs=("upos", "feats", "head", "deprel"),
    reference="Conneau et al. 2018, What you can cram into a single $&!#* vector",
)
