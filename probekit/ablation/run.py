"""Ablate: name parts of a model and a metric, and see what is lost as they are left out.

Enters: what a user names. Leaves: an :class:`~probekit.ablation.report.AblationReport`. Half of the units (templates,
documents) choose what is important, the other half show what that is worth.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probekit import plain
from probekit.ablation.curves import curve_of, progressive, random_orders, steps_of
from probekit.ablation.importance import IMPORTANCES
from probekit.ablation.metrics import Wanted, metric_of, named_model
from probekit.ablation.parts import KINDS, Part, parts_of
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.report import STAGE, AblationReport, rows_of
from probekit.ablation.saving import save_edits
from probekit.ablation.sides import Side
from probekit.ablation.standing import SAID, STAND_INS
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.corpus.notes import list_names
from probekit.errors import NumericError, UsageError
from probekit.models.sources.find import shadowing_note
from probekit.report import Measurement
from probekit.sites import LAYER, parse_layers
from probekit.statistics.bootstrap import FEWEST_UNITS

MANY = ("units", "dims")
"""Kinds of parts of which a model has too many to leave each out alone."""
FIRST = ("most", "least")
Progress = Callable[[float, str], None]


def ablate(
    parts: str,
    model: str | os.PathLike[str] | None = None,
    *,
    metric: str,
    importance: str | None = None,
    layers: str | Sequence[int] | None = None,
    instead: str = "zero",
    first: str = "most",
    prune: int | None = None,
    save: str | os.PathLike[str] | None = None,
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
    probing: ProbeSpec | None = None,
    progress: Progress | None = None,
) -> AblationReport:
    """Leave parts of a model out, the most important first or the least, and beside that in random orders.

    Parameters
    ----------
    parts : {"heads", "units", "layers", "dims"}
        Attention heads; neurons of the MLP; blocks, by their heads and neurons; numbers of the stream behind a block.
    model : str or path, optional
        With a head that predicts tokens; for ``probe:TASK`` with or without. A tuned run is its own model; where it was
        saved as differences, from which it was tuned, if it is not where it was.
    metric : str
        ``behave:SUITE``, ``loss:CORPUS``, ``probe:TASK`` or ``run:FOLDER``, or another of the catalogue.
    importance : {"ablation", "gradient", "attribution", "weights"}, optional
        What orders parts: the loss of each left out alone; gradient x activation; its sum, as attribution patching has
        it; of the dims of a layer that a probe reads, its weights [1]_. By default ablation, and attribution of units
        and dims, which are thousands.
    layers : str or sequence of int, optional
        Blocks to take parts of, ``1,3`` or ``2-4``; by default all, of dims the layer in the middle. Where a probe
        reads a layer, all up to that one, of dims that one.
    instead : {"zero", "mean", "resample"}
        What stands in the place of what is left out: zero, its mean over the tokens that are chosen on, or its value at
        a token of another example among them, drawn by what the row reads.
    first : {"most", "least"}
        Important parts go first, which shows what the model uses; or last, which prunes it [2]_.
    prune : int, optional
        A number of parts that shall be a point of the curve.
    save : path, optional
        Where to write the edits that leave the first ``prune`` parts out.
    orders : int
        Random orders.
    steps : int
        Points of the curve beside that of the whole model.
    limit : int, optional
        Use the first so many items (of a suite, of each phenomenon) alone.
    score, begin, end, random_weights, dtype, device, batch_tokens, revision
        As of :func:`~probekit.behave`.
    seed : int
        Of the halves, the orders, what is drawn for parts, and the resamples.
    probing : ProbeSpec, optional
        Of ``probe:TASK`` and ``run:FOLDER``: the corpus; of a probe also the layer that it reads, and how.
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

    .. [1] Dalvi et al. 2019, What is one grain of sand in the desert? https://arxiv.org/abs/1812.09355
    .. [2] Michel, Levy & Neubig 2019, Are sixteen heads really better than one? https://arxiv.org/abs/1905.10650
    """
    plain.choice(parts, "parts", KINDS)
    plain.choice(instead, "instead", tuple(STAND_INS))
    plain.choice(first, "first", FIRST)
    prune = None if prune is None else plain.whole(prune, "prune", least=1)
    if save is not None and (prune is None or instead == "resample"):
        why = "how many parts, with the `prune` option" if prune is None else "that zero or the mean stands there"
        raise UsageError(f"What is saved is edits that leave parts out: say {why}.")
    measured, argument = metric_of(plain.text(metric, "metric"), annotated=True)
    importance = importance or ("attribution" if parts in MANY else "ablation")
    ranking = IMPORTANCES.get(plain.text(importance, "importance"), "importance")
    counts = {"orders": plain.whole(orders, "orders", least=1), "steps": plain.whole(steps, "steps", least=1)}
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    seed = plain.whole(seed, "seed", least=0)
    numbered, probing = numbered_layers(layers), probing or ProbeSpec()
    ranking.check(parts, measured)
    _check_below(numbered, probing.layer)
    source = named_model(model, revision)
    spec = ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights)
    with measured.open(Wanted(argument, source, spec, limit, seed, probing)) as reading:
        found = parts_of(reading.loaded, parts, numbered, read=max(reading.layers, default=None))
        tokens = spec.tokens_on(reading.loaded.device.type)
        choosing = Side.of(reading, reading.choosing, measured, tokens)
        showing = Side.of(reading, reading.showing, measured, tokens)
        sites = list(dict.fromkeys(site for part in found for site in part.sites))
        choosing.runs.instead = showing.runs.instead = STAND_INS[instead](choosing, sites, seed)
        values = ranking.measure(found, choosing, _share(progress, 0.0, 0.5))
        if not np.isfinite(values).all():
            raise NumericError(f"The importance of {int((~np.isfinite(values)).sum()):,} {parts} is not a number.")
        order = np.argsort(-values, kind="stable")
        order = order if first == "most" else order[::-1]
        if prune is not None and prune > len(found):
            raise UsageError(f"The `prune` option is at most the number of {parts}, {len(found):,}. Got {prune:,}.")
        removed = steps_of(len(found), counts["steps"], also=() if prune is None else (prune,))
        every = [order, *random_orders(len(found), counts["orders"], seed)]
        told = _share(progress, 0.5, 1.0)
        table = progressive(found, [each.tolist() for each in every], showing, removed=removed, told=told)
        pruned = [] if prune is None else [found[place] for place in order[:prune]]
        if save is not None:
            save_edits(save, pruned, choosing.runs.means(sites) if instead == "mean" else {})
        notes = [*reading.notes, *([] if model is None else shadowing_note(str(model)))]
        notes += dict.fromkeys([*choosing.runs.notes, *showing.runs.notes, *reading.later()])
    curve = curve_of(table, removed, clusters=[entry.cluster for entry in showing.entries], metric=measured, seed=seed)
    settings = {
        "parts": parts, "layers": sorted({site.number for part in found for site in part.sites}), "metric": metric,
        "importance": importance, "instead": instead, "first": first, "prune": prune, **counts, "limit": limit,
        **reading.settings, "dtype": dtype, "seed": seed, "random_weights": random_weights,
    }  # fmt: skip
    begun = [f"Importance is {ranking.said}, {_items(choosing, showing)}", _replaced(instead, found, parts)]
    if first == "least":
        begun.append(f"The least important {parts} go first.")
    if pruned:
        begun.append(_saved(pruned, save))
    notes = [*begun, reading.said, *notes]
    if curve.n_clusters < FEWEST_UNITS:
        notes.append(f"Of fewer than {FEWEST_UNITS} {reading.unit}s there is no interval.")
    blank = Measurement(
        stage=STAGE, task=metric, model=reading.name, corpus=reading.corpus, split="test", layer=None,
        method=importance, role="estimator", metric=measured.score, value=None, unit=reading.unit,
    )  # fmt: skip
    provenance: dict[str, Any] = {
        "task": metric,
        "model": reading.identity,
        "corpus": {"name": reading.corpus},
        "settings": settings,
        "references": [f"{importance}: {ranking.reference}"],
        "importance": [[found[place].name, float(values[place])] for place in order],
        "pruned": [part.name for part in pruned],
        "random": curve.random.tolist(),
        "notes": notes,
    }
    return AblationReport(tuple(rows_of(curve, blank)), provenance)


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


def _check_below(layers: Sequence[int] | str | None, read: int | None) -> None:
    """Refuse layers above the one that a probe is told to read, before a model is loaded.

    Raises
    ------
    UsageError
    """
    if read is None or layers is None or isinstance(layers, str):
        return
    if above := [layer for layer in layers if layer > read]:
        raise UsageError(
            f"The probe reads layer {read} (--layer), and nothing above it changes what it reads: --layers "
            f"{', '.join(map(str, above))} cannot be left out. Name others, or a higher --layer."
        )


def _replaced(instead: str, found: Sequence[Part], parts: str) -> str:
    note = f"What is left out of {len(found):,} {parts} is replaced by {SAID[instead]}, at every token."
    if parts == "layers":
        note += " A block is left out by its heads and its neurons: what its biases add stays."
    if any(site.kind == LAYER for part in found for site in part.sites):
        note += f" Dims are of layer {', '.join(str(site.label) for site in found[0].sites)}."
    return note


def _items(choosing: Side, showing: Side) -> str:
    chose, shows = choosing.reading.parts
    return (
        f"on {len(choosing.entries):,} items of {choosing.n_clusters:,} {chose}; the curve is of the "
        f"{len(showing.entries):,} items of the {showing.n_clusters:,} {shows}."
    )


def _saved(pruned: Sequence[Part], save: str | os.PathLike[str] | None) -> str:
    named = f"The first {len(pruned):,} are {list_names([part.name for part in pruned])}."
    return named if save is None else f"{named} {save} has the edits that leave them out."


def _share(progress: Progress | None, low: float, high: float) -> Progress | None:
    if progress is None:
        return None
    return lambda done, note: progress(low + done * (high - low), note)
