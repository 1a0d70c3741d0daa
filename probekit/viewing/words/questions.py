"""Question files: analogies in the format of word2vec, and pairs of words with the similarity that people gave them.

Enters: a path, or a name among the data sets of the folder that ``PROBEKIT_DATA`` names. Leaves: frozen questions.
Nothing is skipped: a line that is no question is an error with its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from probekit.behaviour.opening import DATA
from probekit.corpus.lines import file_stem, texts
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.plain import as_real

KNOWN = "known"
"""What stands for the files of the folder of data sets."""


@dataclass(frozen=True, slots=True)
class Analogy:
    """``a`` is to ``a_star`` as ``b`` is to ``b_star``.

    Attributes
    ----------
    section : str
    a, a_star, b, b_star : str
    """

    section: str
    a: str
    a_star: str
    b: str
    b_star: str

    @property
    def words(self) -> tuple[str, str, str, str]:
        """All four."""
        return self.a, self.a_star, self.b, self.b_star


@dataclass(frozen=True, slots=True)
class RatedPair:
    """Two words with the similarity that people gave them.

    Attributes
    ----------
    first, second : str
    rating : float
    """

    first: str
    second: str
    rating: float


def check_section(questions: str | os.PathLike[str], section: str) -> None:
    """Refuse a section that a file of analogies does not have.

    Raises
    ------
    UsageError, InputError
    """
    name, asked = read_analogies(questions)
    known = list(dict.fromkeys(one.section for one in asked))
    if section not in known:
        hint = did_you_mean(section, known)
        raise UsageError(f"'{name}' has no section '{section}'.{hint} It has: {', '.join(known)}.")


def read_analogies(spec: str | os.PathLike[str]) -> tuple[str, list[Analogy]]:
    """Read a file of analogies: ``: section``, and below it four words a line.

    Parameters
    ----------
    spec : str or path
        A file, or ``known``: ``analogies/questions-words.txt`` of the data sets.

    Returns
    -------
    name : str
    questions : list of Analogy

    Raises
    ------
    UsageError
        No such file.
    InputError
        ``file:line`` and what is wrong; a file without a question.
    """
    ((name, path),) = _files(spec, "analogies", "questions-words")
    section, found = "", []
    for number, line in _lines(path):
        if line.startswith(":"):
            section = line[1:].strip()
            continue
        words = line.split()
        if len(words) != 4:
            raise InputError(f"{path}:{number}: a question has four words; here are {len(words)}. Correct the line.")
        found.append(Analogy(section or name, *words))
    if not found:
        raise InputError(f"{path}: there is no question in this file. Each line has four words, ': name' a section.")
    return name, found


def read_ratings(spec: str | os.PathLike[str]) -> dict[str, list[RatedPair]]:
    """Read pairs of words with ratings: two words and a number a line, between tabs, commas or spaces.

    Parameters
    ----------
    spec : str or path
        A file, ``known`` (every file of ``word_similarity`` of the data sets) or the name of one of those.

    Returns
    -------
    dict of str to list of RatedPair
        By name of the file.

    Raises
    ------
    UsageError
        No such file.
    InputError
        ``file:line`` and what is wrong; a file without a pair.
    """
    found = {}
    for name, path in _files(spec, "word_similarity"):
        pairs = []
        for number, line in _lines(path):
            separator = "\t" if "\t" in line else "," if "," in line else None
            words = [part.strip() for part in line.split(separator)]
            rating = _number(words[2]) if len(words) == 3 else None
            if rating is None or not all(words):
                raise InputError(f"{path}:{number}: a pair is two words and a number. Got '{line[:60]}'. Correct it.")
            pairs.append(RatedPair(words[0], words[1], rating))
        if not pairs:
            raise InputError(f"{path}: there is no pair in this file. Each line has two words and a number.")
        found[name] = pairs
    return found


def _number(text: str) -> float | None:
    try:
        return as_real(float(text))
    except ValueError:
        return None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    return ((number, line.strip()) for number, line in enumerate(texts(path), start=1) if line.strip())


def _files(spec: str | os.PathLike[str], home: str, name: str | None = None) -> list[tuple[str, Path]]:
    """Return names and paths of what a spec means: a file, or files of the data sets."""
    given = os.fspath(spec)
    if os.path.isfile(given):
        return [(file_stem(Path(given)), Path(given))]
    data = os.environ.get(DATA, "")
    files = {file_stem(path): path for path in sorted(Path(data, home).glob("*.txt"))} if data else {}
    if given == KNOWN and files:
        return [(name, files[name])] if name in files else list(files.items())
    if given in files:
        return [(given, files[given])]
    among = f"one of {', '.join(files)}, " if files else ""
    where = f"in {Path(data, home)}" if data else f"since {DATA} names no folder of data sets"
    raise UsageError(
        f"There is no file '{given}', and none of that name {where}.{did_you_mean(given, files)} Give a path, {among}"
        f"or '{KNOWN}'."
    )
