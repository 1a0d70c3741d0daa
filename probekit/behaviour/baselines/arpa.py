"""N-gram models as ARPA files, which SRILM, KenLM and others write and read; plain or ``.gz``.

Enters and leaves: ``log10 probability, n-gram, log10 back-off weight`` a line, the back-off weight optional. Surprise:
-99 stands for the logarithm of nothing, and an n-gram must come with the one it extends by its last word, as its
context's back-off weight has nowhere else to be.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.baselines.counting import BEGIN, END, UNKNOWN
from probekit.behaviour.baselines.ngram import NgramModel, find
from probekit.corpus.lines import check_regular
from probekit.errors import InputError
from probekit.storage.files import disk_errors, replacing

CHUNK = 100_000
NOTHING = -99.0
OTHER_UNKNOWN = b"<UNK>"
"""How some files spell ``<unk>``."""
_SIZE = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)")
_SPACE = re.compile(r"[ \t\n\v\f\r]")


def write_arpa(model: NgramModel, path: Path) -> None:
    """Write a model, in the place of an older file of that name.

    Raises
    ------
    InputError
        A word that is empty or has a space in it, which no line could hold.
    ResourceError
        The file cannot be written.
    """
    if unfit := [word for word in model.words if not word or _SPACE.search(word)]:
        raise InputError(f"{path}: an ARPA file cannot hold the word {unfit[0]!r}. Split the text into words.")
    packed = path.name.endswith(".gz")
    with (
        disk_errors(path.parent, str(path)),
        replacing(path) as beside,
        gzip.open(beside, "wb", 6) if packed else beside.open("wb") as stream,
    ):
        stream.write(b"\\data\\\n")
        for n, size in enumerate(model.sizes, 1):
            stream.write(f"ngram {n}={size}\n".encode())
        for n in range(1, model.order + 1):
            stream.write(f"\n\\{n}-grams:\n".encode())
            for lines in _lines(model, n):
                stream.write("".join(lines).encode())
        stream.write(b"\n\\end\\\n")


def read_arpa(path: Path) -> NgramModel:
    """Read a model.

    Raises
    ------
    InputError
        No such file, or one that cannot be unpacked; no ARPA file; a line that is none of its section (``file:line``),
        an n-gram twice, one whose first words are no n-gram, a word that is no single word, other numbers of n-grams
        than the file announces.
    """
    check_regular(path)
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            model = _Reader(iter(stream), path).model()
            for _ in stream:  # the sum behind packed data is looked at where that ends
                pass
            return model
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: the compressed file is damaged or cut off ({error}). Fetch or write it again."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}. Check the file.") from None


def _lines(model: NgramModel, n: int) -> Iterator[list[str]]:
    """Yield the lines of the n-grams of one order, some at a time."""
    words = np.array(model.words, object)
    last = n == model.order
    for start in range(0, model.sizes[n - 1], CHUNK):
        nodes = np.arange(start, min(start + CHUNK, model.sizes[n - 1]))
        probabilities = _log10(model.logprobs[n - 1][nodes])
        weights = [""] * len(nodes) if last else [f"\t{weight}" for weight in _log10(model.backoffs[n - 1][nodes])]
        columns = []
        for level in reversed(model.keys[: n - 1]):
            nodes, word = np.divmod(level[nodes], len(words))
            columns.append(words[word].tolist())
        columns.append(words[nodes].tolist())
        grams = map(" ".join, zip(*reversed(columns), strict=True))
        yield [f"{p}\t{gram}{w}\n" for p, gram, w in zip(probabilities, grams, weights, strict=True)]


def _log10(values: NDArray[np.float32]) -> list[float]:
    found = np.round(values.astype(np.float64) / np.log(10), 7)
    return np.where(np.isneginf(found), NOTHING, found + 0.0).tolist()


class _Reader:
    """Reads the sections of one file."""

    def __init__(self, stream: Iterator[bytes], path: Path) -> None:
        self.stream, self.path, self.line = stream, path, 0
        self.number: dict[bytes, int] = {}
        self.keys: list[NDArray[np.int64]] = []

    def model(self) -> NgramModel:
        sizes = self._sizes()
        logprobs, backoffs = [], []
        for n, size in enumerate(sizes, 1):
            grams, logs, weights = self._section(n, size)
            order = self._sorted(grams, n)
            logprobs.append(_natural(logs[order]))
            if n < len(sizes):
                backoffs.append(_natural(weights[order]))
        if self._next() != b"\\end\\":
            raise self._error("the file should end with \\end\\ here")
        self._check_marks()
        words = tuple(word.decode() for word in self.number)
        return NgramModel(words, tuple(self.keys), tuple(logprobs), tuple(backoffs))

    def _sizes(self) -> list[int]:
        while (line := self._next()) != b"\\data\\":
            if line is None:
                raise self._error("no line \\data\\ begins an ARPA file here. Is this a text? Train a model on it")
        sizes: list[int] = []
        while (line := self._next()) is not None and (found := _SIZE.fullmatch(line)):
            if int(found[1]) != len(sizes) + 1:
                raise self._error("the orders of n-grams must be counted from 1, one a line")
            sizes.append(int(found[2]))
        if not sizes or line != b"\\1-grams:":
            raise self._error("lines like 'ngram 1=100' and then \\1-grams: should stand here")
        self.begun = line
        return sizes

    def _section(self, n: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the n-grams of one order as numbers of words [size, n], and their two logarithms."""
        line = self.begun if n == 1 else self._next()
        if line != f"\\{n}-grams:".encode():
            raise self._error(f"the section \\{n}-grams: should begin here")
        grams = np.empty((size, n), np.int64)
        logs, weights = np.empty(size), np.zeros(size)
        for start in range(0, size, CHUNK):
            lines = list(islice(self.stream, min(CHUNK, size - start)))
            stop = start + len(lines)
            columns = _columns(lines, n) if len(lines) == min(CHUNK, size - start) else None
            if columns is None:
                raise self._at_fault(lines, n, size)
            try:
                logs[start:stop] = list(map(float, columns[0]))
                if len(columns) == n + 2:
                    weights[start:stop] = list(map(float, columns[-1]))
            except ValueError:
                raise self._at_fault(lines, n, size) from None
            for k in range(n):
                grams[start:stop, k] = self._numbers(columns[k + 1], new=n == 1)
            if n > 1 and (lost := np.flatnonzero((grams[start:stop] < 0).any(axis=1))).size:
                self.line += int(lost[0]) + 1
                raise self._error("a word of this n-gram is no 1-gram")
            self.line += len(lines)
        return grams, logs, weights

    def _numbers(self, words: Sequence[bytes], *, new: bool) -> list[int]:
        if new:
            unknown = UNKNOWN.encode()
            named = (unknown if word == OTHER_UNKNOWN else word for word in words)
            return [self.number.setdefault(word, len(self.number)) for word in named]
        found = list(map(self.number.get, words, repeat(-1)))
        if OTHER_UNKNOWN in words:
            other = self.number.get(UNKNOWN.encode(), -1)
            found = [other if word == OTHER_UNKNOWN else its for word, its in zip(words, found, strict=True)]
        return found

    def _sorted(self, grams: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Keep the keys of one order, ascending, and return the order of its lines that makes them so."""
        nodes = grams[:, 0]
        for k, keys in enumerate(self.keys[: n - 2], 1):
            nodes = find(keys, nodes, grams[:, k], len(self.number))
        if (nodes < 0).any():
            gram = self._shown(grams[np.flatnonzero(nodes < 0)[0]])
            raise InputError(f"{self.path}: the {n}-gram '{gram}' is there without its first {n - 1} words.")
        if n == 1:
            made, order = nodes, np.argsort(nodes, kind="stable")
        else:
            made = nodes * len(self.number) + grams[:, -1]
            order = np.argsort(made, kind="stable")
            self.keys.append(made[order])
        if (twice := np.flatnonzero(np.diff(made[order]) == 0)).size:
            raise InputError(f"{self.path}: the {n}-gram '{self._shown(grams[order[twice[0]]])}' is there twice.")
        return order

    def _shown(self, gram: NDArray[np.int64]) -> str:
        words = list(self.number)
        return " ".join(words[word].decode("utf-8", "backslashreplace") for word in gram)

    def _check_marks(self) -> None:
        if lost := [mark for mark in (BEGIN, END) if mark.encode() not in self.number]:
            raise InputError(f"{self.path}: the word {lost[0]} is no 1-gram; no sentence can be scored. Train anew.")
        for word in self.number:
            try:
                word.decode()
            except UnicodeDecodeError as error:
                raise InputError(f"{self.path}: the word {word!r} is not valid UTF-8 ({error.reason}).") from None

    def _next(self) -> bytes | None:
        """Return the next line that is not blank, without its end; None behind the last."""
        for line in self.stream:
            self.line += 1
            if line := line.strip():
                return line
        return None

    def _at_fault(self, lines: list[bytes], n: int, size: int) -> InputError:
        for line in lines:
            self.line += 1
            row = line.split()
            if not n + 1 <= len(row) <= n + 2 or not all(map(_is_number, (row[0], *row[n + 1 :]))):
                break
        return self._error(f"this is none of the {size:,} lines 'logarithm, {n} words, logarithm' that are announced")

    def _error(self, what: str) -> InputError:
        return InputError(f"{self.path}:{self.line}: {what}.")


def _columns(lines: list[bytes], n: int) -> list[Sequence[bytes]] | None:
    """Return the fields of lines, a column each, back-off weights filled up; None where a line has too many or few."""
    data = b"".join(lines)
    tokens = data.split()
    signs = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(signs == ord("\n"))
    gaps = np.diff(np.cumsum((signs == ord("\t")) | (signs == ord(" ")))[ends], prepend=0)
    for fields in (n + 2, n + 1):
        # With so many gaps each, no line has more fields; all together they have as many, so each has.
        if len(ends) == len(lines) and (gaps == fields - 1).all() and len(tokens) == fields * len(lines):
            return [tokens[k::fields] for k in range(fields)]
    rows = [line.split() for line in lines]
    longest = max(map(len, rows))
    if longest > n + 2 or min(map(len, rows)) < n + 1:
        return None
    return list(zip(*(row if len(row) == longest else [*row, b"0"] for row in rows), strict=True))


def _is_number(text: bytes) -> bool:
    try:
        return float(text) is not None
    except ValueError:
        return False


def _natural(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(values <= NOTHING, -np.inf, values * np.log(10)).astype(np.float32)
