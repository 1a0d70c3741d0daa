"""The study of concepts: each task erased at each of its layers, and what is left of it, of its words and of others.

Enters: a model, readable tasks, a plan. Leaves: rows and notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probekit.ablation.concept.fitting import CONTROLS, RANDOM_LOSS, Erasure, fit_erasure
from probekit.ablation.concept.model import ConceptModel
from probekit.ablation.concept.readable import Readable
from probekit.ablation.concept.rows import STAGE, WHOLE, other_rows, readable_rows, used_rows
from probekit.ablation.concept.used import scores_of
from probekit.ablation.erasers import EraserKind
from probekit.errors import InputError
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, Bootstrap, Score
from probekit.statistics.units import units_notes, units_of


@dataclass(frozen=True, slots=True)
class Plan:
    """How concepts are erased.

    Attributes
    ----------
    kind : EraserKind
    layers : tuple of int or None
        None: of every task the layer that dev chooses.
    everywhere : bool
        At all layers, fitted from the bottom up.
    draws : int
        Of each kind of control.
    seed : int
    """

    kind: EraserKind
    layers: tuple[int, ...] | None
    everywhere: bool
    draws: int
    seed: int


Told = Callable[[float, str], None]


class Study:
    """Erases task after task, and keeps the rows.

    Parameters
    ----------
    model : ConceptModel
    readables : sequence of Readable
        Of one cache.
    known : sequence of int
        All layers.
    plan : Plan
    """

    def __init__(self, model: ConceptModel, readables: Sequence[Readable], known: Sequence[int], plan: Plan) -> None:
        self.model = model
        self.rows: list[Measurement] = []
        self._said: dict[str, list[str]] = {}
        self._readables, self._known, self._plan = readables, known, plan
        self._whole: dict[tuple[str, int], Score] = {}

    def cases(self, told: Told | None = None) -> list[tuple[Readable, int]]:
        """Return every task with the layers it is erased or read at, and say what is left out of it."""
        found = []
        for number, readable in enumerate(self._readables, start=1):
            question = readable.question
            units = {split: question.parts[split].resampled for split in ("dev", "test")}
            self._say(readable.name, *readable.data.source.said, *question.notes, *units_notes(units))
            found += [(readable, layer) for layer in self._plan.layers or (readable.best_layer(),)]
            if told is not None:
                told(number / len(self._readables), f"layer of {readable.name}")
        if not self._plan.everywhere:
            self.model.read_predicted(self._readables, sorted({layer for _, layer in found}))
        return found

    def erase(self, readable: Readable, layer: int, told: Told | None = None) -> Erasure:
        """Erase a task, and add what became of it and of others."""
        name = readable.name
        erasure = self._fit(readable, layer)
        blank = self._blank(readable, layer)
        its = self._erased(readable, layer, erasure, CONTROLS)
        self.rows += readable_rows(blank, self._score(readable, layer), its, readable.floors())
        self.rows += self._used(blank, readable, erasure, told)
        for other in self._readables:
            if other is not readable:
                blank = replace(self._blank(other, layer), task=name)
                its = self._erased(other, layer, erasure, [RANDOM_LOSS])
                self.rows += other_rows(blank, other.name, self._score(other, layer), its)
        return erasure

    def _fit(self, readable: Readable, layer: int) -> Erasure:
        plan = self._plan
        layers = self._known if plan.everywhere else [layer]
        sizes: list[int] = []

        def vectors(at: int, under: Any) -> Any:
            found = self.model.labelled(readable, at, under)
            sizes[:] = [len(part.X) for part in found]
            return found

        erasure = fit_erasure(plan.kind, layers, vectors, draws=plan.draws, seed=plan.seed)
        places = f"{sizes[1]:,}" if len(sizes) > 1 else "no"
        fitted = f"Fitted on {sizes[0]:,} vectors of training and {places} places of prediction."
        if readable.place is not None:
            fitted = f"Fitted on {sizes[0]:,} states of training, each at '{readable.place.name}' of its example."
        self._say(readable.name, fitted, *erasure.notes)
        return erasure

    def _score(self, readable: Readable, layer: int) -> Score:
        """Return what a probe reads of the states as they are."""
        key = readable.name, layer
        if key not in self._whole:
            self._whole[key] = readable.score(readable.matrix(layer))
        return self._whole[key]

    def _erased(self, readable: Readable, layer: int, erasure: Erasure, controls: Sequence[str]) -> dict[str, Score]:
        """Return what a probe reads of erased states, by the name of the eraser or the control: of its first draw."""
        chosen = {self._plan.kind.name: erasure.erasers, **{name: erasure.controls[name][0] for name in controls}}
        return {name: readable.score(self.model.matrix(readable, layer, erasers)) for name, erasers in chosen.items()}

    def _used(
        self, blank: Measurement, readable: Readable, erasure: Erasure, told: Told | None
    ) -> Iterator[Measurement]:
        table, plan, name = readable.bearers, self._plan, readable.name
        bearing = self.model.bearing(table, readable.rows("test"))
        if not bearing.words:
            raise InputError(f"No word of test that bears '{name}' is ever predicted. Give a corpus with more text.")
        if bearing.lost:
            self._say(
                name,
                f"{bearing.lost:,} words of test are left out of predictions: no token is theirs, or nothing stands "
                "before them.",
            )
        erasures = [{}, erasure.erasers]
        names = [WHOLE, plan.kind.name]
        for control in CONTROLS:
            erasures += erasure.controls[control]
            names += [control] * plan.draws
        said = self.model.said(bearing, erasures, told)
        units = units_of(table.group, table.example[bearing.targets])
        scores = scores_of(said, bearing.owners, Bootstrap.draw(units.of, seed=plan.seed), names)
        row = replace(blank, n=len(bearing.targets), n_groups=units.n, unit=units.unit, pooling=None)
        yield from used_rows(row, plan.kind.name, scores, plan.draws)

    @property
    def notes(self) -> list[str]:
        """What must be said, and of which tasks, where it is not so of all."""
        whole = len(self._readables)
        return [
            note if len(tasks) == whole > 1 else f"{', '.join(tasks)}: {note}" for note, tasks in self._said.items()
        ]

    def _say(self, task: str, *notes: str) -> None:
        for note in notes:
            if task not in (tasks := self._said.setdefault(note, [])):
                tasks.append(task)

    def _blank(self, readable: Readable, layer: int) -> Measurement:
        cache, part = readable.data.cache, readable.test
        units = part.resampled
        return Measurement(
            stage=STAGE, task=readable.name, model=cache.model["name"], corpus=cache.corpus["name"], split=part.split,
            layer=layer, method="", role="estimator", metric="", value=None, n=part.n, n_groups=units.n,
            unit=units.unit, pooling=readable.settings.pooling, seed=self._plan.seed, level=LEVEL,
        )  # fmt: skip
