"""The built-in language: agreement between subject and verb, generated, with the truth known by construction.

Nothing enters but a number and a seed, ``grammar:n=2000,seed=1``. What leaves is an item a pair
(:func:`probekit.grammar.agreement_pairs`), its phenomenon the construction, each a cluster of its own as each is drawn
by itself. The verb is scored where it stands behind its subject, the sentence where not, since before the subject
nothing tells the number. Facts: ``number`` of the subject, ``attractors`` (nouns of the other number in between),
``nearest`` (number of the noun nearest before the verb, empty where there is none), ``distance`` in words from subject
to verb.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from probekit.behaviour.items import SCORED, Fact, Item, Region, Sentence
from probekit.behaviour.suites import Reading, Suite
from probekit.errors import UsageError
from probekit.grammar import AgreementPair, agreement_pairs

N, SEED = 1_100, 0
"""Fifty of each of eleven constructions and both numbers."""


def read(path: Path, *, n: int = N, seed: int = SEED) -> Reading:
    """Yield pairs of the built-in language; ``path`` is not looked at."""
    return map(_item, agreement_pairs(n, seed))


def _item(pair: AgreementPair) -> Item:
    scored = pair.subject < pair.verb
    sentences = tuple(
        Sentence(text, (Region(SCORED, start := pair.verb_start, start + len(words[pair.verb])),) if scored else ())
        for text, words in ((pair.good_text, pair.good), (pair.bad_text, pair.bad))
    )
    facts: dict[str, Fact] = {
        "number": pair.number,
        "attractors": pair.attractors,
        "nearest": pair.nearest,
        "contrast": f"{pair.good[pair.verb]} / {pair.bad[pair.verb]}",
    }
    if scored:
        facts["distance"] = pair.verb - pair.subject
    return Item(pair.id, "grammar", pair.construction, pair.id, sentences, 0, facts)


def configured(given: Mapping[str, str]) -> partial[Reading]:
    """Return what generates another number of pairs, or of another seed.

    Raises
    ------
    UsageError
        A value that is no whole number, or no pair.
    """
    for name, value in given.items():
        if not (value.isascii() and value.isdigit() and len(value) < 10) or (name == "n" and int(value) == 0):
            raise UsageError(f"The option '{name}' of 'grammar' must be a whole number. Got '{value}'.")
    return partial(read, n=int(given.get("n", N)), seed=int(given.get("seed", SEED)))


SUITE = Suite(
    "grammar",
    read,
    help="Agreement in the built-in language, with known truth.",
    reference="probekit; the design of Linzen et al. 2016 and Marvin and Linzen 2018",
    licence="MIT",
    made=True,
    choices={"n": "pairs", "seed": "which"},
    configured=configured,
)
