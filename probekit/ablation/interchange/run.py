"""Interchange interventions: name a suite and a model, and see where its answer is carried: :func:`interchange`.

Enters: what a user names. Leaves: an :class:`~probekit.ablation.interchange.report.InterchangeReport`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from probekit import plain
from probekit.ablation.interchange.measuring import RANKS, Layer, Measuring, Plan
from probekit.ablation.interchange.pairs import Pair, pairs_of, split_pairs
from probekit.ablation.interchange.patching import PLACES, Patching, batches_of, place_of
from probekit.ablation.interchange.report import InterchangeReport
from probekit.ablation.interchange.rows import RANDOM_WEIGHTS, STAGE, chosen_layers, ranks_of, rows_of, unpatched
from probekit.ablation.subspaces import SUBSPACES, Subspace
from probekit.behaviour.opening import open_suite
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.errors import InputError, UsageError
from probekit.extraction.spec import BATCH_TOKENS
from probekit.models.sources.find import find_model, shadowing_note
from probekit.report import Measurement
from probekit.sites import parse_layers
from probekit.statistics.bootstrap import FEWEST_UNITS

Progress = Callable[[float, str], None]


def interchange(
    suite: str | os.PathLike[str],
    model: str | os.PathLike[str],
    *,
    layers: str | Sequence[int] | None = None,
    at: str | int = "answer",
    subspaces: Sequence[str] = (),
    rank: int | None = 1,
    draws: int = 5,
    classes: str = "number",
    only_right: bool = False,
    limit: int | None = None,
    spec: ScoringSpec | None = None,
    revision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> InterchangeReport:
    """Put part of a layer's state of one sentence into the run of another, and see whose answer the model gives.

    Parameters
    ----------
    suite : str or path
        As :func:`~probekit.behave` takes it; items of two sentences that differ in one word are used. A base is paired
        with the closest item of its phenomenon whose answers are swapped.
    model : str or path
        With a head that predicts tokens; no encoder-decoder.
    layers : str or sequence of int, optional
        Layers to exchange at, ``0,3`` or ``2-4``, 0 is the embedding; by default all.
    at : {"answer", "differing", "shared", "all"} or int
        Which tokens are exchanged: that where the answer is predicted; those in which the two sentences differ (the
        subject); the others; all; or one by its number, as edits count them.
    subspaces : sequence of str, optional
        Of the catalogue: ``all``, ``means``, ``probe``, ``leace``, ``axis``, ``das``; by default all that the suite
        allows.
    rank : int, optional
        Of what has no rank of its own (``axis``, ``das``); None: of 1, 2, 4, 8 the smallest that is best on dev.
    draws : int
        Random subspaces of each rank.
    classes : str
        The fact of the items by which ``means``, ``probe`` and ``leace`` are fitted.
    only_right : bool
        Use only pairs of which the model answers base and source right.
    limit : int, optional
        Use the first so many bases of each phenomenon alone.
    spec : ScoringSpec, optional
        With ``random_weights`` the same is done to a control model beside.
    revision : str, optional
    seed : int
        Of the split, the draws, what is learnt and the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    InterchangeReport

    Raises
    ------
    UsageError
        Something that the model or the suite does not have.
    InputError
        No pair is left, or they are of fewer than three units.

    References
    ----------
    Geiger et al. 2021, https://arxiv.org/abs/2106.02997; Geiger et al. 2023, https://arxiv.org/abs/2303.02536
    """
    seed = plain.whole(seed, "seed", least=0)
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    rank = None if rank is None else plain.whole(rank, "rank", least=1)
    named = plain.texts(subspaces, "subspaces")
    spec = spec or ScoringSpec()
    opened = open_suite(suite)
    source = find_model(str(model), revision=revision)
    with Session(source, replace(spec, random_weights=None), stacks=True) as session:
        wanted = _layers(layers, session.loaded.stacks[0].n_layers)
        pairs, notes = pairs_of(opened.items, session, limit=limit, seed=seed)
        tokens = spec.batch_tokens or BATCH_TOKENS.get((session.loaded.device.type, spec.dtype), 1024)
        if only_right:
            pairs, said = _right_ones(pairs, Patching(session.loaded), tokens)
            notes += said
        split = split_pairs(pairs, seed)
        chosen, said = _subspaces(named, split["train"], classes)
        notes += said
        plan = Plan(chosen, place_of(at), rank, plain.whole(draws, "draws", least=1), classes, tokens, seed)
        _check_rank(plan, session)
        measured = Measuring(session.loaded, split, plan)
        half = 1.0 if spec.random_weights is None else 0.5
        found = _measure(measured, wanted, progress, (0.0, half))
        name, identity, method = session.name, session.identity(), session.method
    blank = Measurement(
        stage=STAGE, task=f"behave:{opened.name}", model=name, corpus=opened.name, split="test", layer=None, method="",
        role="estimator", metric="", value=None, unit="template", seed=seed,
    )  # fmt: skip
    rows = [unpatched(measured, blank), *rows_of(found, measured, blank)]
    layers_chosen = chosen_layers(found, measured.plain["dev"])
    if spec.random_weights is not None:
        with Session(source, spec, stacks=True) as control:
            beside = Measuring(control.loaded, split, plan)
            its = _measure(beside, wanted, progress, (half, 1.0))
            rows += rows_of(its, beside, replace(blank, model=control.name), ending=f"/{RANDOM_WEIGHTS}")
        layers_chosen |= {
            f"{one}/{RANDOM_WEIGHTS}": layer for one, layer in chosen_layers(its, beside.plain["dev"]).items()
        }
    provenance: dict[str, Any] = {
        "task": f"behave:{opened.name}",
        "model": identity["model"],
        "settings": {
            **asdict(spec), "score": method, "layers": list(wanted), "at": plan.at, "classes": classes, "rank": rank,
            "subspaces": [one.name for one in chosen], "draws": plan.draws, "only_right": only_right, "limit": limit,
            "seed": seed,
        },
        "pairs": {name: len(some) for name, some in split.items()},
        "chosen": layers_chosen,
        "ranks": {one: {str(layer): its for layer, its in by.items()} for one, by in ranks_of(found).items()},
        "references": [f"{one.name}: {one.reference}" for one in chosen],
        "notes": [
            *_said(plan, split), *opened.remarks, *notes, *shadowing_note(str(model)), *dict.fromkeys(measured.notes),
        ],
    }  # fmt: skip
    return InterchangeReport(tuple(rows), provenance)


def _measure(
    measured: Measuring, layers: Sequence[int], progress: Progress | None, part: tuple[float, float]
) -> list[Layer]:
    found = []
    for count, layer in enumerate(layers, start=1):
        found.append(measured.layer(layer))
        if progress is not None:
            progress(part[0] + (part[1] - part[0]) * count / len(layers), f"layer {layer}")
    return found


def _layers(layers: str | Sequence[int] | None, highest: int) -> list[int]:
    """Return the numbers of the layers that are named.

    Raises
    ------
    UsageError
    """
    named = "all" if layers is None else parse_layers(layers)
    if isinstance(named, str):
        return list(range(highest + 1))
    numbers = sorted({place for place in named if isinstance(place, int)})
    if len(numbers) < len(set(named)) or not numbers or not 0 <= numbers[0] <= numbers[-1] <= highest:
        raise UsageError(f"The `layers` to exchange at must be some of 0 to {highest}, like 0,3 or 2-4. Got {layers}.")
    return numbers


def _subspaces(names: Sequence[str], train: Sequence[Pair], classes: str) -> tuple[tuple[Subspace, ...], list[str]]:
    """Return the subspaces to try, and what to say of the others.

    Raises
    ------
    UsageError
        One is named that needs classes which the suite does not have.
    """
    some = [SUBSPACES.get(name, "subspaces") for name in names] or list(SUBSPACES.members().values())
    stated = [one.item.facts for pair in train for one in (pair.base, pair.source)]
    values = {str(facts[classes]) for facts in stated if classes in facts}
    labelled = [one.name for one in some if one.labelled]
    if len(values) > 1 or not labelled:
        without = sum(classes not in facts for facts in stated)
        note = f"{without:,} of {len(stated):,} training sentences state no {classes}: {', '.join(labelled)} are fitted"
        return tuple(some), [f"{note} on the others."] if without and labelled else []
    facts = ", ".join(sorted({name for its in stated for name in its})) or "none"
    told = f"the training items state fewer than two values of '{classes}' (their facts: {facts})"
    if names:
        raise UsageError(f"The subspaces {', '.join(labelled)} need classes, and {told}. Name another fact as classes.")
    return tuple(one for one in some if not one.labelled), [f"Left out are {', '.join(labelled)}: {told}."]


def _check_rank(plan: Plan, session: Session) -> None:
    stack = session.loaded.stacks[0]
    width = min(stack.widths.values())
    if plan.rank is not None and plan.rank > width:
        raise UsageError(f"The `rank` option must be at most {width}, the width of '{session.name}'. Got {plan.rank}.")


def _right_ones(pairs: Sequence[Pair], model: Patching, tokens: int) -> tuple[list[Pair], list[str]]:
    """Return the pairs of which the model answers base and source right.

    Raises
    ------
    InputError
        There is none.
    """
    right = np.ones(len(pairs), bool)
    for swaps in ([(p.base, p.source) for p in pairs], [(p.source, p.base) for p in pairs]):
        right &= model.plain(batches_of(swaps, "answer", loaded=model.loaded, batch_tokens=tokens)) < 0
    kept = [pair for pair, fine in zip(pairs, right, strict=True) if fine]
    if not kept:
        raise InputError(f"The model answers base and source right in none of {len(pairs):,} pairs.")
    lost = len(pairs) - len(kept)
    return kept, [f"{lost:,} of {len(pairs):,} pairs are left out, of which the model answers base or source wrong."]


def _said(plan: Plan, split: dict[str, list[Pair]]) -> list[str]:
    shown = split["test"]
    apart = np.mean([(pair.base.row != pair.source.row).sum() for pair in shown])
    there = np.mean([bool(pair.base.row[pair.base.place] != pair.source.row[pair.base.place]) for pair in shown])
    where = {
        "answer": "the token at which the answer is predicted", "differing": "the tokens in which the two differ",
        "shared": "the tokens that the two share", "all": "all tokens",
    }  # fmt: skip
    told = where[str(plan.at)] if plan.at in PLACES else f"token {plan.at}"
    notes = [
        f"Exchanged is {told}. Base and source differ in {apart:.1f} tokens, mean of the test pairs; in {there:.0%} of "
        "these at the token where the answer is predicted.",
        f"Rank of axis and das: {plan.rank or 'the smallest of ' + ', '.join(map(str, RANKS)) + ' that is best on dev'}"
        f"; random: {'one draw' if plan.draws == 1 else f'mean of {plan.draws} draws'} of equal rank.",
        "changed: pairs whose preferred answer an interchange changes; placebo: the same where the source has the "
        f"answer of the base ({sum(pair.placebo is not None for pair in shown):,} pairs have one).",
    ]
    if len({pair.cluster for pair in shown}) < FEWEST_UNITS:
        notes.append(f"Of fewer than {FEWEST_UNITS} templates there is no interval.")
    return notes
