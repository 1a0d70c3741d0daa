"""Named entity of each word, as a BIO tag: ``B-person`` begins one, ``I-person`` goes on, ``O`` is none.

The corpus must have the column ``ner`` (WNUT-17, CC BY 4.0; CrossNER, MIT; Universal NER, CC BY-SA 4.0).
Words without a tag are left out. Most words are ``O``: read the span F1 (whole entities, as the CoNLL
scorer counts them) and the macro F1, and the majority beside the accuracy, which is that of single tags.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the tag of every word that has one."""
    return word_targets(example, example.annotations["ner"])


TASK = ProbeTask(
    "entity",
    targets,
    needs=("ner",),
    metrics=("span_f1",),
    joined_by="iob2:FOLDER",
    reference="Liu et al. 2019, Linguistic knowledge and transferability of contextual representations",
)
