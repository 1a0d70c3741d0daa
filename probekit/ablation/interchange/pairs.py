"""Pairs of choices: a base, a source with the other answer, and a placebo with the same one.

Enters: items of two sentences. Leaves: a :class:`Pair` a base that has a source, split by templates into pairs that
directions are fitted on, that choose a layer, and that are shown. Surprise: a source is another item of the suite, of
the same phenomenon, whose right answer is the base's wrong one and the other way round; the one that differs in the
fewest words is taken, so that of ``the author laughs`` it is ``the authors laugh``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.interchange.choices import Choice, Worded, choices_of, worded
from probekit.behaviour.grouping import first_of_each
from probekit.behaviour.items import Item
from probekit.behaviour.scoring.making import Session
from probekit.errors import InputError

TRIED = 3
"""Sources of a base that are tried, the closest first."""
SHARES = (("train", 0.4), ("dev", 0.2), ("test", 0.4))
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A choice and another one.

    Attributes
    ----------
    base, source : Choice
        The right answer of one is the wrong one of the other; their rows have one length and one place.
    placebo : Choice or None
        One with the answers of the base; None: the suite has none.
    cluster : str
        What is resampled: the templates of base and source, and of whatever shares one of these.
    """

    base: Choice
    source: Choice
    placebo: Choice | None
    cluster: str = ""


def pairs_of(items: Sequence[Item], session: Session, *, limit: int | None, seed: int) -> tuple[list[Pair], list[str]]:
    """Pair items.

    Parameters
    ----------
    items : sequence of Item
    session : Session
        Whose tokens count.
    limit : int or None
        So many bases of each phenomenon, every template in turn; sources are of all items.
    seed : int
        Of placebos that are equally close.

    Returns
    -------
    pairs : list of Pair
    notes : list of str
        What was left out, with counts.

    Raises
    ------
    InputError
        There is no pair.
    """
    left: Counter[str] = Counter()
    known: list[Worded] = []
    for item in items:
        if isinstance(found := worded(item), str):
            left[found] += 1
        else:
            known.append(found)
    bases, notes = known, [f"{n:,} items are left out, {why}." for why, n in left.most_common()]
    if limit is not None:
        chosen, said = first_of_each([one.item for one in known], limit)
        kept = {id(item) for item in chosen}
        bases, notes = [one for one in known if id(one.item) in kept], [*notes, *said]
    found_pairs, lost = _paired(bases, known, session, seed)
    notes += [f"{n:,} bases are left out, {why}." for why, n in lost.most_common()]
    if not found_pairs:
        raise InputError(
            "No two items of this suite are a base and a source: of one phenomenon, with answers swapped and as many "
            f"tokens before the answer. {' '.join(notes)}"
        )
    return _clustered(found_pairs), notes


