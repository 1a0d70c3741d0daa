"""Corpora made of Python objects: lists of words in, a function that yields examples out.

Strings are refused, because a string is also a sequence of one-letter words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from probekit import plain
from probekit.corpus.notes import Notes
from probekit.corpus.records import check_string
from probekit.errors import InputError, UsageError
from probekit.example import Example


def word_list_reader(sentences: Iterable[Sequence[str]]) -> Callable[[Notes], Iterator[Example]]:
    """Return what reads lists of words; an iterator, which ends for good, is held as a list."""
    if isinstance(sentences, str | bytes):
        raise UsageError("A corpus of words must be a list of lists of words. Got one string.")
    # An iterator ends for good, and a list may change: hold what it gives now.
    held = plain.listed(sentences, "sentences", "a list of lists of words")

    def read(notes: Notes) -> Iterator[Example]:
        for number, sentence in enumerate(held):
            yield Example("", _words(sentence, f"sentence {number}"))

    return read


def _words(sentence: Sequence[str], where: str) -> tuple[str, ...]:
    if isinstance(sentence, str | bytes) or not isinstance(sentence, Iterable):
        raise UsageError(f"{where}: a sentence must be a list of words. Got {sentence!r:.80}. Split it first.")
    words = tuple(plain.scalar(word) for word in plain.listed(sentence, where, "a list of words"))
    for word in words:
        if not isinstance(word, str):
            raise InputError(f"{where}: a word must be a string. Got {word!r:.80}.")
        check_string(word, where)
    return words
