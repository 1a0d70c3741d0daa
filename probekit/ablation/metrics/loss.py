"""How badly a model predicts a text: its loss in nats a token, of a masked model the pseudo-loss."""

from __future__ import annotations

from functools import partial

import numpy as np

from probekit.ablation.metrics import Entry, FloatArray, Metric
from probekit.ablation.metrics._headed import Texts, open_headed
from probekit.ablation.passes import Scored, scored_tokens
from probekit.behaviour.scoring.making import Session
from probekit.corpus import open_corpus
from probekit.corpus.notes import list_names
from probekit.errors import InputError
from probekit.example import Example


def read(argument: str, session: Session, limit: int | None) -> Texts:
    """Read the sentences of a corpus, the first so many."""
    examples: list[Example] = []
    for example in open_corpus(argument):
        if limit is not None and len(examples) == limit:
            break
        examples.append(example)
    texts = session.read([example.text or " ".join(example.words) for example in examples])
    entries, left = [], []
    for example, reading in zip(examples, texts, strict=True):
        tokens = scored_tokens(reading, session)
        if len(tokens) and session.fits(reading):
            entries.append(Entry(example.group or example.id, (Scored(reading, tokens),)))
        else:
            left.append(example.id)
    if not entries:
        raise InputError(f"{argument}: no sentence of this corpus can be scored by {session.name}.")
    notes = [] if limit is None else [f"Only the first {len(examples):,} sentences are read."]
    if left:
        notes.append(
            f"{len(left):,} of {len(examples):,} sentences left out, without a token to score or longer than the "
            f"{session.limit} tokens that {session.name} reads: {list_names(left)}."
        )
    return Texts(entries, notes, "document", "Texts are read with")


def count(entry: Entry, totals: FloatArray) -> tuple[float, float]:
    """Count the nats of a sentence, and its tokens."""
    return -float(totals[0]), float(len(entry.outcomes[0].tokens))


def weigh(entry: Entry, totals: FloatArray) -> list[float]:
    """Weigh every token alike."""
    return [1.0]


METRIC = Metric(
    "loss",
    partial(open_headed, read),
    count,
    weigh,
    score="loss",
    bounds=(0.0, np.inf),
    higher=False,
    argument="CORPUS",
    help="Loss on the sentences of a corpus, nats a token.",
)
