"""Where in a short text its first sentence belongs: a pair (that sentence, the others in their order).

The place is 0 to 4. The corpus must have ``place`` and the spans ``sentences`` (``discoeval:FOLDER/SP.*``; DiscoEval,
BSD). Sentences are not learned by heart by their form, so the task has no control.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target


def targets(example: Example) -> Iterator[Target]:
    """Yield the place of the first sentence."""
    place = example.annotations["place"]
    sentences = example.spans["sentences"]
    if place is not None and len(sentences) > 1:
        first, *others = sentences
        yield Target(((first.start, first.stop), (others[0].start, others[-1].stop)), place)


TASK = ProbeTask(
    "discourse-place",
    targets,
    kind="pair",
    needs=("place", "sentences"),
    reference="Chen, Chu & Gimpel 2019, Evaluation benchmarks ... for discourse-aware sentence representations",
)
