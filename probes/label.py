"""Any label that the corpus gives to each whole example: ``label``, ``label:stars``; from the sentence's vector.

``label`` alone reads the annotation of that name. So are the files of SentEval asked whose sentences were changed
(``senteval:FOLDER/bigram_shift.*`` has ``label:bigram_shift``), and whether a model saw a text in its training, where
the corpus says so. The 1,000 labels most frequent in training are the classes, as many as SentEval's word content has
(``label:word_content``); of labels that are equally frequent, those first in the alphabet. A label that training
never showed counts as an error. Equal numbers (1 and 1.0) are one label, True and False are texts; where most labels
are written as numbers, two texts for one of them ("1" and "1.0") are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import in_one_spelling, sentence_target, whole_label


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the label of an example that has one."""
    label = whole_label(example, option)
    if label is not None:
        yield sentence_target(example, label)


TASK = ProbeTask(
    "label",
    targets,
    kind="sentence",
    option="name",
    default_option="label",
    needs_of=lambda option: (option,),
    finalise=in_one_spelling,
    open_labels=True,
    top_labels=1000,
    trial="section",
    reference="Conneau et al. 2018, What you can cram into a single $&!#* vector",
)
