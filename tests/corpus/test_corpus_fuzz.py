"""Whatever the bytes, a reader gives examples that keep their promises, or an InputError that names its place."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from probekit.corpus import open_corpus
from probekit.errors import InputError

FUZZ = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

SENTENCE = (
    "# newdoc id = d\n# sent_id = s\n# text = a b\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\ta\ta\tX\tY\tA=1|B=2\t2\tdet\t_\t_\n1.1\te\t_\t_\t_\t_\t_\t_\t_\t_\n2\tb\tb\tX\tY\t_\t0\troot\t_\tZ\n\n"
)
RECORD = '{"id": "a", "words": ["a", "b"], "upos": ["X", null], "spans": {"e": [[0, 1, "L"]]}, "split": "train"}\n'
PIECES = [
    "\t",
    "\n",
    "\r",
    "\r\n",
    " ",
    "#",
    "_",
    "1",
    "-",
    ".",
    "0",
    "=",
    "|",
    "\u2028",
    "\ufeff",
    "é",
    '"',
    "[",
    "]",
    "{",
    "}",
    ",",
]


def check(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    seen = set()
    try:
        for example in open_corpus(path):
            assert example.words
            assert all(example.words)
            assert example.split in ("train", "dev", "test")
            assert example.id not in seen
            seen.add(example.id)
            json.dumps([example.id, example.words, example.text, example.group], ensure_ascii=False).encode()
            for value in example.annotations.values():
                assert not isinstance(value, tuple) or len(value) == len(example.words)
            for spans in example.spans.values():
                assert all(0 <= span.start < span.stop <= len(example.words) for span in spans)
    except InputError as error:
        message = str(error)
    else:
        return
    assert re.match(re.escape(str(path)) + r":[1-9][0-9]*(:[1-9][0-9]*)?: ", message), message


@st.composite
def damaged(draw: st.DrawFn, base: str) -> bytes:
    """Return a good file with a few characters or bytes put in, taken out or changed."""
    data = bytearray((base * draw(st.integers(1, 3))).encode())
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 5)))
        data[start:stop] = draw(st.one_of(st.sampled_from(PIECES).map(str.encode), st.binary(max_size=3)))
    return bytes(data)


@FUZZ
@given(data=damaged(SENTENCE))
def test_damaged_conllu(tmp_path: Path, data: bytes) -> None:
    check(tmp_path / "a.conllu", data)


@FUZZ
@given(data=damaged(RECORD))
def test_damaged_json_lines(tmp_path: Path, data: bytes) -> None:
    check(tmp_path / "a.jsonl", data)


@FUZZ
@example(data=b"version https://git-lfs.github.com/spec/v1")
@given(data=st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(PIECES)).map("".join).map(str.encode)))
@pytest.mark.parametrize("suffix", ["txt", "jsonl", "conllu"])
def test_arbitrary_bytes(tmp_path: Path, suffix: str, data: bytes) -> None:
    check(tmp_path / f"a.{suffix}", data)


@FUZZ
@given(data=st.data())
def test_damaged_gzip(tmp_path: Path, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress((SENTENCE.replace("# sent_id = s\n", "") * 20).encode(), mtime=0))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    check(tmp_path / "a.conllu.gz", bytes(packed[: data.draw(st.integers(0, len(packed)))]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@FUZZ
@given(
    record=st.fixed_dictionaries(
        {"words": st.lists(st.text(), max_size=3) | JSON},
        optional=dict.fromkeys(("id", "text", "group", "split", "spans", "upos"), JSON),
    )
)
def test_any_json_object(tmp_path: Path, record: dict) -> None:
    check(tmp_path / "a.jsonl", json.dumps(record).encode())


FORM = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), min_size=1, max_size=4)


@FUZZ
@given(sentences=st.lists(st.lists(FORM, min_size=1, max_size=5), min_size=1, max_size=4), change=st.integers(0, 7))
def test_fault_15_every_form_survives_every_line_ending(
    tmp_path: Path, sentences: list[list[str]], change: int
) -> None:
    rows = ("".join(f"{i}\t{form}\t_\t_\t_\t_\t{i - 1}\t_\t_\t_\n" for i, form in enumerate(s, 1)) for s in sentences)
    text = "\n".join(rows)
    if change & 1:
        text = text.rstrip("\n")
    if change & 2:
        text = text.replace("\n", "\r\n")
    if change & 4:
        text = "\ufeff" + text
    (tmp_path / "a.conllu").write_bytes(text.encode())
    assert [list(example.words) for example in open_corpus(tmp_path / "a.conllu")] == sentences
