"""Any column of the corpus that has a value for each word: ``column:mood`` of a DataFrame or a JSONL file.

The 200 values most frequent in training are the classes; words with a rarer one, or none, are left out, and a value
that training never showed counts as an error. Numbers are classes like any others: equal ones (1 and 1.0) are one,
and where most values are written as numbers, two texts for one of them ("1" and "1.0") are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.errors import InputError
from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import in_one_spelling, plain_label, word_targets


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the value of every word that has one."""
    values = example.annotations[option]
    if values is None:
        return iter(())
    if not isinstance(values, tuple):
        raise InputError(
            f"The annotation '{option}' of example '{example.id}' speaks of the whole example, not of its words. Ask "
            f"label:{option} instead."
        )
    return word_targets(example, [plain_label(value, option, example) for value in values])


TASK = ProbeTask(
    "column",
    targets,
    option="name",
    needs_of=lambda option: (option,),
    finalise=in_one_spelling,
    open_labels=True,
    top_labels=200,
    trial="chunk",
    reference="Belinkov et al. 2017, What do neural machine translation models learn about morphology?",
)
