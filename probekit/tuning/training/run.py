"""Tune: from a plan and what it is applied to, to a tuned model with its scores.

Enters: :class:`~probekit.tuning.data.materials.Materials`, a :class:`~probekit.tuning.plan.TunePlan`, a folder. Leaves:
the folder of the run, complete, and a :class:`Tuned`. The model is cut to the blocks that the plan keeps, trained, and
left at its best on dev; test is scored once, at the end, and chooses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from probekit import __version__
from probekit.errors import UsageError
from probekit.report import LayerReport, Measurement
from probekit.tuning.closeness import check_close
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.folds import looked_at
from probekit.tuning.data.materials import Materials
from probekit.tuning.data.sliced import memberships
from probekit.tuning.heads import get_head
from probekit.tuning.network.assembly import network_of
from probekit.tuning.network.feed import Feed
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.course import Course
from probekit.tuning.runs.cost import Cost, peak_of
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import (
    CERTIFICATE,
    FIRST,
    PLAN,
    REPORT,
    RUN,
    RUNS,
    check_free,
    claim,
    identity_of,
    model_of,
    run_folder,
)
from probekit.tuning.runs.saving import save_network, way_of_saving
from probekit.tuning.signals import get_signal, starting
from probekit.tuning.training.beside import scores_beside
from probekit.tuning.training.certificate import never_moved
from probekit.tuning.training.first import Stage, begin
from probekit.tuning.training.loop import MINUTES, Fitted, Trainer
from probekit.tuning.training.processes import Processes
from probekit.tuning.training.scoring import SplitScorer, blank_row
from probekit.tuning.training.slice_scores import slice_rows
from probekit.tuning.training.trackers import Trackers, check_trackers
from probekit.tuning.training.watching import Watcher


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of a plan; the model itself is in the folder (:class:`~probekit.tuning.predict.TunedModel`).

    Attributes
    ----------
    folder : Path
    plan : TunePlan
    report : LayerReport
        Scores on dev and test with their floor.
    cost : Cost
    extraction_seconds : float
        What the cache took whose states were read; 0 where none were.
    stages : tuple of Stage
        What the model was tuned for first.
    fold : tuple of int or None
        Which fold of how many was held out as dev.
    """

    folder: Path
    plan: TunePlan
    report: LayerReport
    cost: Cost
    extraction_seconds: float = 0.0
    stages: tuple[Stage, ...] = ()
    fold: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """How a run goes, which changes nothing that comes of it.

    Attributes
    ----------
    minutes : float
        Between checkpoints.
    processes : Processes, optional
        Those that train together; by default those that were started.
    report_to : sequence of str
        Trackers that are told every step, of :data:`~probekit.tuning.training.trackers.TRACKERS`.
    once : bool
        Where only the head trains: make what it reads once.
    watch : callable, optional
        Called with a :class:`~probekit.tuning.training.watching.Moment` behind every step and every epoch.
    told : callable, optional
        Called with what a person must know.
    home : Path, optional
        Where runs lie that nobody named, those of stages before the task among them; by default ``first`` in the folder
        of the run, and ``runs`` where that has none either.
    """

    minutes: float = MINUTES
    processes: Processes | None = None
    report_to: Sequence[str] = ()
    once: bool = True
    watch: Watcher | None = None
    told: Callable[[str], None] | None = None
    home: Path | None = None


