"""The lexicon of a split: which lexemes its sentences may use.

Most open-class lemmas are shared; of the others each belongs to one split alone, so that dev and
test hold forms that training never showed. The share is decided by the CRC of the lemma, whatever
its class, so that the noun and the verb ``sketch`` go together and every seed speaks one language.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from probekit.example import SPLITS
from probekit.grammar import modifiers, nouns, verbs
from probekit.grammar.lexemes import Adjective, Noun, Verb
from probekit.grammar.tree import Token, token

OWN_PERCENT = 19
"""Of a hundred lemmas, how many belong to each split alone."""

HOMOGRAPH_WEIGHT = 8
"""How many times likelier a lemma is that is both a noun and a verb."""


def owner(lemma: str) -> str | None:
    """Name the only split that uses a lemma; None where all do."""
    slot = zlib.crc32(lemma.encode()) % 100 // OWN_PERCENT
    return SPLITS[slot] if slot < len(SPLITS) else None


@dataclass(frozen=True, slots=True)
class Frame:
    """A verb in one construction.

    ``subjects``, ``objects`` and ``seconds`` are the sorts it takes; ``particle`` is its
    preposition or particle.
    """

    kind: str
    verb: Verb
    state: bool
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    seconds: tuple[str, ...]
    particle: str


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What the grammar draws from; lists repeat a lexeme by its weight."""

    nouns: dict[str, list[Noun]]
    frames: dict[str, list[Frame]]
    """By construction."""
    frames_of_subject: dict[tuple[str, str], list[Frame]]
    """By construction and sort of subject."""
    frames_of_object: dict[str, list[Frame]]
    """Plain transitives (``do``) by sort of object."""
    passives_of: dict[str, list[Frame]]
    """Those of them that have a passive: states have none here."""
    adjectives: dict[str, list[Adjective]]
    adverbs: dict[str, list[Token]]
    men: list[Noun]
    women: list[Noun]
    surnames: list[Noun]
    cities: list[Noun]


def _lines(written: str) -> Iterator[tuple[str, list[str]]]:
    for line in written.strip().splitlines():
        header, _, entries = line.partition(":")
        yield header.strip(), entries.split()


def _bare(entry: str) -> str:
    return entry.rstrip("~*+^")


def homographs() -> frozenset[str]:
    """Lemmas that are both a common noun and a verb."""
    noun_lemmas = {_bare(entry) for _, entries in _lines(nouns.NOUNS) for entry in entries}
    return frozenset(noun_lemmas & {_bare(entry) for _, entries in _lines(verbs.VERBS) for entry in entries})


@cache
def lexicon(split: str) -> Lexicon:
    """Build the lexicon of ``train``, ``dev`` or ``test``."""
    doubled = homographs()

    def allowed(entries: Iterable[str], weight: int = HOMOGRAPH_WEIGHT) -> Iterator[str]:
        for entry in entries:
            lemma = _bare(entry)
            if owner(lemma) in (None, split):
                yield from [entry] * (weight if lemma in doubled else 1)

    nouns_of: dict[str, list[Noun]] = defaultdict(list)
    for sort, entries in _lines(nouns.NOUNS):
        nouns_of[sort] += _same(Noun(_bare(entry), sort, entry.endswith("~")) for entry in allowed(entries))
    frames, by_subject, by_object = _frames(
        [(header, list(allowed(entries))) for header, entries in _lines(verbs.VERBS)]
    )
    adjectives: dict[str, list[Adjective]] = defaultdict(list)
    for sort, entries in _lines(modifiers.ADJECTIVES):
        adjectives[sort] += [
            Adjective(_bare(entry), entry[len(_bare(entry)) :]) for entry in allowed(entries, weight=1)
        ]
    adverbs: dict[str, list[Token]] = defaultdict(list)
    for kind, entries in _lines(modifiers.ADVERBS):
        adverbs[kind] += [_adverb(entry) for entry in (allowed(entries) if kind == "manner" else entries)]

    def names(written: str, sort: str) -> list[Noun]:
        return [Noun(name, sort, upos="PROPN") for name in written.split() if owner(name) in (None, split)]

    return Lexicon(
        nouns=dict(nouns_of),
        frames=frames,
        frames_of_subject=by_subject,
        frames_of_object=by_object,
        passives_of={sort: [frame for frame in found if not frame.state] for sort, found in by_object.items()},
        adjectives=dict(adjectives),
        adverbs=dict(adverbs),
        men=names(nouns.MEN, "man"),
        women=names(nouns.WOMEN, "woman"),
        surnames=names(nouns.SURNAMES, "surname"),
        cities=names(nouns.CITIES, "city"),
    )


def _same(lexemes: Iterable[Noun]) -> list[Noun]:
    known: dict[Noun, Noun] = {}
    return [known.setdefault(lexeme, lexeme) for lexeme in lexemes]


Index = dict[str, list[Frame]]


def _frames(lines: list[tuple[str, list[str]]]) -> tuple[Index, dict[tuple[str, str], list[Frame]], Index]:
    known: dict[str, Verb] = {}
    frames: Index = defaultdict(list)
    by_subject: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    by_object: Index = defaultdict(list)
    for header, entries in lines:
        kind, _, selection = header.partition(" ")
        sorts = [part.split() for part in selection.split(">")]
        particle = sorts[-1].pop() if len(sorts[-1]) > 1 else ""
        subjects, objects, seconds = (tuple(part[0].split("|")) if part else () for part in [*sorts, [], []][:3])
        for entry in entries:
            lemma = _bare(entry)
            verb = known.setdefault(lemma, Verb(lemma))
            frame = Frame(kind, verb, entry.endswith("*"), subjects, objects, seconds, particle)
            frames[kind].append(frame)
            for sort in subjects:
                by_subject[kind, sort].append(frame)
            if kind == "do":
                for sort in objects:
                    by_object[sort].append(frame)
    return dict(frames), dict(by_subject), dict(by_object)


ADVERBS = {
    "now": "now RB PronType=Dem",
    "then": "then RB PronType=Dem",
    "here": "here RB PronType=Dem",
    "there": "there RB PronType=Dem",
    "never": "never RB PronType=Neg",
    "always": "always RB PronType=Tot",
    "sometimes": "sometimes RB PronType=Ind",
    "later": "late RBR Degree=Cmp",
}
"""Adverbs with features or another lemma: lemma, tag, features."""

GRADED_ADVERBS = ("hard", "fast", "early", "late", "well", "badly")


def _adverb(form: str) -> Token:
    if form == "today":
        return token("today today NOUN NN Number=Sing")
    lemma, *rest = ADVERBS.get(form, f"{form} RB" + (" Degree=Pos" if form in GRADED_ADVERBS else "")).split()
    return token(" ".join((form, lemma, "ADV", *rest)))
