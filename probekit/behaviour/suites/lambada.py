"""LAMBADA: the last word of a passage, which people guess from the passage and not from its last sentence.

What enters is a passage a line, or JSON lines with ``text``. What leaves is an item of one sentence a passage, an open
question: its last word should be what the model finds likeliest. A passage is its own cluster.

References
----------
Paperno et al. 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from probekit.behaviour.items import SCORED, Item, Region, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._rows import Row, head_of, lines_of, names_in, objects, suffix_of
from probekit.corpus.lines import file_stem


def read(path: Path) -> Reading:
    """Yield the passages of a file.

    Raises
    ------
    InputError
        Of JSON lines, one that is no object or has no ``text``.
    """
    for number, row in enumerate(_rows(path), 1):
        text, name = row.text("text"), f"{file_stem(path)}/{number}"
        before, _, word = text.rpartition(" ")
        if not before.strip():
            yield Skipped(name, row.where, "the passage has fewer than two words", text)
            continue
        sentence = Sentence(text, (Region(SCORED, len(text) - len(word), len(text)),))
        yield Item(name, "lambada", "last word", name, (sentence,), 0, {"word": word, "words": len(text.split())})


def _rows(path: Path) -> Iterator[Row]:
    if suffix_of(path) in (".jsonl", ".ndjson"):
        return objects(path)
    return (Row(f"{path}:{number}", {"text": line}) for number, line in lines_of(path) if line.strip())


def recognises(path: Path) -> bool:
    """Tell whether the name says so and the file holds passages."""
    if "lambada" not in path.name.lower():
        return False
    return "text" in names_in(path) if suffix_of(path) in (".jsonl", ".ndjson") else bool(head_of(path))


SUITE = Suite(
    "lambada",
    read,
    help="The last word of a passage.",
    reference="Paperno et al. 2016, ACL",
    licence="CC BY 4.0",
    recognises=recognises,
    homes=("lambada",),
)
