"""Whether two sentences stand in the order in which they were written: a pair of sentences.

The corpus must have ``order`` and the spans ``sentences`` (``discoeval:FOLDER/BSO.*``; DiscoEval, BSD), half of the
pairs swapped. Sentences are not learned by heart by their form, so the task has no control.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target


def targets(example: Example) -> Iterator[Target]:
    """Yield ``kept`` or ``swapped``."""
    order = example.annotations["order"]
    if order is not None and len(example.spans["sentences"]) == 2:
        yield Target(tuple((span.start, span.stop) for span in example.spans["sentences"]), order)


TASK = ProbeTask(
    "discourse-order",
    targets,
    kind="pair",
    needs=("order", "sentences"),
    reference="Chen, Chu & Gimpel 2019, Evaluation benchmarks ... for discourse-aware sentence representations",
)
