"""A model cut to what a plan keeps, with the plan's head on it.

Enters: a loaded model, a plan, what the targets are. Leaves: a :class:`~probekit.tuning.network.network.Network`,
nothing of it trained yet. The model that was given stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import UsageError
from probekit.models.cut import cut
from probekit.tuning.adapters.added import Added
from probekit.tuning.adapters.host import Host
from probekit.tuning.choices import labels
from probekit.tuning.data.beside import Beside, read_word_file
from probekit.tuning.data.materials import Materials
from probekit.tuning.data.order import drawn_from
from probekit.tuning.groups import depths_of
from probekit.tuning.heads import HeadSpec, get_head
from probekit.tuning.modules import get_module
from probekit.tuning.network.network import Network
from probekit.tuning.parts import ScheduleChoice
from probekit.tuning.plan import TunePlan
from probekit.tuning.readout.mix import ScalarMix

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel
    from probekit.models.sources.vectors import WordVectors


def network_of(materials: Materials, plan: TunePlan) -> Network:
    """Cut the model, and put the plan's head on it."""
    data = materials.data
    vectors = None if plan.read.beside is None else read_word_file(plan.read.beside)
    loaded = cut(materials.loaded, max(1, plan.keep))  # a model of no block is none
    return assemble(loaded, plan, kind=data.task.kind, targets=data.targets, classes=data.classes, vectors=vectors)


def assemble(
    loaded: LoadedModel,
    plan: TunePlan,
    *,
    kind: str,
    targets: str,
    classes: tuple[str, ...],
    vectors: WordVectors | None = None,
) -> Network:
    """Put the head of a plan on a model that is cut already, word vectors beside it where the plan reads some."""
    mixed = plan.read.mix is not None
    beside = None
    if plan.read.beside is not None:
        assert vectors is not None
        beside = Beside(vectors, Path(plan.read.beside.file).name).to(loaded.device)
    spec = HeadSpec(
        width=loaded.width * (1 if mixed else len(plan.read.layers)) + (beside.width if beside is not None else 0),
        outputs=loaded.vocabulary if targets == "text" else len(classes) or 1,
        targets=targets,
        kind=kind,
        pool=plan.read.pool,
        classes=classes,
        seed=plan.loop.seed,
    )
    module = get_head(plan.head.name).make(spec, plan.head.options).to(loaded.device)
    for choice in plan.signals:
        module = choice.around(module, plan).to(loaded.device)
    mix = None
    if plan.read.mix is not None:
        mix = ScalarMix(len(plan.read.layers), start=plan.read.mix).to(loaded.device)
    added = put_modules(loaded, plan)
    depths = depths_of(loaded)
    alone = not plan.train and not plan.modules
    if module.own and not depths.behind and (alone or plan.schedule.name != ScheduleChoice().name):
        raise UsageError(
            f"The head of '{loaded.source.name}' is its embeddings and nothing else, so that it does not train alone. "
            "Train blocks with it (--set train=...), all from the start (--schedule full)."
        )
    return Network(loaded, depths, plan, module, mix=mix, beside=beside, added=added)


def put_modules(loaded: LoadedModel, plan: TunePlan) -> dict[str, Added]:
    """Put the modules of a plan into a model that is cut already; the same seed gives the same first weights.

    Raises
    ------
    UsageError
        A place that this model does not have, or a schedule that gives turns to blocks which share parameters.
    """
    found: dict[str, Added] = {}
    for label, choice in zip(labels(plan.modules), plan.modules, strict=True):
        build = get_module(choice.name).bind(choice.options)
        with drawn_from(plan.loop.seed):
            found[label] = build(Host(loaded, choice.depths))
        if found[label].shared and plan.schedule.name != ScheduleChoice().name:
            raise UsageError(
                f"The module '{choice.name}' shares parameters between blocks, which therefore train together, and the "
                f"schedule '{plan.schedule.name}' gives each a turn. Set --schedule full, or take 'attention'."
            )
        if (module := found[label].module) is not None:
            module.to(loaded.device)
    return found
