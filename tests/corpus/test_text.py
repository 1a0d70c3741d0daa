"""The plain text reader: a sentence a line, and memory that does not grow with the file."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from probekit.corpus import open_corpus
from probekit.corpus.lines import BLOCK, blocks
from probekit.errors import InputError

TEXT = "The dog barks .\n\nIt  is\tloud\u200b .\n  \nEnd .\n"


def read(path: Path, data: bytes) -> list[tuple[str, ...]]:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return [example.words for example in open_corpus(path)]


def test_lines_are_sentences_and_blank_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    words = read(path, TEXT.encode())
    assert words == [("The", "dog", "barks", "."), ("It", "is", "loud\u200b", "."), ("End", ".")]
    corpus = open_corpus(path)
    assert [(example.id, example.text) for example in corpus] == [
        ("a:0", "The dog barks ."),
        ("a:1", "It  is\tloud\u200b ."),
        ("a:2", "End ."),
    ]
    assert corpus.notes.counts == {"blank lines": 2}
    assert corpus.notes.places["blank lines"] == [f"{path}:2", f"{path}:4"]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_fault_15_line_ends_and_bom_change_nothing(tmp_path: Path, name: str) -> None:
    expected = read(tmp_path / name, TEXT.encode())
    for changed in (
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        TEXT.rstrip("\n"),
        "\ufeff" + TEXT.replace("\n", "\r\n"),
    ):
        assert read(tmp_path / name, changed.encode()) == expected


def test_fault_15_u2028_separates_words_but_ends_no_line(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", "a\u2028b\x85c\n".encode()) == [("a", "b", "c")]


def test_fault_15_lone_carriage_return_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.txt:2:4: a carriage return"):
        read(tmp_path / "a.txt", b"ok\nbad\rline\n")


def test_fault_16_invalid_utf8_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.txt:2:4: byte 0xe9 is not valid UTF-8"):
        read(tmp_path / "a.txt", b"ok\ncaf\xe9 .\n")


@pytest.mark.parametrize("shift", range(-3, 4))
def test_lines_and_characters_may_lie_across_blocks(tmp_path: Path, shift: int) -> None:
    first = "a" * (BLOCK + shift - 5)
    for end in ("\n", "\r\n"):
        lines = [first, "é€😀 b", "", "c"]
        (tmp_path / "a.txt").write_bytes(end.join(lines).encode())
        found = [
            (number, line) for start, part in blocks(tmp_path / "a.txt") for number, line in enumerate(part, start)
        ]
        assert found == list(enumerate(lines, 1))


def test_a_line_without_end_is_refused_before_memory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.corpus.lines.LONGEST_LINE", 3 * BLOCK)
    with pytest.raises(InputError, match=r"a\.txt:1: the line is longer"):
        read(tmp_path / "a.txt", b"x" * (5 * BLOCK))


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.corpus.lines.BLOCK", 1 << 14)
    line = "the quick brown fox jumps over the lazy dog .\n"

    def peak(sentences: int) -> int:
        path = tmp_path / f"{sentences}.txt"
        path.write_text(line * sentences)
        tracemalloc.start()
        try:
            for _ in open_corpus(path):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak(2_000)
    assert peak(40_000) < 1.2 * small


@pytest.mark.parametrize("name", ["a.txt", "a.bio", "a.conllu", "a.txt.gz", "folder/x-test.txt"])
def test_a_pointer_of_git_lfs_is_no_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if path.parent != tmp_path:
        (path.parent / "x-train.txt").write_text(TEXT)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 4\n")
    with pytest.raises(InputError, match=rf"{path.name}:1: this file is a pointer of Git LFS.* lfs pull"):
        list(open_corpus(path if path.parent == tmp_path else path.parent))
