"""Any label that the corpus gives to two texts together: ``sentence-pair``, ``sentence-pair:score``; a pair.

Entailment, paraphrase, similarity: whatever a table of two texts a row has in its column ``label``, or in the one that
is named. The corpus must have the spans ``sentences``, which tables of two texts a row give (``premise`` and
``hypothesis``), and DiscoEval; examples with more or fewer than two are left out. Both texts are read as one sequence,
the second behind the first, without a separator of the model's between them. Labels are as in ``label``: the 1,000
most frequent of training are the classes, and numbers are predicted as numbers where the estimator does that.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import in_one_spelling, whole_label


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the label of an example of two texts that has one."""
    sentences = example.spans["sentences"]
    label = whole_label(example, option)
    if label is not None and len(sentences) == 2:
        yield Target(tuple((span.start, span.stop) for span in sentences), label)


TASK = ProbeTask(
    "sentence-pair",
    targets,
    kind="pair",
    needs=("sentences",),
    option="name",
    default_option="label",
    needs_of=lambda option: (option,),
    finalise=in_one_spelling,
    open_labels=True,
    top_labels=1000,
    trial="order",
    reference="Bowman et al. 2015, A large annotated corpus for learning natural language inference",
)
