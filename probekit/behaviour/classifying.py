"""Classify: name a labelled corpus, a model, a prompt and words for the labels, and see how well the model sorts.

Enters: what a user names. Leaves: a :class:`~probekit.behaviour.report.BehaviourReport` with the accuracy, the same
once calibrated, the floors beside, and how many examples of each label were sorted where. Nothing is trained.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from probekit import plain
from probekit.behaviour.confounds import NORMALISATIONS
from probekit.behaviour.items import Item, Skipped
from probekit.behaviour.judges import (
    Judge,
    Judged,
    Progress,
    judge_all,
    judges_of,
    kept_of,
    left_out,
    without_score,
)
from probekit.behaviour.judging import Value, scores_of
from probekit.behaviour.measuring import Method, method_label, report_rows
from probekit.behaviour.prompts import Prompt, calibrated, content_free, prompted
from probekit.behaviour.report import BehaviourReport
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.cache.location import cache_root
from probekit.corpus import Example, open_corpus
from probekit.corpus.notes import list_names
from probekit.devices import DeviceMap
from probekit.errors import InputError, UsageError
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import check_head

CALIBRATED, TIE = "_calibrated", "tie"
SPLITS = ("test", "dev", "train", "all")


def classify(
    corpus: Any,
    model: str | os.PathLike[str],
    *,
    prompt: str,
    verbaliser: Mapping[str, str],
    calibrate: str | Sequence[str] = (),
    label: str = "label",
    split: str = "test",
    limit: int | None = None,
    score: str = "auto",
    begin: str = "auto",
    end: str = "auto",
    normalise: str = "sum",
    against: str | Sequence[str] = (),
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
    """Sort the examples of a corpus by which word a model finds likeliest in a prompt.

    Parameters
    ----------
    corpus : path, str, DataFrame, iterable or Corpus
        As of :func:`~probekit.corpus.open_corpus`.
    model : str or path
        With a head that predicts tokens.
    prompt : str
        With ``{label}`` and ``{text}``, or ``{first}`` and ``{second}`` of examples of two texts.
    verbaliser : mapping of str to str
        The word that stands for each label; of several tokens it is their sum, or what ``normalise`` makes of it.
    calibrate : str or sequence of str
        Texts that say nothing (``N/A``), by which scores are calibrated; both scores are reported.
    label : str
        The annotation of whole examples.
    split : {"test", "dev", "train", "all"}
        Which examples are sorted.
    limit : int, optional
        The first so many of them alone.
    score, begin, end, against, random_weights, dtype, device, batch_tokens, revision, cache, keep, seed, progress, told
        As of :func:`~probekit.behave`.
    normalise : {"sum", "token", "word"}

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError, NetworkError
    """
    filled = Prompt.parse(plain.text(prompt, "prompt"), verbaliser)
    plain.choice(split, "split", SPLITS)
    plain.choice(normalise, "normalise", [name for name in NORMALISATIONS if name != "slor"])
    empty = content_free(filled, plain.texts(calibrate, "calibrate"))
    spec = ScoringSpec(score, begin, end, dtype, device, batch_tokens)
    judges = [
        replace(judge, also=empty)
        for judge in judges_of(
            model, spec, revision=revision, against=plain.texts(against, "against"), random_weights=random_weights
        )
    ]
    for judge in judges:
        _check_order(judge, filled)
    opened = open_corpus(corpus)
    examples = list(opened)
    items, skipped, notes = _items(examples, filled, label, split, name=opened.name)
    if limit is not None and plain.whole(limit, "limit", least=1) < len(items):
        notes.append(f"Sorted are the first {limit:,} of {len(items):,} examples; the limit leaves out the others.")
        items = items[:limit]
    judged = judge_all(items, judges, root=cache_root(cache) if keep else None, progress=progress, told=told)
    left = {**without_score(items, judged.methods), **judged.left}
    kept = kept_of(items, left, opened.name)
    sorted_ = [items[place] for place in kept]
    methods = _methods(judged, kept, empty, normalise)
    methods.append(_majority(sorted_, examples, filled, label))
    rows, found = report_rows(opened.name, sorted_, methods, normalise="sum", seed=seed)
    provenance = judged.provenance | {
        "task": opened.name,
        "corpus": {"name": opened.name},
        "settings": {
            "score": methods[0].name,
            "prompt": prompt,
            "verbaliser": dict(filled.words),
            "calibrate": [*plain.texts(calibrate, "calibrate")],
            "label": label,
            "split": split,
            "limit": limit,
            "normalise": normalise,
            "dtype": dtype,
            "seed": seed,
        },
        "left_out": [
            *({"id": each.id, "reason": each.reason} for each in skipped),
            *({"id": items[place].id, "reason": why} for place, why in left.items()),
        ],
        "differences": found.differences,
        "confusion": {method_label(method): _confusion(sorted_, method, list(filled.words)) for method in methods},
        "notes": [
            f"Prompt {prompt!r}; {', '.join(f'{name} is {word!r}' for name, word in filled.words.items())}; "
            f"{judged.provenance['conventions']}.",
            *opened.remarks,
            *notes,
            *judged.notes,
            *left_out(items, left),
            *found.notes,
        ],
    }
    return BehaviourReport(tuple(rows), provenance, tuple(found.items))


def _check_order(judge: Judge, prompt: Prompt) -> None:
    """Refuse a text behind the label where a model predicts words from those before them alone.

    Raises
    ------
    UsageError
    """
    source = find_model(judge.model, revision=judge.revision)
    if not prompt.text_first and (head := check_head(source, judge.spec.score.removesuffix("-original"))) != "masked":
        raise UsageError(
            f"The `prompt` has the text behind {{label}}, and a {head} model predicts a word from what stands before "
            "it. Put the text before the label."
        )


def _items(
    examples: Sequence[Example], prompt: Prompt, label: str, split: str, *, name: str
) -> tuple[list[Item], list[Skipped], list[str]]:
    """Return the items of a split, the examples without one, and what to say of those that are not sorted."""
    chosen = [example for example in examples if split in ("all", example.split)]
    items: list[Item] = []
    skipped: list[Skipped] = []
    for each in prompted(chosen, prompt, label):
        (skipped if isinstance(each, Skipped) else items).append(each)  # type: ignore[arg-type]
    notes = []
    if len(chosen) < len(examples):
        notes.append(f"Sorted is the {split} split: {len(chosen):,} of {len(examples):,} examples.")
    for why, count in Counter(each.reason for each in skipped).items():
        names = [each.id for each in skipped if each.reason == why]
        notes.append(f"{count:,} of {len(chosen):,} examples left out, {why}: {list_names(names)}.")
    if not items:
        raise InputError(f"{name}: no example of the {split} split can be sorted. {' '.join(notes)}".rstrip())
    held = Counter(item.right for item in items)
    if idle := [known for place, known in enumerate(prompt.words) if not held[place]]:
        notes.append(f"No example has the label {', '.join(idle)}.")
    return items, skipped, notes


def _methods(judged: Judged, kept: Sequence[int], empty: Sequence[Item], normalise: str) -> list[Method]:
    """Return each model's scores of the words, and behind them the same calibrated.

    Raises
    ------
    InputError
        A model has no score of a text that says nothing.
    """
    methods = []
    for method, beside, left in zip(judged.methods, judged.beside, judged.left_beside, strict=True):
        raw = [method.values[place] for place in kept]
        scores = [scores_of(values, normalise) for values in raw]
        methods.append(_method(method, raw, scores))
        if left:
            why = next(iter(left.values()))
            raise InputError(
                f"The prompt around '{_texts_of(empty, left)}', to calibrate by, is {why}. Choose another."
            )
        if empty:
            free = [scores_of(values, normalise) for values in beside.values]
            made = _method(method, raw, calibrated(scores, free).tolist())
            role = "companion" if method.role == "estimator" else method.role
            methods.append(replace(made, name=method.name + CALIBRATED, role=role))
    return methods


def _texts_of(empty: Sequence[Item], left: Mapping[int, str]) -> str:
    return empty[next(iter(left))].sentences[0].text


def _method(method: Method, raw: Sequence[Sequence[Value]], scores: Sequence[Sequence[float]]) -> Method:
    values = [
        [replace(value, total=score) for value, score in zip(its, own, strict=True)]
        for its, own in zip(raw, scores, strict=True)
    ]
    return replace(method, values=values, claims={})


def _majority(items: Sequence[Item], examples: Sequence[Example], prompt: Prompt, label: str) -> Method:
    """Always give the commonest label of the training split, or of what is sorted where there is none."""
    names = list(prompt.words)
    train = [str(example.annotations.get(label)) for example in examples if example.split == "train"]
    counts = Counter(name for name in train if name in names) or Counter(names[item.right] for item in items)
    top = max(counts.values())
    answer = [Value(float(counts[name] == top), 1, 1) for name in names]
    return Method("majority", "", "floor", [answer for _ in items], {})


def _confusion(items: Sequence[Item], method: Method, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count what examples of each label were sorted as; ``tie`` where no label has the highest score alone."""
    found = {name: dict.fromkeys((*names, TIE), 0) for name in names}
    for item, verdict in zip(items, method.verdicts(items, "sum"), strict=True):
        found[names[item.right]][TIE if verdict.chosen is None else names[verdict.chosen]] += 1
    return found
