"""Several models judge the same items: one that any of them cannot score is left out of all, by name and reason.

Enters: items, and which models are to score them how. Leaves: a :class:`~probekit.behaviour.measuring.Method` each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from probekit.behaviour.baselines import WordScorer, words_of
from probekit.behaviour.items import BLANK, Item
from probekit.behaviour.measuring import Method, method_label
from probekit.behaviour.scoring.making import ScoringSpec, Session, Told
from probekit.behaviour.valuing import model_method, readings_of
from probekit.corpus.notes import list_names
from probekit.errors import InputError, UsageError
from probekit.model_names import same_weights
from probekit.models.sources.find import find_model

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that is to score the items.

    Attributes
    ----------
    model : str
    spec : ScoringSpec
    role : str
        As of a :class:`~probekit.Measurement`.
    revision : str or None
    also : sequence of Item
        Other items that it scores besides, while it is loaded.
    """

    model: str
    spec: ScoringSpec
    role: str
    revision: str | None = None
    also: Sequence[Item] = ()


@dataclass(slots=True)
class Judged:
    """What models said.

    Attributes
    ----------
    methods : list of Method
        One a judge; an item that was left out has no values.
    beside : list of Method
        Of the other items of each judge.
    left, left_beside : dict of int to str
        Why items were left out, by place; of the other items one dictionary a judge.
    notes : list of str
    provenance : dict
        Of the first model.
    """

    methods: list[Method] = field(default_factory=list)
    beside: list[Method] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)
    left_beside: list[dict[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)


def judges_of(
    model: Any, spec: ScoringSpec, *, revision: str | None, against: Sequence[str], random_weights: int | None
) -> list[Judge]:
    """Return the model, those it is compared with, and the one with random weights."""
    judges = [Judge(str(model), spec, "estimator", revision)]
    judges += [Judge(name, replace(spec, score="auto"), "companion") for name in against]
    if random_weights is not None:
        judges.append(Judge(str(model), replace(spec, random_weights=random_weights), "floor", revision))
    return judges


def judge_all(
    items: Sequence[Item],
    judges: Sequence[Judge],
    *,
    root: Path | None,
    progress: Progress | None = None,
    told: Callable[[str], None] | None = None,
) -> Judged:
    """Score items by models, one loaded after the other.

    Parameters
    ----------
    items : sequence of Item
    judges : sequence of Judge
        The model that the report is about first.
    root : path or None
        Folder of caches, where scores are kept; None: they are not.
    progress, told : callable, optional
        As of :func:`~probekit.behave`.

    Raises
    ------
    UsageError
        Two models of one name: their rows could not be told apart.
    """
    found, models = Judged(), list[Mapping[str, Any]]()
    sources = [find_model(judge.model, revision=judge.revision) for judge in judges]
    _check_names(judges, [source.name for source in sources])
    for number, (judge, source) in enumerate(zip(judges, sources, strict=True)):
        with Session(source, judge.spec, root=root) as session:
            every = [*items, *judge.also]
            readings = readings_of(every, session)
            lost = unscorable(every, readings, session)
            found.left = {**{place: why for place, why in lost.items() if place < len(items)}, **found.left}
            found.left_beside.append({place - len(items): why for place, why in lost.items() if place >= len(items)})
            kept = [place for place in range(len(every)) if place not in lost and place not in found.left]
            method = model_method(
                every, readings, session, kept=kept, role=judge.role, told=_share(progress, number, len(judges))
            )
            found.methods.append(method.take(range(len(items))))
            found.beside.append(method.take(range(len(items), len(every))))
            found.notes += [note for note in (*source.remarks, *session.notes) if note not in found.notes]
            if session.computed and told is not None:
                told(f"scored     {session.computed:,} texts by {session.name}")
            models.append(session.identity()["model"])
            if number == 0:
                found.provenance = {"model": models[0], "conventions": session.ends.said}
    for note in (alike := same_weights(models)):
        if told is not None:
            told(note)
    found.notes += alike
    return found


def _check_names(judges: Sequence[Judge], names: Sequence[str]) -> None:
    first: dict[tuple[str, int | None], Judge] = {}
    for judge, name in zip(judges, names, strict=True):
        other = first.setdefault((name, judge.spec.random_weights), judge)
        if other is not judge:
            raise UsageError(
                f"'{other.model}' and '{judge.model}' are both called '{name}', so that the report could not tell "
                "them apart. Name each model once, or give a folder another name."
            )


def unscorable(items: Sequence[Item], readings: Sequence[Sequence[Any]], session: Session) -> dict[int, str]:
    """Return why items cannot be judged by a model, by place."""
    found: dict[int, str] = {}
    for place, its in enumerate(readings):
        if any(reading.first >= reading.last for reading in its):
            found[place] = f"without a token to score for {session.name}"
        elif not all(session.fits(reading) for reading in its):
            found[place] = f"longer than the {session.limit:,} tokens that {session.name} reads"
        elif any(reading.unknown for reading in its):
            found[place] = f"with words outside of the vocabulary of {session.name}"
        elif len(items[place].sentences) > 1 and len(
            {reading.ids.tobytes() + reading.source_ids.tobytes() for reading in its}
        ) < len(its):
            found[place] = f"whose sentences are the same tokens for {session.name}"
    return found


def without_score(items: Sequence[Item], methods: Sequence[Method]) -> dict[int, str]:
    """Return the items of which some method has no score of a sentence, by place, and which method.

    What a method can judge of no item at all (a claim, an open question) is not meant: that method is left out.
    """
    found: dict[int, str] = {}
    for method in methods:
        label = f"{method.name} of {method.model}" if method.model else f"the {method.name} baseline"
        for place, values in enumerate(method.values):
            if place not in found and any(math.isnan(value.total) for value in values) and not items[place].claim:
                found[place] = f"with a sentence that has no score by {label}"
    return found


def unknown_to(items: Sequence[Item], baselines: Mapping[str, WordScorer]) -> tuple[dict[int, str], list[str]]:
    """Return the items that turn on a word that a baseline does not know, by place, and what those words are.

    A word in which the sentences of an item differ must be known: else what is compared is the share of all unknown
    words, not these. One that all of them have is unknown to all alike, and does no harm.
    """
    found: dict[int, str] = {}
    names_of: dict[tuple[str, ...], list[str]] = {}
    for name, scorer in baselines.items():
        words: dict[str, None] = {}
        for place, item in enumerate(items):
            if not item.claim and (unknown := scorer.unknown(differing_words(item))):
                words.update(dict.fromkeys(unknown))
                found.setdefault(place, f"which differ in words that the {name} baseline does not know")
        names_of.setdefault((*words,), []).append(name)
    return found, [
        f"{len(words):,} words in which items differ are unknown to {' and '.join(names)}: {list_names(words)}."
        for words, names in names_of.items()
        if words
    ]


def differing_words(item: Item) -> list[str]:
    """Return the words that some sentence of an item has more often than another, in their order."""
    counts = [Counter(words_of(sentence.text)) for sentence in item.sentences]
    words = dict.fromkeys(word for its in counts for word in its)
    return [word for word in words if len({its[word] for its in counts}) > 1]


def left_out(items: Sequence[Item], left: Mapping[int, str]) -> list[str]:
    """Say how many items were left out of all methods alike, why, and which."""
    said = []
    for why, count in Counter(left.values()).items():
        names = [items[place].id for place, reason in left.items() if reason == why]
        said.append(f"{count:,} of {len(items):,} items left out of all methods, {why}: {list_names(names)}.")
    return said


def blanks_said(items: Sequence[Item], methods: Sequence[Method]) -> list[str]:
    """Say who scored the words in a blank and who the whole sentence, where items have blanks."""
    count = sum(any(region.name == BLANK for region in item.sentences[0].regions) for item in items)
    if not count:
        return []
    fills, reads = ([method_label(each) for each in methods if each.fills == how] for how in (True, False))
    parts = [f"the whole sentence is scored by {', '.join(reads)}"] if reads else []
    if fills:
        parts.insert(0, f"the words in it alone are scored, in place, by {', '.join(fills)}")
    return [f"{count:,} of {len(items):,} items with a blank: {'; '.join(parts)}."]


def kept_of(items: Sequence[Item], left: Mapping[int, str], suite: str) -> list[int]:
    """Return the places of the items that were not left out.

    Raises
    ------
    InputError
        There are none.
    """
    kept = [place for place in range(len(items)) if place not in left]
    if not kept:
        raise InputError(f"{suite}: no item can be scored. {' '.join(left_out(items, left))}")
    return kept


def _share(progress: Progress | None, number: int, of: int) -> Told | None:
    if progress is None:
        return None
    return lambda done, note: progress((number + done) / of, note)
