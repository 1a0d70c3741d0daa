"""Analogies answered by a table of vectors.

Enters: a table, questions. Leaves: of each method the credit of every question, and how often b itself was the answer.
A question with a word that has no vector is not asked, of any method. Several candidates with the highest score share
the credit. Scores closer than :data:`SAME` are equal: float32 tells no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.viewing.words.methods import Method
from probekit.viewing.words.questions import Analogy
from probekit.viewing.words.tables import WordTable

SAME = 1e-6
BLOCK = 256
"""Questions whose candidates are in memory together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions that a table can be asked.

    Attributes
    ----------
    questions : list of Analogy
    rows : int64 array [n, 4]
        Of the table: a, a*, b, b*.
    missing : Counter
        Words without a vector, by the questions that they cost.
    left_out : Counter
        Questions that are not asked, by section.
    degenerate : int
        Questions asked whose answer is one of their own words, which no method that leaves those out can give.
    """

    questions: list[Analogy]
    rows: NDArray[np.int64]
    missing: Counter[str]
    left_out: Counter[str]
    degenerate: int


@dataclass(frozen=True, slots=True)
class Answers:
    """What a method answers.

    Attributes
    ----------
    credit : float64 array [n]
        1 for the right answer; a share where it ties with others.
    b_itself : float64 array [n]
        The same for answering b.
    tied : int
        Questions with several highest candidates.
    """

    credit: NDArray[np.float64]
    b_itself: NDArray[np.float64]
    tied: int


def ask(table: WordTable, questions: Sequence[Analogy]) -> Asked:
    """Find the words of questions in a table."""
    kept: list[Analogy] = []
    rows: list[list[int]] = []
    missing: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for question in questions:
        found = [table.find(word) for word in question.words]
        whole = [row for row in found if row is not None]
        if len(whole) == len(found):
            kept.append(question)
            rows.append(whole)
        else:
            left_out[question.section] += 1
            without = dict.fromkeys(word for word, row in zip(question.words, found, strict=True) if row is None)
            missing.update(list(without))
    numbers = np.array(rows, np.int64).reshape(len(rows), 4)
    degenerate = int((numbers[:, 3:] == numbers[:, :3]).any(axis=1).sum())
    return Asked(kept, numbers, missing, left_out, degenerate)


def answer(table: WordTable, asked: Asked, methods: Mapping[str, Method], *, exclude: bool) -> dict[str, Answers]:
    """Answer every question by every method.

    Parameters
    ----------
    table : WordTable
    asked : Asked
    methods : mapping of str to Method
    exclude : bool
        Leave the three words of a question out of its candidates, as the literature does.
    """
    n = len(asked.rows)
    credit = {name: (np.zeros(n), np.zeros(n)) for name in methods}
    tied = dict.fromkeys(methods, 0)
    for start in range(0, n, BLOCK):
        rows = asked.rows[start : start + BLOCK]
        words, of = np.unique(rows[:, :3], return_inverse=True)
        # [words of these questions, candidates]; each pair of words is multiplied once.
        cosines = (table.unit[words] @ table.unit.T).astype(np.float64)
        a, a_star, b = (cosines[of.reshape(rows.shape[0], 3)[:, place]] for place in range(3))
        for name, method in methods.items():
            scores = method.score(a, a_star, b)
            if exclude:
                # A floor returns the cosines themselves, which others read too.
                scores = scores.copy()
                np.put_along_axis(scores, rows[:, :3], -np.inf, axis=1)
            highest = scores >= scores.max(axis=1, keepdims=True) - SAME
            equals = highest.sum(axis=1)
            tied[name] += int((equals > 1).sum())
            here = np.arange(len(rows))
            for kept, wanted in zip(credit[name], (rows[:, 3], rows[:, 2]), strict=True):
                kept[start : start + BLOCK] = highest[here, wanted] / equals
    return {name: Answers(*credit[name], tied[name]) for name in methods}
