"""Behave: name a suite and a model, and see what the model prefers.

Enters: what a user names. Leaves: a :class:`~probekit.behaviour.report.BehaviourReport`. Every method judges the same
items: one that any of the models cannot score is left out of all, by name and with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from probekit import plain
from probekit.behaviour.baselines import WordScorer
from probekit.behaviour.confounds import NORMALISATIONS
from probekit.behaviour.exchanging import control_of, control_rows
from probekit.behaviour.grouping import first_of_each, with_fact
from probekit.behaviour.items import Item
from probekit.behaviour.judges import (
    Progress,
    blanks_said,
    judge_all,
    judges_of,
    kept_of,
    left_out,
    unknown_to,
    without_score,
)
from probekit.behaviour.measures import measure_rows
from probekit.behaviour.measuring import Row, report_rows
from probekit.behaviour.opening import OpenedSuite, open_suite
from probekit.behaviour.report import BehaviourReport
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.behaviour.scoring.perplexity import Perplexity, perplexity
from probekit.behaviour.valuing import baseline_methods, chance_method, majority_method, read_baselines
from probekit.cache.location import cache_root
from probekit.corpus.lines import blocks, check_regular
from probekit.devices import DeviceMap
from probekit.errors import InputError, UsageError
from probekit.models.sources.find import find_model, shadowing_note
from probekit.report import Measurement


def behave(
    suite: str | os.PathLike[str] | Sequence[Item],
    model: str | os.PathLike[str],
    *,
    score: str = "auto",
    begin: str = "auto",
    end: str = "auto",
    normalise: str = "sum",
    limit: int | None = None,
    by: str = "",
    against: str | Sequence[str] = (),
    ngram: WordScorer | str | os.PathLike[str] | None = None,
    unigram: WordScorer | str | os.PathLike[str] | None = None,
    exchange: Mapping[str, str] | str | os.PathLike[str] | None = None,
    random_weights: int | None = None,
    dtype: str = "float32",
    device: str | DeviceMap = "auto",
    batch_tokens: int | None = None,
    revision: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    keep: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
    told: Callable[[str], None] | None = None,
) -> BehaviourReport:
    """Judge a suite by a model: which sentence of each item it prefers.

    Parameters
    ----------
    suite : str, path, or sequence of Item
        What :func:`~probekit.behaviour.opening.open_suite` takes, or items.
    model : str or path
        With a head that predicts tokens.
    score : {"auto", "causal", "masked", "masked-original", "seq2seq"}
        ``auto``: what the head does; of a masked model within-word left-to-right, ``masked-original`` one token at a
        time.
    begin, end : {"auto", "token", "none"}
        Whether a token of the tokenizer's stands before and behind each text; behind it, it is scored (of a masked
        model neither is).
    normalise : {"sum", "token", "word", "slor"}
        Sums of log-probabilities, means over tokens or words, or what is above frequency by token; ``slor`` needs
        ``unigram`` or the text of ``ngram``.
    limit : int, optional
        Judge the first so many items of each phenomenon alone, one of every template in turn (with ``by``, of each
        value in each phenomenon).
    by : str
        A fact of the items (``attractors``; of BLiMP ``term``) whose values stand in the place of phenomena; items that
        do not state it are left out.
    against : str or sequence of str
        Other models, to compare with.
    ngram : NgramModel, path or None
        A baseline, as an ARPA file or a text to train one on.
    unigram : UnigramModel, path or None
        A baseline, the frequency of words, as a text whose words are counted; None: that of ``ngram``.
    exchange : mapping of str to str, path or None
        A control of co-occurrence: every score also of the same items with content words exchanged
        (:mod:`probekit.behaviour.exchange`). Kinds of words, or a corpus with ``upos`` and ``feats`` that states them.
    random_weights : int, optional
        Seed of a model of the same architecture with random weights, as a floor.
    dtype, device, batch_tokens, revision
        As of :func:`~probekit.extract`.
    cache : path, optional
        Folder of caches; scores are kept in it.
    keep : bool
        Keep scores, and use those that were kept.
    seed : int
        Of the resamples, and of who gives words to whom.
    progress : callable, optional
        Called with the share done (0..1) and a note.
    told : callable, optional
        Called with what a person must know while it runs.

    Returns
    -------
    BehaviourReport

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError, NetworkError
    """
    plain.choice(normalise, "normalise", NORMALISATIONS)
    counted, counted_said = read_baselines(ngram, unigram)
    if normalise == "slor" and "unigram" not in counted:
        raise UsageError(
            "To normalise by slor, frequencies must be counted: give a text with --unigram TEXT or --ngram TEXT."
        )
    opened = _chosen(_opened(suite), limit, plain.text(by, "by"))
    control = None if exchange is None else control_of(opened.items, exchange, seed=seed)
    judges = judges_of(
        model,
        ScoringSpec(score, begin, end, dtype, device, batch_tokens),
        revision=revision,
        against=plain.texts(against, "against"),
        random_weights=random_weights,
    )
    if control is not None:
        judges = [replace(judge, also=control.made.items) for judge in judges]
    root = cache_root(cache) if keep else None
    judged = judge_all(opened.items, judges, root=root, progress=progress, told=told)
    methods = [*judged.methods, *baseline_methods(opened.items, counted)]
    unknown, unknown_said = unknown_to(opened.items, counted)
    left = {**without_score(opened.items, methods), **unknown, **judged.left}
    kept = kept_of(opened.items, left, opened.name)
    items = [opened.items[place] for place in kept]
    controlled: list[Measurement] = []
    controlled_said: list[str] = []
    if control is not None:
        row = Row(opened.name, None, methods[0].model)
        controlled, controlled_said = control_rows(
            control, row, judged, counted, methods=methods, left=left, normalise=normalise, by=by
        )
    methods = [method.take(kept) for method in methods]
    methods = [method.with_unigram(items, counted) if method.model else method for method in methods]
    blanks = blanks_said(items, methods)
    methods += [chance_method(items), majority_method(items)]
    rows, found = report_rows(opened.name, items, methods, normalise=normalise, seed=seed, by=by)
    measured = measure_rows(opened.name, opened.suites, items, methods, normalise=normalise)
    settings = {
        "score": methods[0].name,
        "begin": begin,
        "end": end,
        "normalise": normalise,
        "limit": limit,
        "by": by,
        "exchange": exchange
        if exchange is None or not isinstance(exchange, str | os.PathLike)
        else os.fspath(exchange),
        "dtype": dtype,
        "seed": seed,
    }
    provenance = judged.provenance | {
        "task": opened.name,
        "corpus": {"name": opened.name},
        "settings": settings,
        "references": [f"{suite.name}: {suite.reference}" for suite in opened.suites],
        "left_out": [{"id": opened.items[place].id, "reason": why} for place, why in left.items()],
        "differences": found.differences,
        "measures": list(dict.fromkeys(row.metric for row in measured)),
        "notes": [
            f"Scores are {_SAID[normalise]}; {judged.provenance['conventions']}.",
            *blanks,
            *opened.remarks,
            *shadowing_note(str(model)),
            *judged.notes,
            *left_out(opened.items, left),
            *counted_said,
            *unknown_said,
            *controlled_said,
            *found.notes,
        ],
    }
    return BehaviourReport((*rows, *controlled, *measured), provenance, tuple(found.items))


_SAID = {
    "sum": "sums of log-probabilities",
    "token": "mean log-probabilities of tokens",
    "word": "sums of log-probabilities by word",
    "slor": "log-probabilities above those by frequency, by token (SLOR)",
}


def _opened(suite: Any) -> OpenedSuite:
    if isinstance(suite, str | os.PathLike):
        return open_suite(suite)
    items = plain.all_of(suite, "suite", Item, "the name of a suite, a path, or a list of Items")
    if not items:
        raise InputError("The suite is empty: there is no item to judge.")
    return OpenedSuite(items[0].suite, items, (), (), (), ())


def _chosen(opened: OpenedSuite, limit: int | None, by: str) -> OpenedSuite:
    """Keep the first items of each phenomenon and those that state a fact, and say what is left out."""
    items, remarks = list(opened.items), list(opened.remarks)
    if by:
        items, said = with_fact(items, by, opened.name)
        remarks += said
    if limit is not None:
        items, said = first_of_each(items, plain.whole(limit, "limit", least=1), by)
        remarks += said
    return replace(opened, items=tuple(items), remarks=tuple(remarks))


def perplexity_of(
    text: str | os.PathLike[str],
    model: str | os.PathLike[str],
    *,
    window: int | None = None,
    stride: int | None = None,
    score: str = "auto",
    begin: str = "auto",
    end: str = "none",
    dtype: str = "float32",
    device: str | DeviceMap = "auto",
    batch_tokens: int | None = None,
    revision: str | None = None,
    random_weights: int | None = None,
    progress: Progress | None = None,
) -> Perplexity:
    """Score a running text: a file of plain text, of which line ends are spaces and blank lines are left out.

    Parameters
    ----------
    text : path
    model : str or path
    window, stride : int, optional
        As of :func:`~probekit.behaviour.scoring.perplexity.perplexity`.
    score, begin, end, dtype, device, batch_tokens, revision, random_weights, progress
        As of :func:`behave`.

    Raises
    ------
    UsageError, InputError, ResourceError, NetworkError
    """
    place = plain.path(text, "text")
    check_regular(place)
    running = " ".join(line.strip() for _, lines in blocks(place) for line in lines if line.strip())
    if not running:
        raise InputError(f"{text}: the file holds no text.")
    spec = ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights)
    with Session(find_model(str(model), revision=revision), spec) as session:
        return perplexity(running, session, window=window, stride=stride, told=progress)
