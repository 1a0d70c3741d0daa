"""Erase words around labelled targets, and see which labels a probe no longer reads: :func:`ablate_label_inputs`.

Enters: what a user names. Leaves: an :class:`~probekit.ablation.inputs.report.InputReport` of targets of test that the
probe gets right, one a sentence.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch

from probekit import plain
from probekit.ablation.inputs.erasing import EXACT
from probekit.ablation.inputs.items import Erasures, erasures_of
from probekit.ablation.inputs.labels import ErasableLabel, ErasedLabel, LabelReader, erasable_label
from probekit.ablation.inputs.report import STAGE, InputReport, rows_of
from probekit.ablation.probes.fitting import Probed, ProbeSpec, identity_of, load_probed, name_of
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.errors import InputError, UsageError
from probekit.models.sources.find import find_model, shadowing_note
from probekit.report import Measurement
from probekit.statistics.units import resampled_notes, units_of

Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True)
class ErasingSpec:
    """How words are erased.

    Attributes
    ----------
    masked : bool
        The tokenizer's mask stands in the place of an erased word; by default nothing does.
    exact : bool
        Prove of targets with at most 14 units that no set is smaller.
    by_phrase : bool
        Erase whole phrases, each a word with all that hangs from it, where the corpus has trees.
    """

    masked: bool = False
    exact: bool = False
    by_phrase: bool = False


def ablate_label_inputs(
    task: str,
    model: str | os.PathLike[str],
    *,
    probing: ProbeSpec,
    erasing: ErasingSpec | None = None,
    limit: int | None = None,
    spec: ScoringSpec | None = None,
    revision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> InputReport:
    """Find which words a probe's labels rest on.

    A linear probe of a layer is fitted on training. Of each sentence of test one target is drawn; where the probe gets
    it right, words around it are erased, one by one and in sets, until the probe gives another label.

    Parameters
    ----------
    task : str
        Of the catalogue, ``pos``.
    model : str or path
        With or without a head.
    probing : ProbeSpec
        The corpus, and the layer that is read.
    erasing : ErasingSpec, optional
    limit : int, optional
        Use the first so many sentences of test alone.
    spec : ScoringSpec, optional
        How the model computes.
    revision : str, optional
    seed : int
        Of the targets, the control and the resamples.
    progress : callable, optional
        Called with the share done and a note.

    Returns
    -------
    InputReport

    Raises
    ------
    UsageError, InputError, NumericError

    References
    ----------
    Li, Monroe & Jurafsky 2016, https://arxiv.org/abs/1612.08220
    """
    seed, spec, erasing = plain.whole(seed, "seed", least=0), spec or ScoringSpec(), erasing or ErasingSpec()
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    loaded, probed = load_probed(find_model(str(model), revision=revision), task, spec=spec, probing=probing, seed=seed)
    mask = loaded.tokenizer.mask_token if erasing.masked else None
    if erasing.masked and mask is None:
        raise UsageError(f"The tokenizer of '{name_of(loaded)}' has no mask: leave out --masked.")
    rows = _drawn(probed, limit, seed)
    reader = LabelReader(loaded, probed, mask=mask, batch_tokens=spec.tokens_on(loaded.device.type))
    right: list[tuple[int, ErasableLabel, Erasures]] = []
    left_out: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        target = erasable_label(probed, row, by_phrase=erasing.by_phrase)
        if isinstance(target, str):
            left_out[target] += 1
            continue
        rng = np.random.default_rng([seed, row])
        with torch.no_grad():
            one = erasures_of(len(target.units), partial(reader.margins, target), exact=erasing.exact, rng=rng)
        if one is None:
            left_out["the probe gives another label"] += 1
        else:
            right.append((row, target, one))
        if progress is not None:
            progress(number / len(rows), f"target {number:,} of {len(rows):,}")
    if not right:
        why = "; ".join(f"{reason} ({n:,})" for reason, n in left_out.most_common())
        raise InputError(f"No target is left around which words could be erased: {why}. Name another task or corpus.")
    # What intervals resample is of the targets that are left.
    units = units_of(probed.pooler.table.group, probed.pooler.table.example[[row for row, *_ in right]])
    found = [ErasedLabel(target, one, str(unit)) for (_, target, one), unit in zip(right, units.of, strict=True)]
    blank = Measurement(
        stage=STAGE, task=f"probe:{task}", model=name_of(loaded), corpus=probed.corpus, split="test", layer=None,
        method="masked" if erasing.masked else "removed", role="estimator", metric="", value=None, unit=units.unit,
        seed=seed,
    )  # fmt: skip
    unit = "phrase, a word with all that hangs from it" if erasing.by_phrase else "word"
    notes = [
        probed.said,
        f"One target of each of {len(rows):,} sentences of test is drawn; a unit that is erased is a {unit}"
        + ("." if probed.task.kind == "sentence" else ", and words of the target stay."),
        *resampled_notes({"test": units}),
        *probed.notes,
        *(f"{n:,} targets are left out: {why}." for why, n in left_out.most_common()),
        *shadowing_note(str(model)),
    ]
    if erasing.exact and (long := sum(len(one.target.units) > EXACT for one in found)):
        notes.append(f"Of {long:,} targets with more than {EXACT} units the sets are those of a greedy search.")
    provenance = {
        "task": f"probe:{task}",
        "model": identity_of(loaded),
        "corpus": {"name": probed.corpus},
        "settings": {
            **asdict(erasing), "layer": probed.probe.layer, "pool": probing.pool, "pair": probing.pair,
            "dtype": spec.dtype, "limit": limit, "seed": seed, "random_weights": spec.random_weights,
        },
        "references": ["Li, Monroe & Jurafsky 2016"],
        "notes": notes,
    }  # fmt: skip
    return InputReport(tuple(rows_of(found, blank)), provenance, tuple(found))


def _drawn(probed: Probed, limit: int | None, seed: int) -> list[int]:
    """Return one target of each sentence of test."""
    table, rng = probed.pooler.table, np.random.default_rng(seed)
    by_example: dict[int, list[int]] = {}
    for row in probed.targets("test", limit).tolist():
        by_example.setdefault(int(table.example[row]), []).append(row)
    return [int(rng.choice(those)) for those in by_example.values()]
