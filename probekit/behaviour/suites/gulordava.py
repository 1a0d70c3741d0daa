"""Agreement in sentences and in their nonce versions: Gulordava et al. 2018, "Colorless green recurrent networks".

What enters is ``generated.tab``: two rows an item, one with the right form and one with the wrong one, the words before
it (``prefix``) and the sentence. What leaves is an item whose form is scored; its phenomenon is ``original`` or
``nonce``, its cluster the construction: the sentence and the nine nonce ones made from it. The form stands in the
sentence in place of the word there, which in a nonce sentence is another verb. Words have spaces between them as in the
file; ``<eos>`` is taken off. ``distance`` counts words from the cue to the form.
"""

from __future__ import annotations

from pathlib import Path

from probekit.behaviour.items import Fact, Item, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._rows import Row, names_in, table
from probekit.behaviour.suites._sentences import IDENTICAL, at_word
from probekit.errors import InputError

COLUMNS = ("pattern", "constr_id", "sent_id", "correct_number", "form", "class", "type", "prefix", "n_attr", "sent")
LENGTH = "len_context"
KINDS = {"original": "original", "generated": "nonce"}
END = "<eos>"
UNKNOWN = "<unk>"
"""What a prefix has in place of a rare word, which the sentence has."""


def read(path: Path) -> Reading:
    """Yield the items of a file.

    Raises
    ------
    InputError
        A column that is missing, a row without its partner, a kind that is not known, a count that is no number.
    """
    first: Row | None = None
    for row in table(path, needs=COLUMNS):
        if first is None:
            first = row
            continue
        yield _item(first, row)
        first = None
    if first is not None:
        raise InputError(f"{first.where}: the last row has no partner. Every item is two rows, correct and wrong.")


def _item(one: Row, other: Row) -> Item | Skipped:
    by_class = {row.text("class"): row for row in (one, other)}
    same = all(one.cells[name] == other.cells[name] for name in COLUMNS if name not in ("form", "class"))
    if set(by_class) != {"correct", "wrong"} or not same:
        raise InputError(
            f"{other.where}: this row and the one before are no item. An item is two rows that differ in form and "
            "class, correct and wrong."
        )
    right, wrong = (by_class[kind].text("form") for kind in ("correct", "wrong"))
    kind = one.text("type")
    if kind not in KINDS:
        raise InputError(f"{one.where}: 'type' must be one of {', '.join(KINDS)}. Got '{kind}'.")
    template = f"{one.text('pattern')}/{one.text('constr_id')}"
    name = f"gulordava/{template}/{one.text('sent_id')}"
    words, before = one.text("sent").removesuffix(END).split(), one.text("prefix").split()
    if right == wrong:
        return Skipped(name, one.where, IDENTICAL, right)
    begins = all(two in (one, UNKNOWN) for one, two in zip(words, before, strict=False))
    if not begins or len(words) <= len(before):
        return Skipped(name, one.where, "the sentence does not begin with its prefix", one.text("sent")[:120])
    facts: dict[str, Fact] = {
        "attractors": _count(one, "n_attr"),
        "number": one.text("correct_number"),
        "kind": KINDS[kind],
        "pattern": one.text("pattern"),
        "contrast": f"{right} / {wrong}",
    }
    if LENGTH in one.cells:
        facts["distance"] = _count(one, LENGTH)
    sentences = tuple(at_word(words, len(before), form) for form in (right, wrong))
    return Item(name, "gulordava", KINDS[kind], template, sentences, 0, facts)


def _count(row: Row, column: str) -> int:
    value = row.text(column)
    if not value.isdecimal():
        raise InputError(f"{row.where}: '{column}' must be a whole number. Got '{value}'.")
    return int(value)


def recognises(path: Path) -> bool:
    """Tell whether the first line names the columns."""
    return names_in(path) >= set(COLUMNS)


SUITE = Suite(
    "gulordava",
    read,
    help="Agreement in sentences of Wikipedia and in their nonce versions.",
    reference="Gulordava, Bojanowski, Grave, Linzen and Baroni 2018, NAACL",
    licence="CC BY-NC 4.0",
    recognises=recognises,
    homes=("agreement_gulordava",),
)
