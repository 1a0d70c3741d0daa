"""Sentences of items: words put in their place, with the region that is scored, and what tells two of them apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from probekit.behaviour.items import SCORED, Region, Sentence

IDENTICAL = "the sentences are identical"
BLANK = "a sentence is blank"
PUNCTUATION = ".,;:!?"
ARTICLES = (
    "the",
    "a",
    "an",
    "my",
    "your",
    "his",
    "her",
    "its",
    "our",
    "their",
    "this",
    "that",
    "some",
    "each",
    "every",
)
"""Words that begin a name and are small inside a sentence."""


def put(before: str, middle: str, after: str = "", *, condition: str = "") -> Sentence:
    """Return a text of three parts whose middle one is scored; punctuation that begins a part is glued to the last."""
    start = len(join(before, middle)) - len(middle)
    text = join(before, middle)
    return Sentence(join(text, after), (Region(SCORED, start, len(text)),), condition)


def join(before: str, after: str) -> str:
    """Return two parts of a text as one, with a space between them where one belongs there."""
    parted = before and after and after[0] not in PUNCTUATION and not after.startswith("'")
    return f"{before}{' ' if parted else ''}{after}"


def asked(text: str, pronoun: str, candidate: str, *, condition: str) -> Sentence:
    """Return a sentence with the words behind it that say whom its pronoun means; whom is scored."""
    return put(f'{text} "{pronoun.capitalize()}" refers to', candidate, ".", condition=condition)


def lowered(name: str) -> str:
    """Return a name with its article small, as inside a sentence."""
    return name[:1].lower() + name[1:] if name.split()[0].lower() in ARTICLES else name


def at_word(words: Sequence[str], position: int, form: str) -> Sentence:
    """Return tokenised words with a form at a position, which is scored; every word stands behind a space."""
    before = "".join(f"{word} " for word in words[:position])
    region = Region(SCORED, len(before), len(before) + len(form))
    return Sentence(before + " ".join([form, *words[position + 1 :]]), (region,))


def contrast(right: str, wrong: str) -> tuple[str, str]:
    """Return the words in which two sentences differ, those that they begin and end with alike left out."""
    one, other = right.split(), wrong.split()
    shortest = min(len(one), len(other))
    start = next((i for i in range(shortest) if one[i] != other[i]), shortest)
    most = shortest - start
    end = next((i for i in range(most) if one[-1 - i] != other[-1 - i]), most)
    first, second = " ".join(one[start : len(one) - end]), " ".join(other[start : len(other) - end])
    while first and second and first[-1] == second[-1] and first[-1] in PUNCTUATION:
        first, second = first[:-1], second[:-1]
    return first, second


@lru_cache(maxsize=64)
def contrast_fact(right: str, wrong: str) -> str:
    """Return the contrast as one fact, ``laughs / laugh``."""
    return " / ".join(part or "nothing" for part in contrast(right, wrong))
