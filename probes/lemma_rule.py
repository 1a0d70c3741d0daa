"""How to make the lemma of each word from its form: an edit script, case ignored.

The longest common substring stays; what is written before and after it is the rule: ``walking`` ->
``walk`` is ``-ing``, ``cities`` -> ``city`` is ``-ies +y``. A lemma with nothing in common with its
form is a rule of its own (``= go``). The 200 rules most frequent in training are the classes; words
of a rarer one, or without a lemma, are left out. A rule that training never showed counts as an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example) -> Iterator[Target]:
    """Yield the edit script of every word that has a lemma."""
    pairs = zip(example.words, example.annotations["lemma"], strict=True)
    return word_targets(
        example, [None if lemma is None else rule(form.lower(), lemma.lower()) for form, lemma in pairs]
    )


@lru_cache(maxsize=65_536)
def rule(form: str, lemma: str) -> str:
    """Write the edit script from form to lemma, ``keep`` where there is nothing to edit.

    >>> rule("cities", "city"), rule("went", "go"), rule("the", "the"), rule("gesagt", "sagen")
    ('-ies +y', '= go', 'keep', 'ge- -t +en')
    """
    if form == lemma:
        return "keep"
    at, to, length = common(form, lemma)
    if length == 0:
        return f"= {lemma}"
    edits = (
        (form[:at], "{}-"),
        (lemma[:to], "+{}-"),
        (form[at + length :], "-{}"),
        (lemma[to + length :], "+{}"),
    )
    return " ".join(pattern.format(part) for part, pattern in edits if part)


def common(a: str, b: str) -> tuple[int, int, int]:
    """Find the longest common substring, the first one in ``a``: where it begins in a, in b, its length."""
    best = (0, 0, 0)
    before = [0] * (len(b) + 1)
    for i, letter in enumerate(a):
        row = [0] * (len(b) + 1)
        for j, other in enumerate(b):
            if letter == other:
                row[j + 1] = before[j] + 1
                if row[j + 1] > best[2]:
                    best = (i + 1 - row[j + 1], j + 1 - row[j + 1], row[j + 1])
        before = row
    return best


TASK = ProbeTask(
    "lemma-rule",
    targets,
    needs=("lemma",),
    top_labels=200,
    reference="Straka 2018, UDPipe 2.0 prototype at CoNLL 2018 UD shared task",
)
