"""Whether the sentences of a short text belong together, or one was replaced by a stranger; from the text's vector.

The corpus must have ``coherence`` (``discoeval:FOLDER/DC.*``; DiscoEval, BSD): 1 if they do, else 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import sentence_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the label of the whole example."""
    label = example.annotations["coherence"]
    if label is not None:
        yield sentence_target(example, label)


TASK = ProbeTask(
    "discourse-coherence",
    targets,
    kind="sentence",
    needs=("coherence",),
    reference="Chen, Chu & Gimpel 2019, Evaluation benchmarks ... for discourse-aware sentence representations",
)
