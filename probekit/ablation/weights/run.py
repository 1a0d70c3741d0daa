"""Mask the weights of a model, the smallest first, and see what breaks: :func:`ablate_weights`.

Enters: what a user names. Leaves: a :class:`~probekit.ablation.weights.report.PruningReport`, and a file of the mask.
Magnitudes look at no item, so all items are shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from probekit import plain
from probekit.ablation.curves import curve_of
from probekit.ablation.metrics import Wanted, metric_of
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.sides import Side
from probekit.ablation.weights.mask_file import MaskFile, weights_of_run
from probekit.ablation.weights.masks import SCOPES, Masks, at_random, by_magnitude, prunable, pruned, sparsity_of
from probekit.ablation.weights.report import STAGE, PruningReport, pruning_rows
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.models.sources.find import find_model, shadowing_note
from probekit.models.sources.load import LoadedModel
from probekit.report import Measurement
from probekit.statistics.bootstrap import FEWEST_UNITS

SPARSITIES = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Progress = Callable[[float, str], object]


def ablate_weights(
    model: str | os.PathLike[str],
    *,
    metric: str,
    sparsity: Sequence[float] | None = None,
    scope: str = "global",
    mask_from: str | os.PathLike[str] | None = None,
    masks: int = 5,
    save: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    spec: ScoringSpec | None = None,
    revision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> PruningReport:
    """Leave the smallest weights of a model out, and beside that as many of every matrix at random.

    Parameters
    ----------
    model : str or path
        With a head that predicts tokens. Its weights are put back.
    metric : str
        ``behave:SUITE`` or ``loss:CORPUS``, or another of the catalogue.
    sparsity : sequence of float, optional
        Shares of the weights of the blocks' matrices to leave out; of a mask that is read, its own.
    scope : {"global", "matrix"}
        The smallest of all matrices together, or of each.
    mask_from : path, optional
        A run that was tuned from this model, whose magnitudes decide, or a mask that was saved.
    masks : int
        Random masks of every sparsity.
    save : path, optional
        Where to write the mask of the highest sparsity.
    limit : int, optional
        Use the first so many items (of a suite, of each phenomenon) alone.
    spec : ScoringSpec, optional
    revision : str, optional
    seed : int
        Of the random masks and the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    PruningReport

    Raises
    ------
    UsageError, InputError, ResourceError, NetworkError

    References
    ----------
    Han et al. 2015, https://arxiv.org/abs/1506.02626; Chen et al. 2020, https://arxiv.org/abs/2007.12223
    """
    plain.choice(scope, "scope", SCOPES)
    masks, seed = plain.whole(masks, "masks", least=1), plain.whole(seed, "seed", least=0)
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    measured, argument = metric_of(plain.text(metric, "metric"))
    asked, spec = _sparsities(sparsity), spec or ScoringSpec()
    source = find_model(str(model), revision=revision)
    with measured.open(Wanted(argument, source, spec, limit, seed, ProbeSpec())) as reading:
        matrices, left_out = prunable(reading.loaded)
        made = _Making(
            reading.loaded, matrices, scope, None if mask_from is None else plain.path(mask_from, "mask_from")
        )
        levels = [0.0, *made.sparsities(asked)]
        entries = [*reading.choosing, *reading.showing]
        side = Side.of(reading, entries, measured, spec.tokens_on(reading.loaded.device.type))
        counts = np.zeros((1 + masks, len(levels), len(entries), 2))
        chosen: Masks = {}
        for step, level in enumerate(levels):
            chosen = made.at(level)
            for draw, each in enumerate(_beside(chosen, masks, f"{seed} {level}", alone=step == 0)):
                with pruned(matrices, each):
                    counts[draw if step else slice(None), step] = side.counts(side.runs.totals([{}])[0])
                if progress is not None:
                    progress((step + (draw + 1) / (masks + 1)) / len(levels), f"{level:.0%} left out")
        if save is not None:
            made.file(chosen).save(save)
        run_notes = [reading.said, *reading.notes, *reading.later()]
    curve = curve_of(counts, levels, clusters=[entry.cluster for entry in entries], metric=measured, seed=seed)
    blank = Measurement(
        stage=STAGE, task=metric, model=reading.name, corpus=reading.corpus, split="test", layer=None,
        method=made.method, role="estimator", metric=measured.score, value=None, unit=reading.unit,
    )  # fmt: skip
    total, pruned_of = sum(matrix.numel() for matrix in matrices.values()), len(matrices)
    notes = [
        f"Prunable are the {total:,} weights of {pruned_of:,} matrices in the blocks; not "
        f"{', '.join(f'{what} ({n:,})' for what, n in left_out.most_common())}.",
        made.said,
        "Random masks leave out as many weights of every matrix. Nothing is chosen on items, so all of them are shown.",
        *([f"The mask of the highest sparsity is in {save}."] if save is not None else []),
        *run_notes,
        *shadowing_note(str(model)),
    ]
    if curve.n_clusters < FEWEST_UNITS:
        notes.append(f"Of fewer than {FEWEST_UNITS} {reading.unit}s there is no interval.")
    provenance: dict[str, Any] = {
        "task": metric,
        "model": reading.identity,
        "corpus": {"name": reading.corpus},
        "settings": {**asdict(spec), "metric": metric, "sparsity": levels, "scope": scope, "masks": masks,
                     "mask_from": None if mask_from is None else str(mask_from), "limit": limit, **reading.settings,
                     "seed": seed},
        "references": ["Han et al. 2015", "Chen et al. 2020"],
        "matrices": [[one, mask.numel(), mask.numel() - int(mask.sum())] for one, mask in chosen.items()],
        "random": curve.random.tolist(),
        "notes": notes,
    }  # fmt: skip
    return PruningReport(tuple(pruning_rows(curve, blank)), provenance)


class _Making:
    """Where masks come from: magnitudes of the model, of a run, or a file.

    Attributes
    ----------
    method, said : str
    """

    def __init__(self, loaded: LoadedModel, matrices: Mapping[str, Any], scope: str, given: Path | None) -> None:
        self._matrices, self._scope, self._given = dict(matrices), scope, given
        self._own = loaded.source.name, loaded.weights_digest()
        self._file: MaskFile | None = None
        self._magnitudes = self._matrices
        self.method = "magnitude"
        which = "of all matrices together" if scope == "global" else "of each matrix"
        self.said = f"Left out are the smallest weights {which}."
        if given is not None and given.is_dir():
            name, digest = self._own
            self._magnitudes = weights_of_run(given, self._matrices, digest, name)
            self.method = "tuned_magnitude"
            self.said = (
                f"Left out are the weights that are smallest {which} in the run {given.name}; those that stay are the "
                "model's own: a lottery ticket, scored as it is drawn and not trained."
            )
        elif given is not None:
            self._file = MaskFile.read(given)
            self._file.refuse_another(self._own[1], self._own[0])
            self.method = "mask"
            self.said = f"Left out is what the mask {given.name} leaves out ({dict(self._file.said)})."

    def sparsities(self, asked: list[float] | None) -> list[float]:
        """Return the shares to leave out; a mask that was read has one.

        Raises
        ------
        UsageError
            Shares are asked for, of a mask that was read.
        """
        if self._file is None:
            return asked or list(SPARSITIES)
        if asked is not None:
            raise plain.refused("sparsity", "left out, as a saved mask has its own", asked)
        return [sparsity_of(self._file.masks)]

    def at(self, sparsity: float) -> Masks:
        """Return the masks of a sparsity."""
        if self._file is not None and sparsity:
            return self._file.masks
        return by_magnitude(self._magnitudes, sparsity, self._scope)

    def file(self, masks: Masks) -> MaskFile:
        """Return masks with what they are of."""
        name, digest = self._own
        said = {"sparsity": sparsity_of(masks), "scope": self._scope, "magnitudes": self.method,
                "given": None if self._given is None else self._given.name}  # fmt: skip
        return MaskFile(masks, name, digest, said)


def _beside(masks: Masks, count: int, seed: str, *, alone: bool) -> Iterator[Masks]:
    """Yield masks, and as many random ones beside; nothing is drawn where nothing is left out."""
    yield masks
    for draw in range(0 if alone else count):
        yield at_random(masks, f"{seed} {draw}")


def _sparsities(given: Sequence[float] | None) -> list[float] | None:
    if given is None:
        return None
    numbers = [plain.as_real(each) for each in given]
    if not numbers or not all(number is not None and 0 < number <= 1 for number in numbers):
        raise plain.refused("sparsity", "shares above 0 and up to 1, like 0.5,0.9", list(given))
    return sorted({float(number) for number in numbers if number is not None})
