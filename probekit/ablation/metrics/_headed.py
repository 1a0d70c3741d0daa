"""Metrics under the model's own head: texts and their log-probabilities.

Enters: what reads the items of such a metric. Leaves: what opens it. Half of the clusters choose, the other half show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from probekit.ablation.metrics import Entry, Reading, Wanted
from probekit.ablation.passes import Pass, passes_of
from probekit.behaviour.scoring.making import Session
from probekit.errors import InputError, UsageError


@dataclass(frozen=True, slots=True)
class Texts:
    """Items whose outcomes are :class:`~probekit.ablation.passes.Scored` texts.

    Attributes
    ----------
    entries : list of Entry
    notes : list of str
        What was left out, with names and counts.
    unit : str
        What a cluster is.
    said : str
        How scores are made, in front of what stands around each text.
    """

    entries: list[Entry]
    notes: list[str]
    unit: str
    said: str


Read = Callable[[str, Session, int | None], Texts]


@contextmanager
def open_headed(read: Read, wanted: Wanted) -> Iterator[Reading]:
    """Open a model with its head, and read the items of a metric by ``read(argument, session, limit)``.

    Raises
    ------
    UsageError
        The model has no head, or is an encoder-decoder.
    InputError
        All items are of one cluster.
    """
    if wanted.probing.named:
        raise UsageError(
            f"The `{wanted.probing.named[0]}` option is of a probe, and this metric reads the model's own head. Leave "
            "it out, or choose --metric probe:TASK."
        )
    with Session(wanted.source, wanted.spec, stacks=True, attention=wanted.attention) as session:
        passes_of(session, [], 1)  # refuses what cannot be run before anything is read
        texts = read(wanted.argument, session, wanted.limit)

        def lay(entries: Sequence[Entry], batch_tokens: int) -> Sequence[Pass]:
            return passes_of(session, [text for entry in entries for text in entry.outcomes], batch_tokens)

        choosing, showing = halves(texts.entries, wanted.seed, texts.unit)
        yield Reading(
            loaded=session.loaded,
            choosing=choosing,
            showing=showing,
            parts=(f"{texts.unit}s", "others"),
            lay=lay,
            unit=texts.unit,
            name=session.name,
            corpus=wanted.argument,
            identity=session.identity()["model"],
            said=f"{texts.said} {session.ends.said}.",
            notes=texts.notes,
            later=lambda: session.notes,
            settings={"score": session.method, "begin": wanted.spec.begin, "end": wanted.spec.end},
        )


def halves(entries: Sequence[Entry], seed: int, unit: str) -> tuple[list[Entry], list[Entry]]:
    """Return the items to choose on and those to show on: half of the clusters each, drawn by their names.

    Raises
    ------
    InputError
        All items are of one cluster.
    """
    names = sorted({entry.cluster for entry in entries})
    if len(names) < 2:
        raise InputError(
            f"All {len(entries):,} items are of one {unit}, and importance must be chosen on others than it is shown "
            f"on. Give items of several {unit}s."
        )
    drawn = sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    choosing = set(drawn[: len(drawn) // 2])
    return (
        [entry for entry in entries if entry.cluster in choosing],
        [entry for entry in entries if entry.cluster not in choosing],
    )
