"""A linear probe of a live model's layer: a task's targets over a corpus, and the probe that training and dev decide.

Enters: a loaded model, a corpus, a task. Leaves: :class:`Probed`, the probe with the targets of dev and test. It is
the probe that ``probekit probe`` fits at that layer, with its labels, its pooling and its choice of strength on dev.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit import plain
from probekit.ablation.passes import Longs, encoder_decoder
from probekit.ablation.probes.pooled import OUTCOMES, LinearProbe, ProbePass, vector_passes
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.cache.index import CacheIndex
from probekit.controls import control_identity, one_control
from probekit.corpus import Corpus, Example, annotated, open_corpus, repeated_ordinals
from probekit.errors import NumericError, UsageError
from probekit.example import SPLITS
from probekit.extraction.spec import ExtractionSpec
from probekit.features import Pooler, TargetTable, collect, keep_top
from probekit.features.labels import LabelCodes, check_parts, code_labels, label_notes, named
from probekit.models.runtime.middle import Middle
from probekit.models.sources.find import ModelSource, check_unchanged, stamps
from probekit.models.sources.load import LoadedModel
from probekit.probing.estimators import LayerMatrix, StudySettings
from probekit.probing.estimators.logistic import ESTIMATOR
from probekit.probing.problem import Problem
from probekit.tasks import ProbeTask, get_task
from probekit.tuning.data.reading import ReadTokens, tokens_of


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """What a probe is fitted on.

    Attributes
    ----------
    corpus : str, Path or Corpus, optional
        With the annotations of the task.
    annotations : sequence
        Files that hold more of them.
    probes : sequence of paths
        Folders of the user's own tasks.
    layer : int or None
        None: the last.
    pool, pair : str
        As of :func:`~probekit.probe`.
    """

    corpus: str | os.PathLike[str] | Corpus | None = None
    annotations: Sequence[str | os.PathLike[str]] = ()
    probes: Sequence[str | os.PathLike[str]] = ()
    layer: int | None = None
    pool: str = "mean"
    pair: str = "concat"

    @property
    def named(self) -> list[str]:
        """The options that are set."""
        return [name for name in self.__slots__ if getattr(self, name) != getattr(ProbeSpec(), name)]


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe, and the targets that it was fitted on and is measured on.

    Attributes
    ----------
    loaded : LoadedModel
    task : ProbeTask
    corpus : str
        Its name.
    examples : sequence of Example
    index : CacheIndex
        Their tokens.
    pooler : Pooler
        With the table of targets.
    coded : LabelCodes
    probe : LinearProbe
    notes : list of str
    """

    loaded: LoadedModel
    task: ProbeTask
    corpus: str
    examples: Sequence[Example]
    index: CacheIndex
    pooler: Pooler
    coded: LabelCodes
    probe: LinearProbe
    notes: list[str]

    @property
    def table(self) -> TargetTable:
        """The targets."""
        return self.pooler.table

    @property
    def codes(self) -> NDArray[np.int32]:
        """The code of the label of each target; -1: training never showed it."""
        return self.coded.codes

    @property
    def labels(self) -> list[str]:
        """The label of each target."""
        return self.coded.labels

    @property
    def layers(self) -> tuple[int, ...]:
        """The layer that the probe reads."""
        return (self.probe.layer,)

    @property
    def name(self) -> str:
        """The name of the model, with its seed where its weights are random."""
        control = self.loaded.control
        return self.loaded.source.name if control is None else f"{self.loaded.source.name} {control.name}"

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the states of the model."""
        loaded = self.loaded
        digests = {**loaded.source.digests(), "weights": loaded.weights_digest()}
        return {"name": loaded.source.name, **digests, **control_identity(loaded.control)}

    @property
    def settings(self) -> dict[str, Any]:
        """What the probe reads."""
        return {"layer": self.probe.layer, "pool": self.pooler.pool, "pair": self.pooler.pair}

    @property
    def said(self) -> str:
        """What the probe is, a sentence."""
        n, probe = sum(self.coded.counts.values()), self.probe
        return (
            f"A linear probe (C {probe.strength:g}, chosen on dev) reads layer {probe.layer} of the whole model, "
            f"fitted on {n:,} training targets of {len(probe.classes)} classes."
        )

    def passes(self, rows: Longs, batch_tokens: int) -> list[ProbePass]:
        """Lay the examples of some targets out as batches, the longest first."""
        found = []
        for each in vector_passes(
            self.index, self.pooler, rows, self.probe.layer, pad_id=self.loaded.pad_id, batch_tokens=batch_tokens
        ):
            at = OUTCOMES * np.searchsorted(rows, each.rows)
            gold = self.codes[each.rows].astype(np.int64)
            found.append(ProbePass(each, self.probe, gold, np.concatenate([at, at + 1])))
        return found

    def over(self, read: ReadTokens, table: TargetTable) -> Probed:
        """Return the same probe over other texts, whose targets are labelled with the rows that they were."""
        own = self.pooler
        pooler = Pooler(read.index, table, pool=own.pool, pair=own.pair, textless=read.textless)
        rows = np.array(pooler.table.labels, np.int64)
        coded = replace(self.coded, codes=self.codes[rows], labels=[self.labels[row] for row in rows.tolist()])
        return replace(self, examples=read.examples, index=read.index, pooler=pooler, coded=coded)


def load_probed(source: ModelSource, task: str, *, spec: ScoringSpec, probing: ProbeSpec, seed: int) -> Probed:
    """Load a model, with or without a head, and fit a probe of a layer of it; raises as :func:`fit_probe`."""
    if (spec.score, spec.begin, spec.end) != ("auto", "auto", "auto"):
        raise UsageError("A probe reads a layer and no head: leave out --score, --begin and --end.")
    before = stamps(source)
    control = one_control({"random_weights": spec.random_weights})
    loaded = source.load(dtype=spec.dtype, device=spec.device, control=control)
    check_unchanged(source, before)
    return fit_probe(loaded, task, probing, batch_tokens=spec.tokens_on(loaded.device.type), seed=seed)


def read_layer(loaded: LoadedModel, layer: int | None) -> int:
    """Return the layer that is read, by default the last.

    Raises
    ------
    UsageError
        The model has no such layer, or two stacks, or no blocks that read a context.
    """
    if loaded.encoder is not None:
        raise UsageError(f"'{loaded.source.name}' is a table of vectors, which has no parts. Name a model with blocks.")
    if len(loaded.stacks) != 1:
        raise encoder_decoder(loaded.source.name)
    last = loaded.stacks[0].n_layers
    if layer is not None and not 0 <= layer <= last:
        raise UsageError(f"The `layer` that is read must be one of 0 to {last}. Got {layer}.")
    return last if layer is None else layer


def fit_probe(loaded: LoadedModel, task_name: str, spec: ProbeSpec, *, batch_tokens: int, seed: int = 0) -> Probed:
    """Fit the linear probe of a task on the states of the whole model.

    Parameters
    ----------
    loaded : LoadedModel
    task_name : str
        Of the catalogue, ``pos`` or ``morph:Number``.
    spec : ProbeSpec
    batch_tokens : int
    seed : int

    Raises
    ------
    UsageError
        No corpus, no such task or layer, or a task over trees.
    InputError
        The corpus lacks an annotation, or there is nothing to learn or to score.
    NumericError
        The states hold NaN or infinity.

    References
    ----------
    Alain & Bengio 2016, https://arxiv.org/abs/1610.01644
    """
    layer = read_layer(loaded, spec.layer)
    if spec.corpus is None:
        raise UsageError(f"The probe of '{task_name}' is fitted on a corpus: name it with --corpus.")
    task = get_task(task_name, *plain.paths(spec.probes, "probes"))
    if task.kind == "tree":
        raise UsageError(f"'{task.name}' asks for trees. Name a task with labels: `probekit tasks` lists them.")
    corpus = annotated(open_corpus(spec.corpus), plain.sources(spec.annotations, "annotations", Corpus))
    examples = list(corpus)
    where = f"the corpus '{corpus.name}'"
    table, rare = keep_top(task, collect(task, examples, where=where))
    index, textless, cut = tokens_of(loaded, examples, ExtractionSpec(), where=where)
    pooler = Pooler(index, table, pool=spec.pool, pair=spec.pair, textless=textless)
    table = pooler.table
    check_parts(task, table)
    coded = code_labels(task, table)
    X = _matrix(loaded, index, pooler, layer, batch_tokens)
    train, dev, test = (table.part(split) for split in SPLITS)
    y = coded.codes
    problem = Problem("task", y[train], y[dev], y[test], len(coded.classes))
    settings = StudySettings(table.example[train], seed, loaded.device.type)
    matrix = LayerMatrix(layer, X[train], X[dev], X[test])
    ((_, (result,)),) = ESTIMATOR.study([matrix], [problem], settings)
    assert result.coef is not None
    assert result.intercept is not None
    probe = LinearProbe(
        layer, coded.classes, result.coef.astype(np.float64), result.intercept.astype(np.float64),
        X[train].mean(0, dtype=np.float64), X[train].std(0, dtype=np.float64), result.strength,
    )  # fmt: skip
    notes = [*corpus.remarks, *cut, *label_notes(coded)]
    if table.without_token:
        notes.append(f"{table.without_token.total():,} targets have no token: {named(table.without_token)}.")
    if rare:
        notes.append(f"{rare.total():,} targets are left out, their labels are too rare: {named(rare)}.")
    if repeated := repeated_ordinals(examples):
        notes.append(f"{len(repeated):,} dev or test examples repeat a training example.")
    if not result.converged:
        notes.append("The fit of the probe did not converge.")
    return Probed(loaded, task, corpus.name, examples, index, pooler, coded, probe, notes)


def _matrix(
    loaded: LoadedModel, index: CacheIndex, pooler: Pooler, layer: int, batch_tokens: int
) -> NDArray[np.float32]:
    """Return the vector of every target under the whole model, [n, d]."""
    targets = np.arange(len(pooler.table))
    passes = vector_passes(index, pooler, targets, layer, pad_id=loaded.pad_id, batch_tokens=batch_tokens)
    middle = Middle(loaded, None, [layer], loaded.stacks[0].name)
    found: NDArray[np.float32] | None = None
    with torch.no_grad():
        for each in passes:
            vectors = each.vectors(middle, None).cpu().numpy()
            found = np.zeros((len(targets), vectors.shape[1]), np.float32) if found is None else found
            found[each.rows] = vectors
    assert found is not None
    if not np.isfinite(found).all():
        raise NumericError(f"The states of layer {layer} hold NaN or infinity. Compute in float32.")
    return found
