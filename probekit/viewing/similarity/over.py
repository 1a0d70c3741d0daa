"""What a row is: a word, a sentence, a span of a task, or one position of each whole example.

Enters: a cache, and what was asked. Leaves: :class:`Over`, a table of the rows with the words for them. Surprise: words
and sentences are in the cache, so its corpus is read again only for a task's spans and for a position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.corpus import open_corpus
from probekit.errors import UsageError
from probekit.example import SPLITS, Example
from probekit.features import TargetTable
from probekit.probing.dataset import find_sources
from probekit.probing.settings import Settings
from probekit.tasks import ProbeTask, Target

WORDS, SENTENCES = "words", "sentences"


@dataclass(frozen=True, slots=True)
class Over:
    """The rows of one cache.

    Attributes
    ----------
    name : str
        ``words``, ``sentences`` or a task.
    table : TargetTable
    things : str
        What a row is, in words.
    pooling : str
        How the vector of a row comes about.
    at : str or None
        The position of each example.
    notes : tuple of str
        What the corpus says, and at a position who has none.
    each : str
        What an example of the cache is called: ``sentence``, ``chat``.
    """

    name: str
    table: TargetTable
    things: str
    pooling: str
    at: str | None = None
    notes: tuple[str, ...] = ()
    each: str = "sentence"


def rows_over(
    cache: ActivationCache, over: str | None, *, at: str | None, pool: str, corpus: Any, annotations: Any, probes: Any
) -> Over:
    """Return what is compared; by default words, and at a position whole examples.

    Parameters
    ----------
    cache : ActivationCache
    over : str or None
        ``words``, ``sentences``, or a task.
    at : str or None
        Where in each whole example.
    pool : str
    corpus, annotations, probes
        As :func:`probekit.probe` takes them.

    Raises
    ------
    UsageError
        A position, for words or for a task that says itself which words it is about.
    InputError
        No example has the position.
    """
    each = "chat" if cache.identity["input"] == "chat" else "sentence"
    name = plain.text(over, "over") if over is not None else WORDS if at is None else SENTENCES
    if at is None and name in (WORDS, SENTENCES):
        return Over(name, _everything_in(cache, name), WORDS if name == WORDS else f"{each}s", pool, each=each)
    if name == WORDS:
        raise UsageError(
            "The `at` option says where a whole example is read, and words are read each where it stands. Leave out "
            "--at, or compare --over sentences or a task about whole examples, like --over label."
        )
    task = ProbeTask(SENTENCES, _whole, kind="sentence") if name == SENTENCES else name
    settings = Settings(task=task, pool=pool, at=at)
    again = None if corpus is None else open_corpus(corpus)
    (source,) = find_sources(cache, [settings], corpus=again, annotations=annotations, probes=probes)
    table = source.targets()
    where = "" if at is None else f" at {settings.at}"
    things = f"{f'{each}s' if name == SENTENCES else f'targets of {name}'}{where}"
    return Over(name, table, things, settings.pooling, settings.at, (*source.corpus.remarks, *source.said), each)


def _whole(example: Example) -> Iterator[Target]:
    yield Target(((0, len(example.words)),), "")


def _everything_in(cache: ActivationCache, over: str) -> TargetTable:
    """Return every word, or every sentence, of a cache in its order."""
    examples = list(cache.examples())
    placed = [
        (ordinal, start, stop)
        for ordinal, example in enumerate(examples)
        for start, stop in (_words(example) if over == WORDS else [(0, len(example.words))])
    ]
    ordinals, first, stops = np.array(placed, np.int64).reshape(-1, 3).T
    splits = [SPLITS.index(example.split or "train") for example in examples]
    return TargetTable(
        example=ordinals,
        spans=np.stack([first, stops], axis=1)[:, None, :],
        labels=[""] * len(placed),
        keys=[None] * len(placed),
        split=np.array(splits, np.int8)[ordinals],
        group=[example.group for example in examples],
        ids=[example.id for example in examples],
        forms=[" ".join(examples[ordinal].words[start:stop]) for ordinal, start, stop in placed],
        without_token=Counter(),
        passed_over=np.zeros(len(placed), bool),
    )


def _words(example: Example) -> list[tuple[int, int]]:
    return [(place, place + 1) for place in range(len(example.words))]
