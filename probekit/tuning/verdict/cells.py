"""Run a plan beside every depth and every rival, one JSON line a run.

Enters: :class:`~probekit.tuning.data.materials.Materials`, the plan that a report advises, seeds. Leaves: the lines,
found or new. A run whose line is in the file is not run again; what a killed process left of a line is cut off. The
tuned models are not kept.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UsageError
from probekit.report import LayerReport
from probekit.storage.files import disk_errors
from probekit.storage.strict import canonical, parse_object
from probekit.tuning.data.materials import Materials
from probekit.tuning.placing import at_position
from probekit.tuning.plan import TunePlan
from probekit.tuning.plans import Laid, lay_plan
from probekit.tuning.runs.folder import RunLog
from probekit.tuning.training.run import Running, run_plan
from probekit.tuning.verdict.entry import Entry
from probekit.tuning.verdict.grid import ASIDE, DEVELOPMENT, PARTS, Cell, Line, grid, rivals
from probekit.tuning.verdict.profiles import profiles_of


class Run(NamedTuple):
    """A plan with a seed, and what tells its line from others: sha256 of the plan, of the data, of the weights."""

    seed: int
    plan: TunePlan
    planned: bool
    digest: str
    data: str
    model: str


class LineFile:
    """Lines of runs on disk.

    Parameters
    ----------
    path : Path
        Made where it is not there.

    Raises
    ------
    InputError, CacheError
        A whole line is no line of a run; it is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_errors(path.parent, "the lines of runs"):
            path.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        self.lines = [
            Line.from_json(parse_object(line, path), f"{path}:{number}")
            for number, line in enumerate(whole.splitlines(), start=1)
        ]
        self._log = RunLog(path, len(whole))

    def find(self, task: str, n: int, run: Run) -> Line | None:
        """Return the line of a run that was done, of the same data; the plan says of which model."""
        return next((one for one in self.named(task, n, run) if one.data == run.data), None)

    def named(self, task: str, n: int, run: Run) -> list[Line]:
        """Return the lines that have the names of a run, whatever data they are of."""
        return [line for line in self.lines if (line.task, line.n, line.plan) == (task, n, run.digest)]

    @property
    def development(self) -> list[Line]:
        """Lines of development tasks, on which the constant rival is chosen."""
        return [line for line in self.lines if line.part == DEVELOPMENT]

    def add(self, line: Line) -> None:
        """Write a line, and force it to the disk."""
        self._log.add(line.to_json())
        self._log.sync()
        self.lines.append(line)

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is judged.

    Attributes
    ----------
    seeds : tuple of int
        Each draws the training examples again where ``examples`` says how many.
    examples : int or None
        Training examples; None: all.
    task : str or None
        What lines call it; by default the task and the corpus.
    part : {"development", "aside"}
    evidence : callable, optional
        Makes the report whose profiles are held against what tuning gives, where a plan is to be run; by default it is
        the report of the plan.
    """

    seeds: tuple[int, ...] = (0,)
    examples: int | None = None
    task: str | None = None
    part: str = ASIDE
    evidence: Callable[[], LayerReport] | None = None

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise UsageError(f"The part of a task must be one of {', '.join(PARTS)}. Got '{self.part}'.")


def run_cells(
    materials: Materials,
    plan: TunePlan,
    file: LineFile,
    asked: Asked,
    *,
    only: Callable[[Cell], bool] | None = None,
    told: Callable[[str], None] | None = None,
) -> list[Line]:
    """Run what is not in the file yet; return the lines of all.

    Parameters
    ----------
    materials : Materials
    plan : TunePlan
        Of a report; its seed is replaced.
    file : LineFile
    asked : Asked
    only : callable, optional
        Which cells to run beside the plan; by default all.
    told : callable, optional
        Called with each line that is new, in words.
    """
    if plan.modules:
        raise UsageError(
            "A plan with modules has no rivals that train blocks: leave out --verify, and compare it with others of "
            "its kind (--beside adapters:everywhere --beside adapters:bottom)."
        )
    if plan.first:
        raise UsageError(
            "A plan with stages before its task (--first) starts from another model than its rivals would. Leave out "
            "--verify; or run the stage alone, and judge depths of what it left: --model FOLDER --report REPORT."
        )
    data = materials.data
    n = min(len(data.training), asked.examples or len(data.training))
    task = asked.task or f"{plan.task} on {data.corpus}"
    todo = _runs(materials, plan, asked, n, only)
    told = told or (lambda note: None)
    _tell_of_others(file, task, n, todo, told)
    found = []
    for run in todo:
        line = file.find(task, n, run)
        if line is None:
            entry = _run(materials, run.plan, asked.examples, file.path.parent)
            line = Line(
                task=task,
                part=asked.part,
                n=n,
                seed=run.seed,
                keep=run.plan.keep,
                train=run.plan.train,
                planned=run.planned,
                plan=run.digest,
                metric=entry.metric,
                dev=entry.dev,
                test=entry.test,
                seconds=entry.seconds,
                # A report is made from a cache, whether or not its plan is trained from one.
                extraction_seconds=materials.extraction_seconds if run.planned else entry.extraction_seconds,
                probing_seconds=(materials.probing_seconds or 0.0) if run.planned else 0.0,
                profiles=_profiles(materials, plan.task, asked) if run.planned else {},
                data=run.data,
                model=run.model,
            )
            file.add(line)
            what = "the plan" if run.planned else f"keep {line.keep}, train {','.join(map(str, line.train)) or '-'}"
            told(f"{task}, seed {run.seed}, {what}: dev {line.dev:.3f}, {line.seconds:.1f} s")
        found.append(line)
    return found


def _runs(materials: Materials, plan: TunePlan, asked: Asked, n: int, only: Callable[[Cell], bool] | None) -> list[Run]:
    """Return what is to be run: of each seed the plan, then the cells and rivals."""
    facts = materials.facts
    beside = [other for cells in rivals(Cell(plan.keep, plan.train), facts).values() for other in cells]
    cells = [other for other in dict.fromkeys([*grid(facts.n_layers), *beside]) if only is None or only(other)]
    plans = [(plan, True), *((_plan_of(other, materials, n), False) for other in cells)]
    found = []
    for seed in asked.seeds:
        data = materials.data.limited(asked.examples, seed).digest
        for one, planned in plans:
            seeded = one.with_set(f"loop.seed={seed}")
            digest = hashlib.sha256(canonical({**seeded.to_json(), "why": []})).hexdigest()
            found.append(Run(seed, seeded, planned, digest, data, facts.digest))
    return found


def _tell_of_others(file: LineFile, task: str, n: int, todo: list[Run], told: Callable[[str], None]) -> None:
    """Say which lines have the names of a run that is to be done, and not its data."""
    others = [line for run in todo if file.find(task, n, run) is None for line in file.named(task, n, run)]
    if others:
        old = sum(not line.data for line in others)
        which = f" ({old:,} are older than the field that says it)" if old else ""
        told(
            f"{file.path.name} has {len(others):,} lines of '{task}' that are not known to be of these data{which}: "
            "they stay there, and their cells are run again."
        )


def _profiles(materials: Materials, task: str, asked: Asked) -> dict[str, dict[str, float]]:
    evidence = materials.report if asked.evidence is None else asked.evidence()
    return {} if evidence is None else profiles_of(evidence, materials.facts, task)


def _plan_of(cell: Cell, materials: Materials, n_train: int) -> TunePlan:
    """Return a plan of a cell, with the head, the rates and the loop that the catalogue has for what it trains."""
    data, laid = materials.data, Laid(cell.keep, cell.train, "one of all depths")
    made = lay_plan(
        laid,
        materials.facts,
        data.task.name,
        kind=data.task.kind,
        labels=data.classes,
        n_train=n_train,
        targets=data.targets,
    )
    return at_position(made, data.at)


def _run(materials: Materials, plan: TunePlan, examples: int | None, near: Path) -> Entry:
    with tempfile.TemporaryDirectory(dir=near, prefix=".cell-") as folder:
        tuned = run_plan(
            materials, plan, Path(folder) / "run", examples=examples, save="delta", running=Running(minutes=60)
        )
        return Entry.of("cell", tuned)