def run_plan(
    materials: Materials,
    plan: TunePlan,
    folder: Path | None = None,
    *,
    examples: int | None = None,
    save: str | None = None,
    running: Running | None = None,
) -> Tuned:
    """Train by a plan; a run that was interrupted in this folder is gone on with, a complete one is returned.

    Parameters
    ----------
    materials : Materials
    plan : TunePlan
    folder : Path, optional
        Of the run; empty, or of the same run. By default one in ``runs``, named after task, model and plan.
    examples : int, optional
        Train on so many examples, drawn by the plan's seed.
    save : {"whole", "delta"}, optional
        The tuned model as transformers loads it, or what differs from the model it came from; by default whole, and
        what differs where the plan has modules, which transformers would not load.
    running : Running, optional

    Raises
    ------
    UsageError
        The plan is for another model or task, or its head does not fit the task.
    CacheError
        The folder holds another run.
    NumericError, ResourceError
    """
    plan = plan.check(materials.facts, materials.data.task.name).without_shared(materials.facts)
    get_head(plan.head.name).check_read(plan.read, plan.keep)
    check_close(plan)
    save = way_of_saving(save, plan)
    running = running or Running()
    begins = starting(plan.signals)
    if save == "delta" and begins:
        raise UsageError(
            f"A model that starts with weights of its {begins[0].name} (start={begins[0].options['start']}) is saved "
            "whole: it differs everywhere from the one that it would be told from. Leave out --save, and modules."
        )
    if plan.first and begins:
        raise UsageError(
            f"A model that starts with weights of its {begins[0].name} (start={begins[0].options['start']}) takes "
            "nothing over from stages before it (first). Leave out one of both."
        )
    named = [(one, get_signal(one.name).digest) for one in plan.signals]
    learned_from = [digest(one.options) for one, digest in named if digest is not None]
    check_trackers(running.report_to)
    running = replace(running, processes=running.processes or Processes(materials.loaded.device))
    data = materials.data.limited(examples, plan.loop.seed)
    asked = identity_of(materials, data, plan, examples, save, learned_from=learned_from)
    stages: list[Stage] = []
    if plan.first:
        if folder is not None:
            check_free(folder, asked)
        materials, stages = _begun(materials, plan, folder, running)
        asked = {**asked, **model_of(materials)}
    folder = folder or run_folder(asked, running.home or RUNS)
    assert running.processes is not None
    run = RunFolder(folder, writes=running.processes.main)
    with run.held():
        if (done := claim(run, asked)) is not None:
            run.drop_checkpoints()  # it may have been killed between the two
            report, cost = LayerReport.read(folder / REPORT), Cost.from_json(done["cost"])
        else:
            run.write_text(PLAN, plan.text())
            report, cost = _trained(materials, plan, run, asked, running, stages)
    seconds = materials.extraction_seconds if cost.from_cache else 0.0
    return Tuned(folder, plan, report, cost, seconds, tuple(stages), materials.fold)


def _begun(
    materials: Materials, plan: TunePlan, folder: Path | None, running: Running
) -> tuple[Materials, list[Stage]]:
    """Run what a plan has first, each stage in a folder that is named after what it is."""
    own = replace(running, home=running.home or (RUNS if folder is None else folder / FIRST))

    def run(its: Materials, stage: TunePlan, examples: int | None) -> tuple[Path, LayerReport, Cost]:
        tuned = run_plan(its, stage, examples=examples, save="whole", running=own)
        return tuned.folder, tuned.report, tuned.cost

    return begin(materials, plan, run, running.told or (lambda note: None))


