"""A dose and what it does: answers and loss of a model as a vector is added at rising strengths.

Enters: questions and sentences of dev and test, vectors. Leaves: a :class:`Dose` for each vector and strength; on dev
it is chosen which layer and strength move the answers most at a loss that is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probekit.ablation.interchange.rows import Scoring
from probekit.ablation.runs import Runs
from probekit.ablation.steering.asked import FloatArray, Odds, Question
from probekit.ablation.steering.sentences import Sentences
from probekit.ablation.steering.vector import Vector
from probekit.behaviour.scoring.making import Session
from probekit.errors import InputError
from probekit.models.runtime.attach import attached
from probekit.sites import LAYER, Site

Told = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Dose:
    """What a vector does at a strength.

    Attributes
    ----------
    odds : float64 array [questions]
        By how much the log-odds rise, nats.
    loss : float64 array [sentences]
        By how much the loss of each sentence rises, nats, over all of its tokens.
    """

    odds: FloatArray
    loss: FloatArray


class Side:
    """The questions and sentences of a split.

    Parameters
    ----------
    session : Session
        With its stack; nothing is attached to it.
    asked : sequence of Question
    sentences : Sentences
        Whose loss is read.
    batch_tokens : int
    seed : int
        Of the resamples.

    Attributes
    ----------
    plain : Dose
        Log-odds and losses themselves, where nothing is added.
    tokens : float64 array [sentences]
        Scored ones.
    answers, sentences : Scoring
        Of questions, and of sentences.

    Raises
    ------
    InputError
        No sentence can be scored.
    """

    def __init__(
        self, session: Session, asked: Sequence[Question], sentences: Sentences, *, batch_tokens: int, seed: int
    ) -> None:
        self._loaded = session.loaded
        self._odds = Odds(session.loaded, asked, batch_tokens)
        if not sentences.groups or not asked:
            raise InputError(
                f"Of this split there are {len(asked):,} questions and {len(sentences.groups):,} sentences to score. "
                "Name a corpus with a dev and a test part, and a suite of several templates."
            )
        self._runs = Runs(self._loaded, sentences.passes, len(sentences.groups), batch_tokens=batch_tokens)
        self.tokens = sentences.tokens
        self.answers, self.sentences = Scoring(self._odds.clusters, seed), Scoring(sentences.groups, seed)
        self.plain = Dose(*self._read())

    def dose(self, vector: Vector, strength: float) -> Dose:
        """Return what a vector does."""
        site = Site(LAYER, vector.layer, self._loaded.stacks[0].name)
        with attached(self._loaded, {site: vector.adding(self._loaded, strength)}):
            odds, loss = self._read()
        return Dose(odds - self.plain.odds, loss - self.plain.loss)

    def _read(self) -> tuple[FloatArray, FloatArray]:
        return self._odds.values(), -self._runs.totals([{}])[0]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What dev chose.

    Attributes
    ----------
    vector : Vector
    strength : float
    allowed : bool
        Whether its loss is; else none was, and this is the one that costs least.
    doses : list of (Vector, float, Dose)
        All that was tried on dev.
    """

    vector: Vector
    strength: float
    allowed: bool
    doses: list[tuple[Vector, float, Dose]]


def choose(dev: Side, vectors: Sequence[Vector], strengths: Sequence[float], cost: float, told: Told | None) -> Chosen:
    """Return the layer and the strength that move the answers of dev most where the loss rises by at most ``cost``.

    Strengths below 0 steer away, and are never chosen.
    """
    doses: list[tuple[Vector, float, Dose]] = []
    for vector in vectors:
        for strength in strengths:
            doses.append((vector, strength, dev.dose(vector, strength)))
            if told is not None:
                told(len(doses) / (len(vectors) * len(strengths)), f"layer {vector.layer}, strength {strength:g}")
    loss = {number: float(dose.loss.sum() / dev.tokens.sum()) for number, (_, strength, dose) in enumerate(doses)
            if strength > 0}  # fmt: skip
    allowed = [number for number, rise in loss.items() if rise <= cost]
    if allowed:
        best = max(allowed, key=lambda number: float(doses[number][2].odds.mean()))
    else:
        best = min(loss, key=loss.__getitem__)
    vector, strength, _ = doses[best]
    return Chosen(vector, strength, bool(allowed), doses)
