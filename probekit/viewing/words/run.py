"""From questions and vectors to a report: :func:`view_analogies`, :func:`view_word_similarity`.

Enters: a file of questions, where words have their vectors. Leaves: a
:class:`~probekit.viewing.words.report.WordReport`. Nothing is fitted and nothing chosen, so every question is shown.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from probekit import __version__, plain
from probekit.errors import InputError, UsageError
from probekit.probing.cache_selection import open_cache
from probekit.probing.measure import scored
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, Bootstrap
from probekit.statistics.numbers import NumberScorer
from probekit.viewing.words.coverage import coverage_of, missing_words, said_of
from probekit.viewing.words.methods import Method, methods_of
from probekit.viewing.words.planes import plane_of
from probekit.viewing.words.questions import RatedPair, read_analogies, read_ratings
from probekit.viewing.words.report import ALLOWED, STAGE, WordReport
from probekit.viewing.words.scoring import clusters_of, mean_row, numbered
from probekit.viewing.words.solving import Asked, answer, ask
from probekit.viewing.words.tables import SLOT, Tables, WordTable, open_tables

Progress = Callable[[float, str], None]
ANALOGY, SIMILARITY, COSINE, SPELLING = "analogy", "word-similarity", "cosine", "spelling"


@dataclass(frozen=True, slots=True)
class Vectors:
    """Where words get their vectors.

    Attributes
    ----------
    on : path, ActivationCache, Extraction or None
        A cache: forms are averaged over its corpus.
    model : str or None
        ``static:FILE``, ``static:MODEL`` or a model; without `on` and `model` the newest cache is read.
    layers : str, int, iterable of layers, or None
        None: the last one.
    template : str
        What a model reads, with ``{}`` for the word.
    vocabulary : int or None
        Candidates of a file at most, its first words.
    cache : path or None
        Folder of caches.
    """

    on: Any = None
    model: Any = None
    layers: Any = None
    template: str = SLOT
    vocabulary: int | None = None
    cache: Any = None

    def open(self, asked: Sequence[str], progress: Progress | None) -> Tables:
        """Open the tables.

        Raises
        ------
        UsageError
            Both a cache and a model are named.
        """
        if self.on is not None and self.model is not None:
            raise UsageError("Words get their vectors from a cache (--on) or a model (--model), not from both.")
        layers = None if self.layers in (None, "") else self.layers
        vocabulary = self.vocabulary
        if vocabulary is not None:
            vocabulary = plain.whole(vocabulary, "vocabulary", least=1)
        return open_tables(
            asked,
            on=None if self.model is not None else open_cache(self.on, None, None, self.cache),
            model=str(self.model or ""),
            layers=layers,
            template=plain.text(self.template, "template"),
            vocabulary=vocabulary,
            root=self.cache,
            progress=progress,
        )


def view_analogies(
    questions: Any = "known",
    vectors: Vectors | None = None,
    *,
    methods: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> WordReport:
    """Answer analogies with word vectors, by section, with the words of a question left out and not.

    Parameters
    ----------
    questions : path or "known"
        In the format of word2vec; ``known`` is that file among the data sets.
    vectors : Vectors, optional
    methods : sequence of str, optional
        By default every one; floors are always there.
    seed : int
        Of the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    WordReport

    Raises
    ------
    UsageError, InputError, CacheError

    References
    ----------
    Mikolov et al. 2013, Efficient estimation of word representations in vector space, https://arxiv.org/abs/1301.3781
    """
    name, asked = read_analogies(questions)
    wanted = methods_of(None if methods is None else plain.texts(methods, "methods"))
    tables = (vectors or Vectors()).open([word for one in asked for word in one.words], progress)
    rows: list[Measurement] = []
    notes: list[str] = []
    coverage, planes = {}, {}
    for table in tables.tables:
        found = ask(table, asked)
        coverage[str(table.layer)] = coverage_of(len(asked), len(found.questions), found.missing, len(table.words))
        notes += said_of(table, asked, found)
        if not found.questions:
            raise InputError(f"No question of '{name}' has vectors for all of its words. Name another file or vectors.")
        blank = _blank(ANALOGY, tables, name, table, metric="accuracy")
        rows += _analogy_rows(table, found, wanted, blank=blank, seed=seed)
        sections = dict.fromkeys(one.section for one in found.questions)
        planes[str(table.layer)] = {
            section: plane_of(table, [one for one in found.questions if one.section == section]) for section in sections
        }
    header = _header(ANALOGY, tables, name, vectors, seed=seed, notes=notes)
    header["settings"] |= {"questions": _given(questions), "methods": [n for n, m in wanted.items() if not m.floor]}
    header |= {"coverage": coverage, "planes": planes, "references": {n: m.reference for n, m in wanted.items()}}
    return WordReport(tuple(rows), header)


def view_word_similarity(
    pairs: Any = "known", vectors: Vectors | None = None, *, seed: int = 0, progress: Progress | None = None
) -> WordReport:
    """Correlate cosines of word vectors with similarities that people gave.

    Parameters
    ----------
    pairs : path, "known" or a name
        Two words and a number a line; ``known`` is every such file among the data sets.
    vectors : Vectors, optional
    seed : int
        Of the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    WordReport
        Spearman's correlation, and as a floor that of how alike the two words are spelt.

    Raises
    ------
    UsageError, InputError, CacheError
    """
    sets = read_ratings(pairs)
    words = [word for rated in sets.values() for pair in rated for word in (pair.first, pair.second)]
    tables = (vectors or Vectors()).open(words, progress)
    rows: list[Measurement] = []
    notes: list[str] = []
    coverage = {}
    for table in tables.tables:
        for name, rated in sets.items():
            kept = [pair for pair in rated if None not in (table.find(pair.first), table.find(pair.second))]
            missing = Counter(
                word for pair in rated for word in dict.fromkeys((pair.first, pair.second)) if table.find(word) is None
            )
            coverage[f"{table.layer}:{name}"] = coverage_of(len(rated), len(kept), missing, len(table.words))
            notes += missing_words(f"{name}: {len(rated) - len(kept):,} of {len(rated):,} pairs", missing, table)
            if len(kept) > 2:
                blank = _blank(f"{SIMILARITY}:{name}", tables, name, table, metric="spearman")
                rows += _similarity_rows(table, kept, blank, seed=seed)
    if not rows:
        raise InputError(f"No set has three pairs with vectors ({', '.join(sets)}). Name another file or vectors.")
    header = _header(SIMILARITY, tables, ", ".join(sets), vectors, seed=seed, notes=notes)
    header["settings"] |= {"questions": _given(pairs)}
    return WordReport(tuple(rows), header | {"coverage": coverage})


def _analogy_rows(
    table: WordTable, asked: Asked, methods: Mapping[str, Method], *, blank: Measurement, seed: int
) -> Iterator[Measurement]:
    """Yield the rows of all questions and of each section: every method, with and without the question's words."""
    excluded, allowed = (answer(table, asked, methods, exclude=exclude) for exclude in (True, False))
    sections = np.array([one.section for one in asked.questions], object)
    first = [(one.section, one.a, one.a_star) for one in asked.questions]
    second = [(one.section, one.b, one.b_star) for one in asked.questions]
    floor = next((name for name, method in methods.items() if method.floor), None)
    for section in [None, *dict.fromkeys(sections)]:
        rows = np.arange(len(sections)) if section is None else np.flatnonzero(sections == section)
        clusters = clusters_of(list(sections[rows]), [first[row] for row in rows], [second[row] for row in rows])
        here = blank if section is None else replace(blank, task=f"{blank.task}:{section}")
        for name, method in methods.items():
            role = "floor" if method.floor else "estimator"
            tied = f"{excluded[name].tied:,} questions tie" if section is None and excluded[name].tied else ""
            one = replace(here, method=name, role=role, note=tied)
            yield mean_row(one, excluded[name].credit[rows], clusters, seed=seed)
            if method.floor:
                continue
            itself = f"b itself is answered to {allowed[name].b_itself[rows].mean():.1%}"
            other = replace(here, method=f"{name}, {ALLOWED}", role="companion", note=itself)
            yield mean_row(other, allowed[name].credit[rows], clusters, seed=seed)
            if floor is not None:
                gain = excluded[name].credit[rows] - excluded[floor].credit[rows]
                yield mean_row(replace(here, method=f"{name} - {floor}"), gain, clusters, seed=seed, difference=True)


