"""Stages before the task of a plan: the model is tuned for each in a run of its own, and the next starts from it [1]_.

Enters: what a plan with stages (``first``) is applied to, and what runs a plan. Leaves: the same on the model of the
last stage, and each :class:`Stage` with what it came to. Surprise: of a stage the blocks are taken over and the head is
not; where the plan itself trains no block (modules, the head alone), a stage trains every block that is kept.

References
----------
.. [1] Phang, Févry & Bowman 2018, Sentence encoders on STILTs: supplementary training on intermediate labeled-data
   tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from probekit.models.sources.find import find_model
from probekit.report import LayerReport
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.data.reading import AskedReading, further
from probekit.tuning.data.shared import Shared, shared_note, shared_texts
from probekit.tuning.data.text import TARGETS, load_language_model
from probekit.tuning.groups import facts_of
from probekit.tuning.heads import get_head
from probekit.tuning.parts import HeadChoice, ModelName
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.defaults import patience_for
from probekit.tuning.plans import Laid, lay_plan
from probekit.tuning.runs.cost import Cost
from probekit.tuning.stage import StageChoice


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that is complete.

    Attributes
    ----------
    name : str
        ``TASK@CORPUS``.
    folder : Path
        Of its run, a model like any other.
    report : LayerReport
        Of its own task.
    cost : Cost
    n : int
        Examples that it trained on.
    shared : list of Shared
        What the task behind it scores and it trained on.
    """

    name: str
    folder: Path
    report: LayerReport
    cost: Cost
    n: int
    shared: list[Shared]

    def score(self, split: str) -> float | None:
        """Return its score on its own task."""
        return self.report.select("tuned", split=split, metric=self.report.metric)[0].value

    def said(self) -> list[str]:
        """Return what a person must know of it, a sentence each."""
        scores = ", ".join(f"{self.score(split) or 0.0:.3f} on {split}" for split in ("dev", "test"))
        return [
            f"Tuned first for '{self.name}', {self.n:,} examples in {self.cost.seconds:,.0f} s: {self.report.metric} "
            f"{scores} ({self.folder}). Its head is not taken over.",
            shared_note(self.shared, self.name),
        ]

    def line(self) -> str:
        """Return its folder and what it came to, in a line."""
        scores = ", ".join(f"{self.score(split) or 0.0:.3f} on {split}" for split in ("dev", "test"))
        return f"{self.folder}  {self.name}: {self.report.metric} {scores}, {self.cost.seconds:,.0f} s"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "stage": self.name,
            "folder": str(self.folder),
            "metric": self.report.metric,
            **{split: self.score(split) for split in ("dev", "test")},
            "examples": self.n,
            "shared": {one.split: {"n": one.n, "whole": one.whole, "part": one.part} for one in self.shared},
            "cost": self.cost.to_json(),
        }


Runner = Callable[[Materials, TunePlan, int | None], tuple[Path, LayerReport, Cost]]
"""Runs a stage on so many examples (None: all), or finds it complete."""


def begin(
    materials: Materials, plan: TunePlan, run: Runner, told: Callable[[str], None]
) -> tuple[Materials, list[Stage]]:
    """Run the stages of a plan; return what its task is applied to, and the stages.

    Parameters
    ----------
    materials : Materials
        Of the plan's task, on the model that the plan is for.
    plan : TunePlan
    run : callable
    told : callable
        Called with what a person must know.
    """
    stages: list[Stage] = []
    starts = ModelName(materials.facts.name, materials.facts.digest, materials.model_folder)
    for number, choice in enumerate(plan.first, 1):
        own = _materials_of(choice, replace(plan, first=(), signals=(), model=starts), materials)
        told(f"first {number} of {len(plan.first)}: '{choice.name}', {len(own.data.training):,} training examples")
        its, options = _plan_of(choice, own, plan), choice.bound
        folder, report, cost = run(own, its, options.examples or None)
        trained = own.data.limited(options.examples or None, its.loop.seed)
        stage = Stage(choice.name, folder, report, cost, len(trained.training), shared_texts(materials.data, trained))
        for note in stage.said():
            told(note)
        stages.append(stage)
        source = find_model(str(folder))
        starts = ModelName(source.name, source.digests()["weights"], str(folder.absolute()))
    return _started(materials, stages), stages


def _materials_of(choice: StageChoice, starts: TunePlan, behind: Materials) -> Materials:
    """Open the corpus of a stage, on the model of a plan; texts are read as those of the task behind it."""
    how = further(behind.data.reading)
    targets = None if choice.task == TARGETS else choice.bound.targets
    return gather(
        choice.task,
        plan=replace(starts, read=replace(starts.read, at=None)),  # of the task behind it
        corpus=choice.corpus,
        targets=targets,
        reading=AskedReading(how.input, how.max_length, how.overflow),
        device=behind.loaded.device.type,
    )


def _plan_of(choice: StageChoice, own: Materials, plan: TunePlan) -> TunePlan:
    """Return the plan of a stage: the blocks that the plan trains, and what the catalogue has for its own task."""
    data, options = own.data, choice.bound
    train = plan.train or tuple(range(1, plan.keep + 1))
    text = f"a stage before '{plan.task}', whose plan keeps {plan.keep} blocks"
    made = lay_plan(
        Laid(plan.keep, train, text),
        own.facts,
        data.task.name,
        kind=data.task.kind,
        labels=data.classes,
        n_train=min(len(data.training), options.examples or len(data.training)),
        targets=data.targets,
    )
    if options.head:
        pools = get_head(options.head).pools
        pool = made.read.pool if made.read.pool in pools else pools[0]
        made = replace(made, head=HeadChoice(options.head), read=replace(made.read, pool=pool))
    epochs = options.epochs or made.loop.epochs
    of_plan = {name: getattr(plan.loop, name) for name in ("accumulate", "clip", "seed", "weight_decay", "precision")}
    made = replace(made, loop=replace(made.loop, epochs=epochs, patience=patience_for(epochs), **of_plan))
    get_head(made.head.name).check(kind=data.task.kind, targets=data.targets, pool=made.read.pool)
    return made


def _started(materials: Materials, stages: Sequence[Stage]) -> Materials:
    """Return what the task is applied to, on the model of the last stage; nothing that a cache holds is true of it."""
    source, device = find_model(str(stages[-1].folder)), materials.loaded.device.type
    text = materials.data.targets == TARGETS
    loaded = load_language_model(source, device=device) if text else source.load(device=device)
    notes = [note for stage in stages for note in stage.said()]
    if materials.cache is not None:
        notes.append(
            f"{materials.cache.path.name} holds states of the model before '{stages[0].name}' and is not read."
        )
    data = replace(materials.data, notes=[*materials.data.notes, *notes])
    return replace(materials, loaded=loaded, facts=facts_of(loaded), data=data, cache=None)
