"""Whether a sentence is from the abstract of a paper or from its body, from the sentence's vector.

The corpus must have ``section`` (``discoeval:FOLDER/SSP.*``; DiscoEval, BSD): 1 if it is from the abstract, else 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import sentence_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the label of the whole example."""
    label = example.annotations["section"]
    if label is not None:
        yield sentence_target(example, label)


TASK = ProbeTask(
    "discourse-section",
    targets,
    kind="sentence",
    needs=("section",),
    reference="Chen, Chu & Gimpel 2019, Evaluation benchmarks ... for discourse-aware sentence representations",
)