def _similarity_rows(
    table: WordTable, pairs: Sequence[RatedPair], blank: Measurement, *, seed: int
) -> Iterator[Measurement]:
    """Yield Spearman's correlation of cosines and of spelling with the ratings, and their difference."""
    found = np.array([[table.find(pair.first), table.find(pair.second)] for pair in pairs], np.int64)
    unit = table.unit.astype(np.float64)
    cosines = np.einsum("ij,ij->i", unit[found[:, 0]], unit[found[:, 1]])
    spelt = np.array([SequenceMatcher(None, pair.first, pair.second).ratio() for pair in pairs])
    of = numbered([pair.first for pair in pairs])
    scorer = NumberScorer(np.array([pair.rating for pair in pairs]), Bootstrap.draw(of, seed=seed))
    row = replace(blank, n=len(pairs), n_groups=int(of.max()) + 1, unit="first word", level=LEVEL)
    (_, _, own), (_, _, floor) = scorer.scores(cosines), scorer.scores(spelt)
    yield scored(replace(row, method=COSINE), "spearman", *own)
    yield scored(replace(row, method=SPELLING, role="floor", note="how alike they are spelt"), "spearman", *floor)
    gain = (own[0] - floor[0], own[1] - floor[1])
    yield scored(replace(row, method=f"{COSINE} - {SPELLING}", role="difference"), "spearman", *gain)


def _blank(task: str, tables: Tables, name: str, table: WordTable, *, metric: str) -> Measurement:
    return Measurement(
        stage=STAGE,
        task=task,
        model=str(tables.model["name"]),
        corpus=name,
        split="test",
        layer=table.layer,
        method="",
        role="estimator",
        metric=metric,
        value=None,
    )


def _given(source: Any) -> str | None:
    """Return what questions were named by; None where they were given as such."""
    return str(source) if isinstance(source, str | os.PathLike) else None


def _header(
    task: str, tables: Tables, name: str, vectors: Vectors | None, *, seed: int, notes: Sequence[str]
) -> dict[str, Any]:
    asked = vectors or Vectors()
    return {
        "task": task,
        "model": tables.model,
        "corpus": {"name": name},
        "cache": None if tables.cache is None else str(tables.cache),
        "how": f"words have {tables.how}",
        "settings": {
            "view": task, "model": _given(asked.model), "template": asked.template, "vocabulary": asked.vocabulary,
            "layers": [one.layer for one in tables.tables if one.layer is not None],
            "seed": seed, "probekit": __version__,
        },
        "notes": list(notes),
    }  # fmt: skip
