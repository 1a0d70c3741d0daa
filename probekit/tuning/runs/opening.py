"""A complete run, opened again: its model with its head on it.

Enters: the folder of a run, perhaps that of another one whose head is put onto the model. Leaves: an
:class:`OpenedRun`. A run that was saved as differences is put together with the model it came from.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.errors import CacheError, UsageError
from probekit.models.cut import cut
from probekit.models.sources.find import find_again, find_model
from probekit.tuning.data.beside import read_word_file
from probekit.tuning.data.text import TARGETS, load_language_model
from probekit.tuning.network.assembly import assemble
from probekit.tuning.network.network import Network
from probekit.tuning.plan import TunePlan
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import PLAN, WHERE, complete_record
from probekit.tuning.runs.saving import DELTA, load_head, load_modules, put

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.load import LoadedModel
    from probekit.models.sources.vectors import WordVectors
    from probekit.tuning.predict import TunedModel


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run.

    Attributes
    ----------
    folder : Path
        Of the model.
    plan : TunePlan
        Of the head.
    network : Network
        Nothing of it trains.
    asked : dict
        The record of the run that the head is of.
    """

    folder: Path
    plan: TunePlan
    network: Network
    asked: dict[str, Any]


def open_run(
    folder: str | os.PathLike[str],
    *,
    model: str | ModelSource | None = None,
    beside: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    head_of: str | os.PathLike[str] | None = None,
    base: TunedModel | None = None,
) -> OpenedRun:
    """Open the folder of a complete run; see :meth:`~probekit.tuning.predict.TunedModel.open`."""
    place = plain.path(folder, "folder")
    run = RunFolder.existing(place)
    asked = complete_record(run)
    plan = TunePlan.read_file(place / PLAN)
    if base is not None:
        _check_shared(place, plan, asked, base)
        loaded = base.network.loaded
    else:
        loaded = _base(place, plan, asked, model, device=device, dtype=dtype)
    network = with_head(loaded, run, plan, asked, beside=None if head_of is not None else beside)
    if (place / DELTA).exists():
        put(network, run.read_tensors(DELTA), place / DELTA)
    load_modules(run, network)
    if head_of is None:
        return OpenedRun(place, plan, network, asked)
    other = RunFolder.existing(plain.path(head_of, "head_of"))
    asked, plan = complete_record(other), TunePlan.read_file(other.path / PLAN)
    _check_fits(other.path, plan, asked, network)
    return OpenedRun(place, plan, with_head(network.loaded, other, plan, asked, beside=beside), asked)


def with_head(loaded: LoadedModel, run: RunFolder, plan: TunePlan, asked: dict[str, Any], *, beside: Any) -> Network:
    """Put the head of a run onto a model, which it may or may not be of; nothing trains.

    Parameters
    ----------
    loaded : LoadedModel
    run : RunFolder
    plan : TunePlan
    asked : dict
        The record of the run.
    beside : path or None
        Where its word vectors are now.
    """
    network = assemble(
        loaded,
        plan,
        kind=asked["kind"],
        targets=asked["targets"],
        classes=tuple(asked["classes"]),
        vectors=_word_vectors(plan, beside),
    )
    load_head(run, network)
    network.set_trained(frozenset())
    return network


def _base(
    place: Path, plan: TunePlan, asked: dict[str, Any], model: str | ModelSource | None, *, device: str, dtype: str
) -> LoadedModel:
    """Load the model that a run differs from, cut as it was; of a run that was saved whole the run's own."""
    if not (place / DELTA).exists():
        if model is not None:
            raise UsageError(f"The run in {place} was saved whole, and is its own model: leave out --model.")
        return _loaded(find_model(place), asked, device, dtype)
    its = asked["model"]
    if model is None:
        source, _ = find_again(its["name"], asked[WHERE], made=f"the run in {place}")
    else:
        source = find_model(model) if isinstance(model, str) else model
    if source.digests()["weights"] != its["digest"]:
        raise CacheError(
            f"The run in {place} differs from '{its['name']}' ({its['digest']:.12}), and the model in "
            f"{source.files()[0].parent} has other weights. Name the right one with --model."
        )
    return cut(_loaded(source, asked, device, dtype), max(1, plan.keep))


def _check_shared(place: Path, plan: TunePlan, asked: dict[str, Any], base: TunedModel) -> None:
    """Refuse to share a model that is no base of a run, or whose own blocks one of both has trained."""
    facts = [
        (one["model"]["digest"], max(1, its.keep), one["targets"] == TARGETS)
        for one, its in ((asked, plan), (base.record, base.plan))
    ]
    trained = [where for where, its in ((place, plan), (base.folder, base.plan)) if its.train or not its.modules]
    if trained:
        reason = f"{trained[0]} changed more than modules"
    elif facts[0] != facts[1]:
        reason = "they are of other models, or cut at another block"
    elif asked["targets"] == TARGETS:
        reason = "its head is the model's own, which it trained"
    else:
        return
    raise UsageError(f"{place} cannot share the model of {base.folder}: {reason}. Open it alone.")


def _check_fits(folder: Path, plan: TunePlan, asked: dict[str, Any], network: Network) -> None:
    """Refuse a head that is part of another model, or reads what this model does not have."""
    if asked["targets"] == TARGETS:
        raise UsageError(f"The head of the run in {folder} is its model's own, so it cannot be put onto another.")
    if plan.modules or network.added:
        raise UsageError(
            f"The head of the run in {folder} cannot be put onto this model: one of both has modules in its blocks, "
            "and the head was trained on states that went through other blocks."
        )
    if plan.keep > network.keep:
        raise UsageError(
            f"The head of the run in {folder} reads layer {plan.read.layers[-1]} of {plan.keep}, and this model keeps "
            f"{network.keep} blocks. Tune with keep={plan.keep}."
        )


def _loaded(source: ModelSource, asked: dict[str, Any], device: str, dtype: str) -> LoadedModel:
    """Load a model, with its own head where that is what predicts."""
    if asked["targets"] == TARGETS:
        return load_language_model(source, device=device, dtype=dtype)
    return source.load(device=device, dtype=dtype)


def _word_vectors(plan: TunePlan, beside: Any) -> WordVectors | None:
    instead = None if beside is None else plain.path(beside, "beside")
    if plan.read.beside is not None:
        return read_word_file(plan.read.beside, instead)
    if instead is not None:
        raise UsageError(f"The run reads no word vectors beside its model, and {instead} was given. Leave it out.")
    return None