def split_pairs(pairs: Sequence[Pair], seed: int) -> dict[str, list[Pair]]:
    """Return the pairs to fit on, to choose on and to show: whole clusters, drawn by their names.

    Raises
    ------
    InputError
        Fewer than three clusters.
    """
    sizes = Counter(pair.cluster for pair in pairs)
    if len(sizes) < len(SHARES):
        raise InputError(
            f"The {len(pairs):,} pairs are of {len(sizes)} unit(s) that share no template, and directions must be "
            "fitted, chosen and shown on different ones. Give items of three templates or more."
        )
    drawn = sorted(sizes, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    where: dict[str, str] = {}
    done, bound, names = 0, 0.0, list(drawn)
    for place, (split, share) in enumerate(SHARES):
        bound += share * len(pairs)
        later = len(SHARES) - place - 1
        while len(names) > later and (not later or done < bound or split not in where.values()):
            done += sizes[names[0]]
            where[names.pop(0)] = split
    return {split: [pair for pair in pairs if where[pair.cluster] == split] for split, _ in SHARES}


def _paired(
    bases: Sequence[Worded], known: Sequence[Worded], session: Session, seed: int
) -> tuple[list[Pair], Counter[str]]:
    buckets = _Buckets(known, session)
    sources = [buckets.sources(one) for one in bases]
    placebos = [buckets.placebos(one, its[0], seed) if its else [] for one, its in zip(bases, sources, strict=True)]
    wanted = {id(one): one for some in (*sources, *placebos) for one in some}
    wanted |= {id(one): one for one in bases}
    read = dict(zip(wanted, choices_of(list(wanted.values()), session), strict=True))
    found, lost = [], Counter[str]()
    for one, its, others in zip(bases, sources, placebos, strict=True):
        base = read[id(one)]
        if isinstance(base, str):
            lost[base] += 1
            continue
        source = _fitting(base, [read[id(other)] for other in its], swapped=True)
        if source is None:
            lost["without a source that has as many tokens and the answers swapped"] += 1
            continue
        found.append(Pair(base, source, _fitting(base, [read[id(other)] for other in others], swapped=False)))
    return found, lost


def _fitting(base: Choice, some: Iterable[Choice | str], *, swapped: bool) -> Choice | None:
    """Return the first that can stand beside a base."""
    answers = (base.wrong, base.right) if swapped else (base.right, base.wrong)
    for one in some:
        if (
            not isinstance(one, str)
            and (one.right, one.wrong) == answers
            and (len(one.row), one.place) == (len(base.row), base.place)
            and (one.row != base.row).any()
        ):
            return one
    return None


class _Buckets:
    """Items by phenomenon, answers and number of words and tokens, to find the closest ones.

    Parameters
    ----------
    known : sequence of Worded
    session : Session
        Whose tokens count; a masked model reads behind the answer too.
    """

    def __init__(self, known: Sequence[Worded], session: Session) -> None:
        self._whole = session.method != "causal"
        self._codes: dict[str, int] = {}
        # Tokens of every word alone, which foretell those of a sentence.
        words = list(dict.fromkeys(word for one in known for word in self._words(one)))
        read = session.read([f" {word}" for word in words])
        self._tokens = {word: len(reading.ids) for word, reading in zip(words, read, strict=True)}
        by_key: dict[Key, list[Worded]] = {}
        for one in known:
            by_key.setdefault(self._key(one, one.right, one.wrong), []).append(one)
        self._buckets = {
            key: (some, np.array([self._coded(one) for one in some], np.int64)) for key, some in by_key.items()
        }

    def sources(self, base: Worded) -> list[Worded]:
        """Return the closest items with the answers swapped; of equally close ones those spelt most alike."""
        some, codes = self._buckets.get(self._key(base, base.wrong, base.right), ([], None))
        if codes is None or not codes.shape[1]:
            return []
        mine = self._coded(base)
        apart = (codes != mine).sum(1)
        near = np.flatnonzero((apart == apart[apart > 0].min(initial=codes.shape[1])) & (apart > 0))
        text = " ".join(base.before)
        alike = [_shared(text, " ".join(some[place].before)) for place in near]
        return [some[near[place]] for place in np.argsort(-np.array(alike), kind="stable")[:TRIED]]

    def placebos(self, base: Worded, source: Worded, seed: int) -> list[Worded]:
        """Return items with the answers of the base that differ from it where its source does, drawn by a seed."""
        some, codes = self._buckets[self._key(base, base.right, base.wrong)]
        mine = self._coded(base)
        apart = codes != mine
        where = self._coded(source) != mine
        cost = (apart != where).sum(1) + codes.shape[1] * ~apart.any(1)
        near = np.flatnonzero((cost == cost.min()) & apart.any(1))
        first = hashlib.sha256(f"{seed} {base.item.id}".encode()).digest()
        drawn = np.random.default_rng(int.from_bytes(first[:8], "little")).permutation(near)
        return [some[place] for place in drawn[:TRIED]]

    def _key(self, one: Worded, right: str, wrong: str) -> Key:
        tokens = [sum(self._tokens[word] for word in words) for words in (one.before, self._words(one))]
        return (one.item.phenomenon, right, wrong, len(one.before), len(self._words(one)), *tokens)

    def _words(self, one: Worded) -> tuple[str, ...]:
        return (*one.before, *one.after) if self._whole else one.before

    def _coded(self, one: Worded) -> NDArray[np.int64]:
        return np.array([self._codes.setdefault(word, len(self._codes)) for word in self._words(one)], np.int64)


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def _clustered(pairs: Sequence[Pair]) -> list[Pair]:
    """Name the cluster of each pair: templates that pairs join are one."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while above.setdefault(name, name) != name:
            name = above[name]
        return name

    for pair in pairs:
        one, other = sorted((top(_template(pair.base)), top(_template(pair.source))))
        above[other] = one
    return [replace(pair, cluster=top(_template(pair.base))) for pair in pairs]


def _template(choice: Choice) -> str:
    return f"{choice.item.phenomenon} {choice.item.template}"
