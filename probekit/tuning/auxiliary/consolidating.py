"""The Fisher information of the model that a run starts from, kept beside the run that it is of.

Enters: a :class:`~probekit.tuning.runs.source.Source`. Leaves: a :class:`Consolidation`: the information of every
weight that is to train, by its name in the model without its own head, read from its file where it was made before. It
is of a run's rows under that run's head, or of a language model's own loss on a corpus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from probekit.errors import CacheError, UsageError
from probekit.storage.files import digest_of
from probekit.storage.strict import canonical
from probekit.tuning.adapters.low_rank import WRAPPED
from probekit.tuning.auxiliary.fisher import Terms, diagonal_fisher, label_terms, number_terms
from probekit.tuning.auxiliary.pulling import WeightPenalty
from probekit.tuning.data.layout import gold_of
from probekit.tuning.network.feed import Feed
from probekit.tuning.readout.head_module import Judge
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.source import Source

if TYPE_CHECKING:
    from probekit.tuning.closeness import Pretrained
    from probekit.tuning.data.data import TuningData
    from probekit.tuning.network.network import Network

SCHEMA = "probekit.fisher/1"


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a Fisher information is a mean over.

    Attributes
    ----------
    rows : str
        Where the rows are; empty: where they were.
    examples : int
        So many of them at most, drawn by a fixed seed; 0: all.
    labels : {"model", "data"}
        Drawn from the model's own predictions, or the true ones.
    draws : int
        Of labels, where their mean is not exact.
    """

    rows: str = ""
    examples: int = 0
    labels: str = "model"
    draws: int = 1


@dataclass(frozen=True, slots=True)
class Consolidation:
    """How much what was learned depends on each weight.

    Attributes
    ----------
    importance : dict of str to Tensor
        By name in the base model.
    file : Path
        That holds it.
    sha256 : str
        Of the file.
    note : str
        Of what it is, for a person.
    """

    importance: dict[str, Tensor]
    file: Path
    sha256: str
    note: str


def consolidated(pretrained: Pretrained, strength: float, sampling: Sampling) -> WeightPenalty:
    """Return a penalty on weights by the Fisher information of the model that a run starts from; see `consolidate`."""
    network, depths = pretrained.network, frozenset(pretrained.plan.train)
    data = pretrained.feed.data
    found = consolidate(Source(network.loaded, data.task, data.reading), depths, sampling, pretrained.folder)
    names = _names(network)
    own = network.pretrained(depths)
    importance = {name: found.importance[names[id(parameter)]].to(parameter.device) for name, parameter in own.items()}
    penalty = WeightPenalty(pretrained.values(), strength, importance=importance)
    penalty.remarks = (found.note,)
    return penalty


def consolidate(source: Source, depths: frozenset[int], sampling: Sampling, folder: Path) -> Consolidation:
    """Return the Fisher information of a source, made now or found.

    Parameters
    ----------
    source : Source
    depths : frozenset of int
        That train.
    sampling : Sampling
    folder : Path
        Of the run that starts: it is kept there where the source is no run.

    Raises
    ------
    UsageError
        The source is no run and no corpus is named, or its head has no labels to draw.
    CacheError
        What was made before is damaged; or the rows of the run are others.
    """
    if not source.is_run and not sampling.rows:
        raise UsageError(
            f"The Fisher information needs what the model learned before, and {source.place} is no run of `probekit "
            "tune`. Name such a run with --model, or a corpus for the head that it was pretrained with: "
            "--close ewc:rows=CORPUS."
        )
    network = source.network() if source.is_run else source.language_model()
    data = (
        source.rows(network.loaded, sampling.rows or None)
        if source.is_run
        else source.text(network.loaded, sampling.rows)
    )
    names = _named(network, depths)
    what = {
        "schema": SCHEMA,
        "weights": network.loaded.weights_digest(),
        "data": data.digest,
        "examples": min(sampling.examples or len(data.training), len(data.training)),
        "labels": sampling.labels,
        "draws": sampling.draws,
        "parameters": sorted(names),
    }
    key = hashlib.sha256(canonical(what)).hexdigest()[:12]
    home = RunFolder(source.place if source.is_run else folder)
    tensors, record = f"fisher-{key}.safetensors", f"fisher-{key}.json"
    known = home.read(record)
    if known is None:
        file = home.write_tensors(tensors, _made(network, data, names, sampling))
        known = {**what, "sha256": digest_of(file)}
        home.write(record, known)
    file = home.path / tensors
    if not file.is_file() or digest_of(file) != known["sha256"]:
        raise CacheError(f"{file} is damaged: remove it and {record} beside it, and run the same command again.")
    whose = "the model's own predictions" if sampling.labels == "model" else "the data"
    note = (
        f"The Fisher information is over {what['examples']:,} examples of '{data.corpus}' with labels of {whose} "
        f"(sha256 {known['sha256']:.12}), kept in {file}."
    )
    return Consolidation(home.read_tensors(tensors), file, known["sha256"], note)


def _named(network: Network, depths: frozenset[int]) -> dict[str, nn.Parameter]:
    """Return the parameters of some depths by their names in the base model."""
    names = _names(network)
    groups = [network.depths.groups[depth].parameters for depth in sorted(depths) if depth <= network.keep]
    return {names[id(parameter)]: parameter for group in groups for parameter in group.values()}


def _names(network: Network) -> dict[int, str]:
    """Return the names of parameters in the base model, by identity: those that they have without what wraps maps."""
    base: Any = network.loaded.model.base_model
    return {id(parameter): name.replace(WRAPPED, ".") for name, parameter in base.named_parameters()}


def _made(
    network: Network, data: TuningData, names: Mapping[str, nn.Parameter], sampling: Sampling
) -> dict[str, Tensor]:
    if sampling.labels == "model" and type(network.head).loss is not Judge.loss:
        raise UsageError(
            "The head of the run judges the labels of a sentence together, and none are drawn from it. Take the true "
            "ones: --close ewc:labels=data."
        )
    for parameter in names.values():
        parameter.requires_grad_(True)
    network.set_dropout(False)
    feed = Feed(network, data.limited(sampling.examples or None, 0), once=False)
    try:
        return diagonal_fisher(_terms(feed, sampling), names)
    finally:
        network.set_trained(frozenset())


def _terms(feed: Feed, sampling: Sampling) -> Iterator[Terms]:
    """Yield what each training example, run alone, adds."""
    network, data = feed.network, feed.data
    of_numbers = data.targets == "numbers"
    for place, example in enumerate(data.training.tolist()):
        batch = feed.batch(data.training[place : place + 1], step=0)
        scores = feed.scores(batch).float()
        if sampling.labels == "model":
            terms = number_terms if of_numbers else label_terms
            yield terms(scores, draws=sampling.draws, seed=(0, example))
            continue
        gold = gold_of(data, batch, network.device)
        gold = (gold - data.centre) / data.spread if of_numbers else gold
        row = torch.from_numpy(batch.row).to(network.device)
        yield [(1.0, -network.head.loss(scores, row, gold))]
