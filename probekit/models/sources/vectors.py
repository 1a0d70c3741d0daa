"""Word vectors from text files: GloVe's format, and word2vec's, which says its size in the first line.

Enters: a path, plain or ``.gz``, with one word a line and its values behind it, between single spaces. Leaves:
:class:`WordVectors`, the words and one float32 table. Nothing is skipped. A word may stand twice only with the same
values; a word may hold spaces, but what stands between its first part and the values may then not be all numbers,
since that is a line with too many values.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.corpus.lines import blocks
from probekit.errors import InputError

CHUNK = 16_384
"""Rows of a block of the growing table."""

LARGEST = float(np.finfo(np.float32).max)
HEADER = re.compile(r"([0-9]+) ([0-9]+)")
ODD = re.compile(r"[^0-9eE.+-]")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words and their vectors.

    Attributes
    ----------
    rows : dict of str to int
        Row of each word.
    table : float32 array [words + 1, width]
        The last row is the mean of the others.
    """

    rows: dict[str, int]
    table: FloatArray

    @property
    def mean_row(self) -> int:
        """Row of the mean vector, which words without one of their own are given."""
        return len(self.table) - 1


def read_vectors(path: Path) -> WordVectors:
    """Read a file of word vectors as a stream; beside the table, one block of lines is held.

    A first line of exactly two whole numbers is word2vec's header, the number of words and the width;
    both must be true. Without one, the width is that of the first line, whose word has no spaces.

    Parameters
    ----------
    path : Path
        UTF-8, plain or ``.gz``.

    Returns
    -------
    WordVectors

    Raises
    ------
    InputError
        ``file:line`` and what is wrong: bytes that are not UTF-8, an empty line, no word, a wrong number
        of values, a value that is no finite float32, a word that stands twice with different values;
        a file without vectors, or with another number of words than its header says.
    """
    lines = ((number + at, line) for number, part in blocks(path) for at, line in enumerate(part))
    reader: _Reader | None = None
    for number, line in lines:
        header = HEADER.fullmatch(line.rstrip(" ")) if number == 1 else None
        if header is not None:
            reader = _Reader(path, int(header[2]), said=int(header[1]))
            continue
        if reader is None:
            reader = _Reader(path, line.rstrip(" ").count(" "), said=None)
        reader.take(number, line)
    if reader is None or not reader.rows:
        raise InputError(f"{path}: there are no word vectors in this file. Each line is a word and its values.")
    return reader.result()


class _Reader:
    """Gathers vectors line by line."""

    def __init__(self, path: Path, width: int, *, said: int | None) -> None:
        self.path, self.width, self.said = path, width, said
        self.rows: dict[str, int] = {}
        self.lines = array("q")
        self.blocks: list[FloatArray] = []
        self.taken = 0
        if width < 1:
            raise self._error(1, "there is no value behind the word. Put single spaces between a word and its values")

    def take(self, number: int, line: str) -> None:
        """Add a line."""
        word, values = self._split(number, line)
        self.taken += 1
        known = self.rows.get(word)
        if known is not None:
            if not np.array_equal(self._row(known), values):
                raise self._error(
                    number,
                    f"the word '{word}' has other values here than in line {self.lines[known]}. Remove one of the two",
                )
            return
        place = len(self.rows)
        if place % CHUNK == 0:
            self.blocks.append(np.empty((CHUNK, self.width), np.float32))
        self.rows[word] = place
        self.lines.append(number)
        self._row(place)[:] = values

    def result(self) -> WordVectors:
        """Return the table with the mean below it; the blocks are let go of one by one."""
        if self.said is not None and self.taken != self.said:
            raise InputError(
                f"{self.path}:1: the header says {self.said} words, but {self.taken} follow. Fetch the file again, or "
                "correct its header."
            )
        count = len(self.rows)
        table = np.empty((count + 1, self.width), np.float32)
        total = np.zeros(self.width)
        for start in range(0, count, CHUNK):
            part = self.blocks[start // CHUNK][: count - start]
            total += part.sum(axis=0, dtype=np.float64)
            table[start : start + len(part)] = part
            self.blocks[start // CHUNK] = part[:0].copy()
        table[count] = total / count
        return WordVectors(self.rows, table)

    def _row(self, place: int) -> FloatArray:
        return self.blocks[place // CHUNK][place % CHUNK]

    def _split(self, number: int, line: str) -> tuple[str, FloatArray]:
        fields = line.rstrip(" ").split(" ")
        if fields == [""]:
            raise self._error(number, "the line is empty. Remove it")
        extra = fields[1 : -self.width]
        if len(fields) <= self.width or (extra and all(map(NUMBER.fullmatch, extra))):
            raise self._error(
                number,
                f"{len(fields) - 1} values behind '{fields[0][:40]}', where {self.width} belong "
                f"({'as the header says' if self.said is not None else 'as in line 1'})",
            )
        word, values = " ".join(fields[: -self.width]), fields[-self.width :]
        if not word or "\t" in word:
            what = "there is a tab in the word" if word else "there is no word before the values"
            raise self._error(number, f"{what}. Put the word first, and single spaces between it and its values")
        return word, self._numbers(number, values)

    def _numbers(self, number: int, values: list[str]) -> FloatArray:
        # float() lets "nan", "1_0" and digits of other scripts pass, so the characters are looked at as well.
        try:
            parsed = np.array(list(map(float, values)))
        except ValueError:
            parsed = np.array([np.nan])
        if ODD.search("".join(values)) or not (np.abs(parsed) <= LARGEST).all():
            raise self._error(number, self._why(values))
        return parsed.astype(np.float32)

    @staticmethod
    def _why(values: list[str]) -> str:
        place, value = next(
            (place, value)
            for place, value in enumerate(values, start=1)
            if not NUMBER.fullmatch(value) or abs(float(value)) > LARGEST
        )
        found = "is too large for float32" if NUMBER.fullmatch(value) else "is no finite number"
        return f"value {place}, '{value[:40]}', {found}"

    def _error(self, number: int, why: str) -> InputError:
        return InputError(f"{self.path}:{number}: {why}.")