def _trained(
    materials: Materials,
    plan: TunePlan,
    run: RunFolder,
    asked: dict[str, Any],
    running: Running,
    stages: Sequence[Stage],
) -> tuple[LayerReport, Cost]:
    """Train, score and save in a folder that is this run's."""
    data = materials.data.limited(asked["examples"], plan.loop.seed)
    processes = running.processes
    assert processes is not None
    feed = _feed(materials, plan, data, once=running.once)
    told = running.told or (lambda note: None)
    for remark in feed.remarks:
        told(remark)
    began = time.perf_counter()
    feed.measure(min(plan.depths))
    if feed.route is not None:
        told(feed.route)
    names = running.report_to if processes.main else ()
    with Trackers(names, folder=run.path, config=plan.to_json(), told=running.told) as trackers:
        trainer = Trainer(
            plan,
            feed,
            run,
            minutes=running.minutes,
            processes=processes,
            watchers=[*([running.watch] if running.watch and processes.main else []), trackers.see],
            told=running.told,
        )
        fitted = trainer.fit()
    seconds = time.perf_counter() - began
    rows, said = _rows(trainer, plan, materials)
    beside, told_beside = scores_beside(trainer, blank_row(plan, materials.data, materials.facts.name))
    network, ever = feed.network, trainer.state.ever
    cost = Cost(
        trained=sum(parameter.numel() for depth in ever for parameter in network.named(depth).values()),
        run=sum(parameter.numel() for parameter in network.parameters()),
        stored=save_network(run, network, ever, asked["save"]) if processes.main else 0,
        seconds=seconds,
        training_seconds=fitted.at.seconds,
        tokens=fitted.at.tokens,
        peak_memory=peak_of(network.device),
        from_cache=feed.cache is not None,
    )
    moved = [stage.to_json() for stage in fitted.stages]
    run.write(CERTIFICATE, {"stages": moved, "frozen": fitted.frozen, "halved": fitted.halved})
    said = [
        *looked_at(materials.fold, plan.why),
        *trainer.terms.remarks,
        *said,
        *told_beside,
        *never_moved(network, fitted.stages),
        *network.remarks,
        *trackers.remarks,
    ]
    provenance = _provenance(materials, plan, [*data.notes, *feed.remarks, *said], fitted, cost)
    if stages:
        provenance["first"] = [stage.to_json() for stage in stages]
    report = LayerReport((*rows, *beside), provenance)
    if processes.main:
        report.write(run.path / REPORT)
    run.write(RUN, {**asked, "complete": True, "cost": cost.to_json()})
    run.drop_checkpoints()
    processes.wait()
    return report, cost


def _feed(materials: Materials, plan: TunePlan, data: TuningData, *, once: bool) -> Feed:
    network = network_of(materials, plan)
    for choice in starting(plan.signals):
        if (begin := get_signal(choice.name).begin) is not None:
            network.remarks.append(begin(network, choice.options))
    return Feed(network, data, cache=_useful(materials, plan), batch_tokens=plan.loop.batch_tokens, once=once)


def _useful(materials: Materials, plan: TunePlan) -> Any:
    """Return the cache where the plan freezes what it holds, if only at first, and starts with the same weights."""
    if starting(plan.signals):
        return None
    return materials.cache if min(Course(plan, 1).trains_at(0.0)) > 0 else None


def _rows(trainer: Trainer, plan: TunePlan, materials: Materials) -> tuple[list[Measurement], list[str]]:
    blank = blank_row(plan, materials.data, materials.facts.name)
    sliced = memberships(trainer.data, plan.slices)
    rows, notes = list[Measurement](), list[str]()
    for split in ("dev", "test"):
        scorer = SplitScorer(trainer.data, split, seed=plan.loop.seed)
        predicted = trainer.predicted(split)
        rows += scorer.measurements(predicted, blank)
        name, guess = scorer.floor()
        bare = Measurement(**{**blank.to_json(), "method": name, "role": "floor", "layer": None, "seed": None})
        rows += scorer.measurements(guess, bare, floor=True)
        own, said = slice_rows(scorer, predicted, blank, sliced)
        rows, notes = [*rows, *own], [*notes, *said]
    return rows, notes


def _provenance(materials: Materials, plan: TunePlan, notes: list[str], fitted: Fitted, cost: Cost) -> dict[str, Any]:
    stopped = f"Stopped after epoch {fitted.at.epoch}: dev did not get better for {plan.loop.patience} epochs."
    said = [*notes, f"The model is that after epoch {fitted.at.best_epoch}, the best on dev."]
    return {
        "task": materials.data.task.name,
        "model": {"name": materials.facts.name, "weights": materials.facts.digest},
        "corpus": {"name": materials.data.corpus},
        "plan": plan.to_json(),
        "settings": {
            "estimator": "tuned",
            "metric": SplitScorer(materials.data, "dev").metrics[0],
            "kind": materials.data.counted,
            "probekit": __version__,
        },
        "cost": cost.to_json(),
        "notes": [*said, stopped] if fitted.stopped else said,
    }
