"""Runs of words of texts, by hash: what enters is lines, what leaves is a 64-bit number for every run of words.

Case and signs are ignored, and a run may lie across lines. Two different runs of a text of ten million words share a
number with one run of a sentence in one of 10^12 cases; nothing else but numbers is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.corpus.archives import enclosing_file
from probekit.corpus.lines import blocks

SHORTEST = 8
"""Words of a run."""
_WORD = re.compile(r"[^\W_]+")
_BASE = np.uint64(0x9E3779B97F4A7C15)


def stands_in(sentence: str, files: tuple[Path, ...]) -> bool | None:
    """Tell whether all runs of a sentence stand in the texts; None where it is shorter than a run."""
    runs = _runs([sentence])
    if not len(runs):
        return None
    # Their times, so that texts that changed are read anew.
    known = _of_files(files, tuple(enclosing_file(file).stat().st_mtime_ns for file in files))
    if not len(known):
        return False
    at = np.minimum(np.searchsorted(known, runs), len(known) - 1)
    return bool(np.all(known[at] == runs))


@lru_cache(maxsize=1)
def _of_files(files: tuple[Path, ...], changed: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return the runs of the files, sorted: eight bytes a word of the texts."""
    return np.unique(np.concatenate([_runs(line for _, lines in blocks(file) for line in lines) for file in files]))


def _runs(lines: Iterable[str]) -> NDArray[np.uint64]:
    words = np.array([_code(word) for line in lines for word in _WORD.findall(line.lower())], np.uint64)
    n = max(len(words) - SHORTEST + 1, 0)
    found = np.zeros(n, np.uint64)
    for shift in range(SHORTEST):
        # A polynomial in the words' numbers, modulo 2 to the 64th.
        found = found * _BASE + words[shift : shift + n]
    return found


@lru_cache(maxsize=1 << 18)
def _code(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
