"""Ablate: name parts of a model and a metric, and see what is lost as they are left out.

Enters: what a user names. Leaves: an :class:`~probekit.ablation.report.AblationReport`. Half of the units (templates,
documents) choose what is important, the other half show what that is worth.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probekit import plain
from probekit.ablation.curves import counts_of, curve_of, progressive, random_orders, steps_of
from probekit.ablation.importance import IMPORTANCES
from probekit.ablation.metrics import Entry, FloatArray, Metric, metric_of
from probekit.ablation.parts import KINDS, Part, parts_of
from probekit.ablation.passes import passes_of
from probekit.ablation.report import AblationReport, rows_of
from probekit.ablation.runs import Runs
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.errors import InputError, NumericError, UsageError
from probekit.extraction.spec import BATCH_TOKENS
from probekit.models.sources.find import find_model, shadowing_note
from probekit.sites import LAYER, parse_layers
from probekit.statistics.bootstrap import FEWEST_UNITS

MANY = ("units", "dims")
"""Kinds of parts of which a model has too many to leave each out alone."""
INSTEAD = ("zero", "mean")
Progress = Callable[[float, str], None]
_SHARES = 4
"""Into so many parts of a batch texts are laid, so that as many removals share it."""


def ablate(
    parts: str,
    model: str | os.PathLike[str],
    *,
    metric: str,
    importance: str | None = None,
    layers: str | Sequence[int] | None = None,
    instead: str = "zero",
    orders: int = 10,
    steps: int = 12,
    limit: int | None = None,
    score: str = "auto",
    begin: str = "auto",
    end: str = "auto",
    random_weights: int | None = None,
    dtype: str = "float32",
    device: str = "auto",
    batch_tokens: int | None = None,
    revision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> AblationReport:
    """Leave parts of a model out, the most important first, and beside that in random orders.

    Parameters
    ----------
    parts : {"heads", "units", "layers", "dims"}
        Attention heads; neurons of the MLP; blocks, by their heads and neurons; numbers of the stream behind a block.
    model : str or path
        With a head that predicts tokens.
    metric : str
        ``behave:SUITE`` or ``loss:CORPUS``, or another of the catalogue.
    importance : {"ablation", "gradient", "attribution"}, optional
        What orders parts: the loss of each left out alone; gradient x activation; its sum, as attribution patching has
        it. By default ablation, and attribution of units and dims, which are thousands.
    layers : str or sequence of int, optional
        Blocks to take parts of, ``1,3`` or ``2-4``; by default all, of dims the layer in the middle.
    instead : {"zero", "mean"}
        What stands in the place of what is left out: zero, or its mean over the tokens that are chosen on.
    orders : int
        Random orders.
    steps : int
        Points of the curve beside that of the whole model.
    limit : int, optional
        Use the first so many items (of a suite, of each phenomenon) alone.
    score, begin, end, random_weights, dtype, device, batch_tokens, revision
        As of :func:`~probekit.behave`.
    seed : int
        Of the halves, the orders and the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    AblationReport

    Raises
    ------
    UsageError, InputError, NumericError, ResourceError, NetworkError

    References
    ----------
    Li, Monroe & Jurafsky 2016, https://arxiv.org/abs/1612.08220; Morcos et al. 2018, https://arxiv.org/abs/1803.06959
    """
    plain.choice(parts, "parts", KINDS)
    plain.choice(instead, "instead", INSTEAD)
    measured, argument = metric_of(plain.text(metric, "metric"))
    importance = importance or ("attribution" if parts in MANY else "ablation")
    ranking = IMPORTANCES.get(plain.text(importance, "importance"), "importance")
    counts = {"orders": plain.whole(orders, "orders", least=1), "steps": plain.whole(steps, "steps", least=1)}
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    seed = plain.whole(seed, "seed", least=0)
    wanted = numbered_layers(layers)
    source = find_model(str(model), revision=revision)
    spec = ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights)
    with Session(source, spec, stacks=True) as session:
        passes_of(session, [], 1)  # refuses what cannot be run before anything is read
        found = parts_of(session.loaded, parts, wanted)
        read = measured.read(argument, session, limit)
        chosen_on, shown_on = halves(read.entries, seed, read.unit)
        tokens = spec.batch_tokens or BATCH_TOKENS.get((session.loaded.device.type, spec.dtype), 1024)
        choosing = _Side.of(session, chosen_on, measured, tokens)
        showing = _Side.of(session, shown_on, measured, tokens)
        if instead == "mean":
            sites = list(dict.fromkeys(site for part in found for site in part.sites))
            choosing.runs.instead = showing.runs.instead = choosing.runs.means(sites)
        values = ranking.measure(found, choosing.runs, choosing.weights(), _share(progress, 0.0, 0.5))
        if not np.isfinite(values).all():
            raise NumericError(f"The importance of {int((~np.isfinite(values)).sum()):,} {parts} is not a number.")
        order = np.argsort(-values, kind="stable")
        removed = steps_of(len(found), counts["steps"])
        every = [order, *random_orders(len(found), counts["orders"], seed)]
        told = _share(progress, 0.5, 1.0)
        table = progressive(
            found, [each.tolist() for each in every], showing.runs,
            entries=shown_on, metric=measured, removed=removed, told=told,
        )  # fmt: skip
        name, identity, method, said = session.name, session.identity(), session.method, session.ends.said
        run_notes = [*choosing.runs.notes, *showing.runs.notes, *session.notes]
    curve = curve_of(table, removed, clusters=[entry.cluster for entry in shown_on], metric=measured, seed=seed)
    settings = {
        "parts": parts, "layers": sorted({site.number for part in found for site in part.sites}), "metric": metric,
        "importance": importance, "instead": instead, **counts, "limit": limit, "score": method, "begin": begin,
        "end": end, "dtype": dtype, "seed": seed, "random_weights": random_weights,
    }  # fmt: skip
    notes = [
        f"Importance is {ranking.said}, on {len(chosen_on):,} items of {_count(chosen_on):,} {read.unit}s; the curve "
        f"is of the {len(shown_on):,} items of the {_count(shown_on):,} others.",
        _replaced(instead, found, parts),
        f"Scores are sums of log-probabilities, {said}." if measured.higher else f"Texts are read with {said}.",
        *read.notes,
        *shadowing_note(str(model)),
        *dict.fromkeys(run_notes),
    ]
    if curve.n_clusters < FEWEST_UNITS:
        notes.append(f"Of fewer than {FEWEST_UNITS} {read.unit}s there is no interval.")
    rows = rows_of(curve, task=metric, model=name, method=importance, metric=measured.score, unit=read.unit)
    provenance: dict[str, Any] = {
        "task": metric,
        "model": identity["model"],
        "corpus": {"name": argument},
        "settings": settings,
        "references": [f"{importance}: {ranking.reference}"],
        "importance": [[found[place].name, float(values[place])] for place in order],
        "random": curve.random.tolist(),
        "notes": notes,
    }
    return AblationReport(tuple(rows), provenance)


@dataclass(frozen=True, slots=True)
class _Side:
    """The items that choose, or those that show."""

    entries: Sequence[Entry]
    metric: Metric
    runs: Runs

    @classmethod
    def of(cls, session: Session, entries: Sequence[Entry], metric: Metric, tokens: int) -> _Side:
        texts = [text for entry in entries for text in entry.texts]
        passes = passes_of(session, texts, max(1, tokens // _SHARES))
        return cls(entries, metric, Runs(session.loaded, passes, len(texts), batch_tokens=tokens))

    def weights(self) -> FloatArray:
        """Return the weight of each text in the mean objective, by what the whole model says."""
        totals = self.runs.totals([{}])[0]
        found: list[float] = []
        for entry in self.entries:
            found += self.metric.weigh(entry, totals[len(found) : len(found) + len(entry.texts)])
        return np.array(found, np.float64) / counts_of(self.entries, self.metric, totals)[:, 1].sum()


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


def numbered_layers(layers: str | Sequence[int] | None) -> Sequence[int] | str | None:
    """Return the layers that are named, or ``all``; None: those that a kind of parts has by default.

    Raises
    ------
    UsageError
    """
    named = None if layers is None else parse_layers(layers)
    if named is None or isinstance(named, str):
        return named
    numbers = [place for place in named if isinstance(place, int)]
    if len(numbers) < len(named):
        raise UsageError(f"Parts are taken out of numbered layers, like 1,3 or 2-4. Got '{named[-1]}'.")
    return numbers


def _replaced(instead: str, found: Sequence[Part], parts: str) -> str:
    what = "zero" if instead == "zero" else "its mean over the tokens of the items chosen on"
    note = f"What is left out of {len(found):,} {parts} is replaced by {what}, at every token."
    if parts == "layers":
        note += " A block is left out by its heads and its neurons: what its biases add stays."
    if any(site.kind == LAYER for part in found for site in part.sites):
        note += f" Dims are of layer {', '.join(str(site.label) for site in found[0].sites)}."
    return note


def _count(entries: Sequence[Entry]) -> int:
    return len({entry.cluster for entry in entries})


def _share(progress: Progress | None, low: float, high: float) -> Progress | None:
    if progress is None:
        return None
    return lambda done, note: progress(low + done * (high - low), note)
