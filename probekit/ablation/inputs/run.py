"""Erase words before a model over a suite, and see which preferences fall: :func:`ablate_inputs`.

Enters: what a user names. Leaves: an :class:`~probekit.ablation.inputs.report.InputReport`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict

from probekit import plain
from probekit.ablation.inputs.erasing import EXACT
from probekit.ablation.inputs.items import erase_inputs
from probekit.ablation.inputs.report import STAGE, InputReport, rows_of
from probekit.behaviour.grouping import first_of_each
from probekit.behaviour.opening import open_suite
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.errors import UsageError
from probekit.models.sources.find import find_model, shadowing_note
from probekit.report import Measurement

Progress = Callable[[float, str], object]


def ablate_inputs(
    suite: str | os.PathLike[str],
    model: str | os.PathLike[str],
    *,
    masked: bool = False,
    exact: bool = False,
    limit: int | None = None,
    spec: ScoringSpec | None = None,
    revision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> InputReport:
    """Find which words a model's preferences rest on.

    Of every pair of sentences of which the model prefers the right one, words that both have are erased from both: one
    by one, which says what each supports, and in sets, until the other sentence is preferred.

    Parameters
    ----------
    suite : str or path
        As :func:`~probekit.behave` takes it; items of two sentences are used.
    model : str or path
        With a head that predicts tokens.
    masked : bool
        The tokenizer's mask stands in the place of an erased word; by default nothing does.
    exact : bool
        Prove of items of at most 14 shared words that no set is smaller.
    limit : int, optional
        Use the first so many items of each phenomenon alone.
    spec : ScoringSpec, optional
    revision : str, optional
    seed : int
        Of the control, and of the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    InputReport

    Raises
    ------
    UsageError
        The tokenizer has no mask.
    InputError
        No item is left.

    References
    ----------
    Li, Monroe & Jurafsky 2016, https://arxiv.org/abs/1612.08220
    """
    seed = plain.whole(seed, "seed", least=0)
    opened = open_suite(suite)
    items, notes = list(opened.items), list(opened.remarks)
    if limit is not None:
        items, said = first_of_each(items, plain.whole(limit, "limit", least=1), "")
        notes += said
    spec = spec or ScoringSpec()
    with Session(find_model(str(model), revision=revision), spec) as session:
        mask = session.loaded.tokenizer.mask_token if masked else None
        if masked and mask is None:
            raise UsageError(f"The tokenizer of '{session.name}' has no mask: leave out --masked.")
        found, left_out = erase_inputs(items, session, mask=mask, exact=exact, seed=seed, progress=progress)
        name, identity, method, said_of_ends = session.name, session.identity(), session.method, session.ends.said
        notes += session.notes
    notes += [f"{n:,} items are left out: {why}." for why, n in left_out.most_common()]
    if exact and (long := sum(len(one.pair.shared) > EXACT for one in found)):
        notes.append(f"Of {long:,} items with more than {EXACT} shared words the sets are those of a greedy search.")
    blank = Measurement(
        stage=STAGE,
        task=f"behave:{opened.name}",
        model=name,
        corpus=opened.name,
        split="test",
        layer=None,
        method="masked" if masked else "removed",
        role="estimator",
        metric="",
        value=None,
        unit="template",
        seed=seed,
    )
    provenance = {
        "task": f"behave:{opened.name}",
        "model": identity["model"],
        "settings": {**asdict(spec), "score": method, "masked": masked, "exact": exact, "limit": limit, "seed": seed},
        "references": ["Li, Monroe & Jurafsky 2016"],
        "notes": [f"Scores are sums of log-probabilities, {said_of_ends}.", *notes, *shadowing_note(str(model))],
    }
    return InputReport(tuple(rows_of(found, blank)), provenance, tuple(found))
