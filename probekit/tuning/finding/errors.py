"""Which targets a plan gets wrong: of dev, or of training, each by a run that was not trained on it.

Enters: what a plan is applied to, the plan, ``errors:of=train,folds=3`` as it was typed. Leaves: the plan with the
slices that were found, as data, and the reason. Test is not looked at. Surprise: where training is asked, an error is
what a run says of examples that another fold trained on; those of the run itself would be the ones it learned by heart.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.errors import InputError, UsageError
from probekit.statistics.units import units_of
from probekit.tuning.choices import members_apart
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.folds import OUT_OF_FOLD
from probekit.tuning.data.materials import Materials
from probekit.tuning.finding.held_out import check_held_out
from probekit.tuning.finding.search import Search, search_slices
from probekit.tuning.network.feed import Feed
from probekit.tuning.options import Size, bound, spelled
from probekit.tuning.plan import TunePlan
from probekit.tuning.predict import TunedModel
from probekit.tuning.reasons import Evidence, Reason
from probekit.tuning.training.run import Running, run_plan

ERRORS = "errors"
BY_SLICES = ("slices", "upweight")
"""Signals that learn from slices, so that a first pass has none of them."""
OF = ("dev", "train")
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """How slices are to be found.

    Attributes
    ----------
    of : {"dev", "train"}
        Whose errors.
    folds : int
        Into which training is cut.
    run : str
        The folder of a run whose errors on dev are taken, instead of training one; empty: none.
    most, least : int
        Slices at most, and targets of one in a half at least.
    """

    of: str
    folds: int
    run: str
    most: int
    least: int


def asked_for(*, of: str = "dev", folds: Size = 3, run: str = "", most: Size = 3, least: Size = 15) -> Asked:
    plain.choice(of, "of", OF)
    if run and of != "dev":
        raise UsageError("A run that is done has errors on dev alone: leave out of=train, or run=.")
    if folds < 2:
        raise UsageError(f"Training is cut into two folds or more (folds). Got {folds}.")
    return Asked(of, folds, run, most, least)


def asked_of(texts: Sequence[str]) -> tuple[list[str], Asked | None]:
    """Return the slices that were given, and how others are to be found: ``errors``, ``errors:of=train,folds=3``.

    Raises
    ------
    UsageError
        It is asked for twice, or an option is not right.
    """
    parts = [part for text in texts for part in members_apart(text)]
    finding = [part for part in parts if part.partition(":")[0].strip() == ERRORS]
    if not finding:
        return list(texts), None
    if len(finding) > 1:
        raise UsageError("Slices are found from errors once: give --slices errors one time.")
    _, options = spelled(finding[0], "search for slices")
    return [part for part in parts if part not in finding], bound(asked_for, "search for slices", options)()


def with_found(
    materials: Materials,
    plan: TunePlan,
    asked: Asked | None,
    *,
    examples: int | None = None,
    told: Callable[[str], None] | None = None,
) -> TunePlan:
    """Return a plan with the slices that are found behind those it has; nothing is done where none are asked for.

    Parameters
    ----------
    materials : Materials
    plan : TunePlan
    asked : Asked or None
    examples : int, optional
        As many training examples as the run will draw.
    told : callable, optional
        Called with what was searched and found.

    Raises
    ------
    InputError
        Nothing is found, and a signal of the plan learns from slices.
    UsageError
        The task predicts no labels.
    """
    if asked is None:
        return plan
    search = find_slices(materials, plan, asked, examples=examples)
    for line in search.lines():
        (told or (lambda line: None))(line)
    learns = [choice.name for choice in plan.signals if choice.name in BY_SLICES]
    if learns and not (search.kept or plan.slices):
        raise InputError(
            f"No slice of the errors on {asked.of} stands out, so '{learns[0]}' has nothing to learn from: "
            f"{' '.join(search.lines())} Give slices by hand (--slices length:min=30), or take the errors of all of "
            "training (errors:of=train)."
        )
    own = {choice.spelled for choice in plan.slices}
    new = tuple(choice for choice in search.kept if choice.spelled not in own)
    whose = f"out-of-fold errors of training ({asked.folds} folds)" if asked.of == "train" else "errors on dev"
    text = f"found from {whose}: {' '.join(search.lines())}"
    halves = [half for one in search.found if one.holds for half in (one.searched, one.confirmed)]
    evidence: dict[str, Evidence] = {
        "wrong": tuple(half.wrong for half in halves),
        "rest": tuple(half.rest for half in halves),
        "p": tuple(half.p for half in halves),
        **({OUT_OF_FOLD: asked.folds} if asked.of == "train" else {}),
    }
    why = tuple(reason for reason in plan.why if reason.field != "slices")
    return replace(plan, slices=(*plan.slices, *new), why=(*why, Reason("slices", text, evidence)))


def find_slices(materials: Materials, plan: TunePlan, asked: Asked, *, examples: int | None = None) -> Search:
    """Find slices from the errors of a plan; raises as :func:`with_found`."""
    if materials.data.targets != "labels":
        raise UsageError(
            f"Slices are found from labels that are wrong, and '{materials.data.task.name}' predicts "
            f"{materials.data.targets}. Give slices by hand (--slices length:min=30)."
        )
    first = replace(plan, slices=(), signals=tuple(one for one in plan.signals if one.name not in BY_SLICES), why=())
    data = materials.data.limited(examples, plan.loop.seed)
    unknown: list[str] = []
    if asked.of == "train":
        rows, wrong = out_of_fold(materials, data, first, asked.folds)
    else:
        dev = data.examples("dev")
        folder = Path(asked.run) if asked.run else None
        unknown = [] if folder is None else check_held_out(folder, materials, data, dev)
        predicted = _predicted(materials, first, data, dev, folder)
        rows = rows_of(data, dev)
        wrong = predicted != data.gold[rows]
    units = units_of(data.table.group, data.table.example[rows])
    found = search_slices(data, rows, wrong, units, most=asked.most, least=asked.least, seed=plan.loop.seed)
    return replace(found, notes=(*found.notes, *unknown))


def out_of_fold(
    materials: Materials, data: TuningData, plan: TunePlan, folds: int
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return the rows of what is trained on, and whether each is wrong by a run without its fold.

    Examples of one document are in one fold.
    """
    units = units_of(data.table.group, data.training)
    fold = np.random.default_rng([plan.loop.seed, folds]).permutation(units.n)[units.of] % folds
    rows, wrong = [], []
    for number in range(folds):
        held, others = data.training[fold == number], data.training[fold != number]
        if not len(held):
            continue
        predicted = _predicted(materials, plan, replace(data, training=others), held, None)
        rows.append(rows_of(data, held))
        wrong.append(predicted != data.gold[rows[-1]])
    order = np.argsort(np.concatenate(rows), kind="stable")
    return np.concatenate(rows)[order], np.concatenate(wrong)[order]


def rows_of(data: TuningData, examples: IntArray) -> IntArray:
    """Return the rows of the table that lie in some examples."""
    return np.concatenate([np.arange(*data.held[example]) for example in examples])


def _predicted(
    materials: Materials, plan: TunePlan, data: TuningData, examples: IntArray, folder: Path | None
) -> NDArray[np.float64]:
    """Return the codes that a run predicts of some examples, by their rows; without a run it is trained."""
    with tempfile.TemporaryDirectory() as place:
        if folder is None:
            folder = run_plan(replace(materials, data=data), plan, Path(place) / "run", running=Running()).folder
        tuned = TunedModel.open(folder, probes=data.task, device=materials.loaded.device.type)
        return Feed(tuned.network, data, batch_tokens=plan.loop.batch_tokens).predict(examples)
