"""A sound file and every way to spoil it: what this reader says beside `conllu` and `pyconll`.

Agreement is as much a statement as disagreement: where the columns say "same", all the words must be
equal; where the reader refuses, it must name line and column, whatever the other two make of it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import conllu
import pyconll
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.corpus.notes import Notes
from probekit.corpus.readers.conllu import read
from probekit.errors import InputError

ROWS = [
    ["1", "Dogs", "dog", "NOUN", "NNS", "Number=Plur", "2", "nsubj", "_", "_"],
    ["2", "bark", "bark", "VERB", "VBP", "Tense=Pres", "0", "root", "_", "_"],
    ["3", "loudly", "loudly", "ADV", "RB", "_", "2", "advmod", "_", "_"],
]
HEAD = "# sent_id = a\n# text = Dogs bark loudly\n"
WORDS = ["Dogs", "bark", "loudly"]


def text(rows: list[list[str]] = ROWS, *, tab: str = "\t") -> str:
    return HEAD + "".join(tab.join(row) + "\n" for row in rows) + "\n"


def edited(row: int, column: int, value: str) -> str:
    return text([[*r[:column], value, *r[column + 1 :]] if i == row else r for i, r in enumerate(ROWS)])


# Name, file, what we make of it ("same" or where it is refused), and whether conllu and pyconll read the words.
SPOILT = [
    ("sound", text(), "same", True, True),
    ("CRLF", text().replace("\n", "\r\n"), "same", True, True),
    ("no final newline", text().rstrip("\n"), "same", True, True),
    ("a line of blanks ends a sentence", text().removesuffix("\n") + " \n", "same", True, True),
    ("two roots", edited(2, 6, "0"), "same", True, True),
    ("a space in a form", edited(2, 1, "very loudly"), "same", True, True),
    ("U+2028 in a form", edited(2, 1, "loud\u2028ly"), "same", True, False),
    ("U+0085 in a form", edited(2, 1, "loud\x85ly"), "same", True, False),
    ("a byte order mark", "\ufeff" + text(), "same", False, False),
    ("9 columns", text([ROWS[0], ROWS[1][:9], ROWS[2]]), "4:41", True, False),
    ("11 columns", text([ROWS[0], [*ROWS[1], "x"], ROWS[2]]), "4:44", True, False),
    ("two spaces for tabs", text(tab="  "), "3:2", True, False),
    ("one space for tabs", text(tab=" "), "3:2", False, False),
    ("a head that is no word", edited(2, 6, "7"), "5:26", True, True),
    ("a head that is no number", edited(2, 6, "x"), "5:26", False, True),
    ("heads in a circle", edited(1, 6, "1"), "3:[0-9]+", True, True),
    ("an ID twice", edited(1, 0, "1"), "4:1", True, True),
    ("an ID missing", edited(1, 0, "5"), "4:1", True, True),
    ("a feature without value", edited(0, 5, "Number"), "3:21", True, False),
    ("a feature twice", edited(0, 5, "Number=Plur|Number=Sing"), "3:21", True, True),
    ("an empty form", edited(1, 1, ""), "4:3", True, True),
    ("a comment between words", text().replace("2\tbark", "# odd\n2\tbark"), "4:1", True, True),
]


NOT_READ = (8,)
"""DEPS: kept by nobody here."""


def by_conllu(data: str) -> list[str]:
    return [token["form"] for sentence in conllu.parse(data) for token in sentence if isinstance(token["id"], int)]


def by_pyconll(data: str) -> list[str]:
    found = itertools.chain.from_iterable(pyconll.load_from_string(data))
    held = [token for token in found if not token.is_multiword() and not token.is_empty_node()]
    # Beside a lemma that is none, pyconll takes a form `_` for a missing one.
    return ["_" if token.form is None else token.form for token in held]


def attempted(parse: Callable[[str], list[str]], data: str) -> bool:
    try:
        return bool(parse(data))
    except (conllu.exceptions.ParseException, pyconll.exception.ParseError):
        return False


@pytest.mark.parametrize(
    ("data", "ours", "conllu_reads", "pyconll_reads"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT]
)
def test_agreement_and_disagreement(
    data: str, ours: str, conllu_reads: bool, pyconll_reads: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.conllu"
    path.write_bytes(data.encode("utf-8"))
    assert attempted(by_conllu, data) is conllu_reads
    assert attempted(by_pyconll, data) is pyconll_reads
    if ours != "same":
        with pytest.raises(InputError) as refusal:
            list(read(path, Notes()))
        assert re.search(rf"a\.conllu:{ours}: ", str(refusal.value))
        return
    words = [word for example in read(path, Notes()) for word in example.words]
    for reads, parse in ((conllu_reads, by_conllu), (pyconll_reads, by_pyconll)):
        assert not reads or parse(data) == words
    assert words[:2] == WORDS[:2]


@settings(max_examples=200, deadline=None)
@given(
    row=st.integers(0, 2),
    column=st.integers(0, 9),
    value=st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t"), max_size=6),
)
def test_what_this_reader_accepts_the_others_read_alike(
    row: int, column: int, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One cell replaced by anything: refused with a place, or the words are those of `conllu` and of `pyconll`."""
    data = edited(row, column, value)
    path = tmp_path_factory.getbasetemp() / "mutated.conllu"
    path.write_bytes(data.encode("utf-8"))
    try:
        words, refusal = [word for example in read(path, Notes()) for word in example.words], ""
    except InputError as error:
        words, refusal = [], str(error)
    if refusal:
        assert re.search(r"mutated\.conllu:\d+:\d+: ", refusal)
        return
    assert by_conllu(data) == words
    if len(data.splitlines()) > data.count("\n"):
        return  # it ends lines where str.splitlines does, which no treebank means
    try:
        assert by_pyconll(data) == words
    except pyconll.exception.ParseError:
        # It also cuts up what this reader does not read, and refuses what it cannot.
        assert column in NOT_READ
