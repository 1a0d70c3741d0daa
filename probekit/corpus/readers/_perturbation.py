"""Corpora made from others by changing half of the sentences: whether a vector knows that something is wrong.

Enters: the name of another corpus and a change of a sentence. Leaves: its sentences, half of them changed, with the
label ``I`` (inverted, changed) or ``O`` (as it was) [1]_. Only sentences that could be changed are kept, so that the
label cannot be told by which sentences occur; a hash of the sentence decides which are.

References
----------
.. [1] Conneau et al. 2018, What you can cram into a single vector: probing sentence embeddings.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from probekit.corpus.notes import Notes
from probekit.corpus.readers import Address, Reader
from probekit.errors import UsageError
from probekit.example import SPLITS, Example

Words = tuple[str, ...]
Change = Callable[[Example, Random], Words | None]
"""Returns the changed words, or None where the sentence cannot be changed."""


def perturbation_reader(name: str, begin: Callable[[Iterable[Example]], Change]) -> Reader:
    """Make a reader ``<name>:<corpus>``.

    Parameters
    ----------
    name : str
        ``bigram-shift``; the label's annotation is the same with underscores.
    begin : callable
        ``begin(examples)`` may look at all examples (their words' frequencies) and gives the change.
    """
    return Reader(
        name,
        partial(_read, name=name, begin=begin),
        address=partial(_address, name),
        restore=lambda locations, options: _address(name, str(options["of"])),
    )


def _address(name: str, rest: str) -> Address:
    from probekit.corpus.opening import open_corpus

    if not rest:
        raise UsageError(f"The corpus '{name}' is made from another. Name it: {name}:grammar, {name}:FOLDER.")
    of = os.path.abspath(Path(rest).expanduser()) if Path(rest).expanduser().exists() else rest
    inner = open_corpus(of)
    record = inner.source
    return Address(
        (of,),
        {"of": of},
        f"{inner.name}-{name}",
        splits=lambda: SPLITS,
        splits_by=f"the corpus it is made from ({inner.split_rule})",
        files=() if record is None else tuple(record.digests),
        licence=inner.licence,
    )


def _read(
    address: Address, notes: Notes, *, name: str, begin: Callable[[Iterable[Example]], Change]
) -> Iterator[Example]:
    from probekit.corpus.opening import open_corpus

    corpus = open_corpus(address.options["of"])
    change = begin(corpus)
    column = name.replace("-", "_")
    for example in corpus:
        draw = Random(_seed(name, example))
        wrong = change(example, draw)
        if wrong is None:
            continue
        assert wrong != example.words
        inverted = draw.random() < 0.5
        label: Mapping[str, Any] = {column: "I" if inverted else "O"}
        words = wrong if inverted else example.words
        yield Example(example.id, words, None, label, group=example.group, split=example.split)


def _seed(name: str, example: Example) -> int:
    """A number that depends on the change and the sentence alone: repeated sentences are changed alike."""
    text = f"{name}|{' '.join(example.words)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
