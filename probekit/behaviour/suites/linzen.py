"""Agreement in sentences of Wikipedia, by the number of attractors: Linzen et al. 2016, as Gulordava et al. filtered
it.

What enters is line-aligned files: ``X.text`` with the sentences, ``X.gold`` with the position of the verb (from 0), its
right and its wrong form and the number of attractors. What leaves is an item a sentence in which the verb is scored;
the end mark ``<eos>`` is taken off and the rest kept as it is written, words with spaces between them. The files do not
say where the subject stands, so there is no distance.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from probekit.behaviour.items import Fact, Item, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._rows import head_of, lines_of
from probekit.behaviour.suites._sentences import at_word
from probekit.errors import InputError

END = "<eos>"
PARTS = (".text", ".gold", ".eval")


def read(path: Path) -> Reading:
    """Yield the sentences; ``path`` is any of the line-aligned files.

    Raises
    ------
    InputError
        A file that is missing beside it, files of different length, a line of gold that is none.
    """
    text, gold = _beside(path)
    for number, (sentence, line) in enumerate(zip_longest(_lines(text), _lines(gold)), 1):
        if sentence is None or line is None:
            raise InputError(f"{gold}:{number}: {text.name} and {gold.name} differ in their number of lines.")
        yield _item(sentence, line, name=f"linzen/{number}", where=f"{gold}:{number}")


def _item(sentence: str, line: str, *, name: str, where: str) -> Item | Skipped:
    cells = line.split("\t")
    if len(cells) != 4 or not (cells[0].isdecimal() and cells[3].isdecimal()):
        raise InputError(
            f"{where}: a line of gold must be position, right form, wrong form and number of attractors, with tabs "
            f"between them. Got {line!r:.80}."
        )
    position, right, wrong, attractors = int(cells[0]), cells[1], cells[2], int(cells[3])
    words = sentence.removesuffix(END).split()
    if position < len(words) and words[position] == right.lower():
        right, wrong = right.lower(), wrong.lower()  # a few forms are capitalised where the sentence is not
    if position >= len(words) or words[position] != right:
        return Skipped(name, where, "the right form is not at the position that is given", line)
    if right == wrong:
        return Skipped(name, where, "the two forms are identical", line)
    sentences = tuple(at_word(words, position, form) for form in (right, wrong))
    facts: dict[str, Fact] = {"attractors": attractors, "position": position, "contrast": f"{right} / {wrong}"}
    return Item(name, "linzen", "agreement", name, sentences, 0, facts)


def _lines(path: Path) -> Iterator[str]:
    return (line for _, line in lines_of(path) if line.strip())


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the files of sentences and of gold."""
    name = path.name.removesuffix(".gz")
    stem = next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)
    found = []
    for part in PARTS[:2]:
        file = next((file for end in ("", ".gz") if (file := path.with_name(f"{stem}{part}{end}")).is_file()), None)
        if file is None:
            raise InputError(f"{path}: there is no {stem}{part} beside it. The suite needs both, line by line.")
        found.append(file)
    return found[0], found[1]


def recognises(path: Path) -> bool:
    """Tell whether the file is the gold of aligned files, with four cells a line."""
    if not path.name.removesuffix(".gz").endswith(".gold"):
        return False
    cells = (head_of(path) or [""])[0].split("\t")
    return len(cells) == 4 and cells[0].isdecimal() and cells[3].isdecimal()


SUITE = Suite(
    "linzen",
    read,
    help="Agreement in sentences of Wikipedia, by the number of attractors.",
    reference="Linzen, Dupoux and Goldberg 2016, TACL 4; the sentences of Gulordava et al. 2018",
    licence="CC BY-NC 4.0",
    recognises=recognises,
    homes=("agreement_linzen_subset",),
)
