"""Erase words around labelled targets, and see which labels are no longer read: by a probe, or by a tuned run.

Enters: what a user names. Leaves: an :class:`~probekit.ablation.inputs.report.InputReport` of targets of test that the
probe (:func:`ablate_label_inputs`) or the head (:func:`ablate_run_inputs`) gets right, one a sentence.
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
from probekit.ablation.labelled import Labelled, targets_of
from probekit.ablation.metrics import named_model
from probekit.ablation.probes.fitting import ProbeSpec, load_probed
from probekit.ablation.tuned.opening import open_tuned
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
    spec, seed = spec or ScoringSpec(), plain.whole(seed, "seed", least=0)
    probed = load_probed(find_model(str(model), revision=revision), task, spec=spec, probing=probing, seed=seed)
    asked = _Asked(f"probe:{task}", "the probe", erasing or ErasingSpec(), limit, spec, seed)
    return _erased(probed, asked, str(model), progress)


def ablate_run_inputs(
    run: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    probing: ProbeSpec,
    erasing: ErasingSpec | None = None,
    limit: int | None = None,
    spec: ScoringSpec | None = None,
    revision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> InputReport:
    """Find which words the labels of a tuned run rest on.

    Of each sentence of test one target is drawn; where the head of the run gives it its label, words around it are
    erased, one by one and in sets, until the head gives another one.

    Parameters
    ----------
    run : path
        Folder of a run of :func:`~probekit.tune` whose targets are labels.
    model : str or path, optional
        Where the model is that a run of differences came from, if it is not where it was.
    probing : ProbeSpec
        The corpus with its annotations; what else it says is of probes, and refused.
    erasing, limit, spec, revision, seed, progress
        As of :func:`ablate_label_inputs`.

    Returns
    -------
    InputReport

    Raises
    ------
    UsageError, InputError, CacheError, NumericError

    References
    ----------
    Li, Monroe & Jurafsky 2016, https://arxiv.org/abs/1612.08220
    """
    spec, seed = spec or ScoringSpec(), plain.whole(seed, "seed", least=0)
    tuned = open_tuned(str(run), named_model(model, revision), spec=spec, probing=probing)
    asked = _Asked(f"run:{run}", "the head", erasing or ErasingSpec(), limit, spec, seed)
    return _erased(tuned, asked, None if model is None else str(model), progress)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of labels, and what reads them, in words."""

    task: str
    reader: str
    erasing: ErasingSpec
    limit: int | None
    spec: ScoringSpec
    seed: int

    def __post_init__(self) -> None:
        if self.limit is not None:
            object.__setattr__(self, "limit", plain.whole(self.limit, "limit", least=1))


def _erased(labelled: Labelled, asked: _Asked, model: str | None, progress: Progress | None) -> InputReport:
    """Erase words around targets of test, and report what that does."""
    erasing, loaded, seed = asked.erasing, labelled.loaded, asked.seed
    mask = loaded.tokenizer.mask_token if erasing.masked else None
    if erasing.masked and mask is None:
        raise UsageError(f"The tokenizer of '{labelled.name}' has no mask: leave out --masked.")
    rows = _drawn(labelled, asked.limit, seed)
    reader = LabelReader(labelled, mask=mask, batch_tokens=asked.spec.tokens_on(loaded.device.type))
    right: list[tuple[ErasableLabel, Erasures]] = []
    left_out: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        target = erasable_label(labelled, row, by_phrase=erasing.by_phrase)
        if isinstance(target, str):
            left_out[target] += 1
            continue
        rng = np.random.default_rng([seed, row])
        with torch.no_grad():
            one = erasures_of(len(target.units), partial(reader.margins, target), exact=erasing.exact, rng=rng)
        if one is None:
            left_out[f"{asked.reader} gives another label"] += 1
        else:
            right.append((target, one))
        if progress is not None:
            progress(number / len(rows), f"target {number:,} of {len(rows):,}")
    if not right:
        why = "; ".join(f"{reason} ({n:,})" for reason, n in left_out.most_common())
        raise InputError(f"No target is left around which words could be erased: {why}. Name another task or corpus.")
    # What intervals resample is of the targets that are left.
    units = units_of(labelled.table.group, labelled.table.example[[target.row for target, _ in right]])
    found = [ErasedLabel(target, one, str(unit)) for (target, one), unit in zip(right, units.of, strict=True)]
    blank = Measurement(
        stage=STAGE, task=asked.task, model=labelled.name, corpus=labelled.corpus, split="test", layer=None,
        method="masked" if erasing.masked else "removed", role="estimator", metric="", value=None, unit=units.unit,
        seed=seed,
    )  # fmt: skip
    unit = "phrase, a word with all that hangs from it" if erasing.by_phrase else "word"
    notes = [
        labelled.said,
        f"One target of each of {len(rows):,} sentences of test is drawn; a unit that is erased is a {unit}"
        + ("." if labelled.task.kind == "sentence" else ", and words of the target stay."),
        *resampled_notes({"test": units}),
        *labelled.notes,
        *(f"{n:,} targets are left out: {why}." for why, n in left_out.most_common()),
        *([] if model is None else shadowing_note(model)),
    ]
    if erasing.exact and (long := sum(len(one.target.units) > EXACT for one in found)):
        notes.append(f"Of {long:,} targets with more than {EXACT} units the sets are those of a greedy search.")
    provenance = {
        "task": asked.task,
        "model": labelled.identity,
        "corpus": {"name": labelled.corpus},
        "settings": {
            **asdict(erasing), **labelled.settings, "dtype": asked.spec.dtype, "limit": asked.limit, "seed": seed,
            "random_weights": asked.spec.random_weights,
        },
        "references": ["Li, Monroe & Jurafsky 2016"],
        "notes": notes,
    }  # fmt: skip
    return InputReport(tuple(rows_of(found, blank)), provenance, tuple(found))


def _drawn(labelled: Labelled, limit: int | None, seed: int) -> list[int]:
    """Return one target of each sentence of test."""
    table, rng = labelled.table, np.random.default_rng(seed)
    by_example: dict[int, list[int]] = {}
    for row in targets_of(table, "test", limit).tolist():
        by_example.setdefault(int(table.example[row]), []).append(row)
    return [int(rng.choice(those)) for those in by_example.values()]
