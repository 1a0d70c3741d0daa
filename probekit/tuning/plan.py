"""What to train, when, and how hard: :class:`TunePlan`.

Enters: decisions, of a report's advice, of a catalogue or of a hand. Leaves: plain data that is written, edited,
compared and run again. Depths are 0 for what runs before the first block, i for block i, and one above the last block
kept for what is new, which always trains. Surprise: blocks above ``keep`` are removed, and no depth above the highest
layer that is read can train, since nothing of it reaches the head.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.errors import InputError, ResourceError, UsageError
from probekit.storage.files import replace_bytes
from probekit.storage.strict import canonical, decode, kind_of, pretty
from probekit.tuning.checking import (
    SCHEMA,
    check_depths,
    check_schema,
    depths,
    named,
    optional,
    read_list,
    read_part,
    sha256,
)
from probekit.tuning.choices import CloseChoice, ModuleChoice, SignalChoice, check_close, spelled_under
from probekit.tuning.facts import ModelFacts
from probekit.tuning.parts import HeadChoice, Loop, ModelName, RateChoice, Read, ReportDigest, ScheduleChoice
from probekit.tuning.planning.editing import changed, differences
from probekit.tuning.rates import get_rate
from probekit.tuning.reasons import Reason
from probekit.tuning.schedules import get_schedule
from probekit.tuning.slice_choices import SliceChoice, check_distinct
from probekit.tuning.stage import StageChoice, check_stages


@dataclass(frozen=True, slots=True, kw_only=True)
class TunePlan:
    """A plan.

    Attributes
    ----------
    model : ModelName
    task : str
    read : Read
        Layers, none above ``keep``.
    keep : int
        The highest block that is kept; those above it are removed.
    train : tuple of int
        Depths from 0 to ``keep`` that train at some time; what is new always does. Empty: the head alone trains.
    head : HeadChoice
    rate : RateChoice
    schedule : ScheduleChoice
        When each depth of ``train``, each that has modules, and what is new trains.
    modules : tuple of ModuleChoice
        What is put into blocks; it trains, whether the block does (``train``) or not.
    close : tuple of CloseChoice
        What keeps the model close to the pretrained one; no two differ by their strength alone.
    signals : tuple of SignalChoice
        What it learns from beside the task.
    first : tuple of StageChoice
        What the model is tuned for before the task, one behind the other, in runs of their own.
    slices : tuple of SliceChoice
        What is scored apart, and trained apart where a signal says so; no two are the same.
    loop : Loop
    report : str or None
        The sha256 of the report that it was made from, as read from its file and without the seconds in it.
    why : tuple of Reason

    Raises
    ------
    UsageError
        A field of the wrong kind or out of its range, or fields that do not go together; they are named.
    """

    model: ModelName
    task: str
    read: Read
    keep: int
    train: tuple[int, ...]
    head: HeadChoice
    rate: RateChoice
    schedule: ScheduleChoice = field(default_factory=ScheduleChoice)
    modules: tuple[ModuleChoice, ...] = ()
    close: tuple[CloseChoice, ...] = ()
    signals: tuple[SignalChoice, ...] = ()
    first: tuple[StageChoice, ...] = ()
    slices: tuple[SliceChoice, ...] = ()
    loop: Loop = field(default_factory=Loop)
    report: str | None = None
    why: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in _PARTS.items():
            plain.one_of(getattr(self, name), name, kind, f"a {kind.__name__}")
        object.__setattr__(self, "task", named(self.task, "task"))
        object.__setattr__(self, "keep", plain.whole(self.keep, "keep", least=0))
        object.__setattr__(self, "train", depths(self.train, "train"))
        object.__setattr__(self, "report", optional(sha256, self.report, "report.sha256"))
        object.__setattr__(self, "why", plain.all_of(self.why, "why", Reason, "a list of Reasons"))
        for name, kind in _LISTS.items():
            object.__setattr__(self, name, plain.all_of(getattr(self, name), name, kind, f"a list of {kind.__name__}s"))
        placed = [depth for module in self.modules for depth in module.depths]
        check_depths(self.keep, self.read.layers, self.train, placed, under=partial(spelled_under, self.modules))
        check_stages(self.first, task=self.task, keep=self.keep, signals=[choice.name for choice in self.signals])
        check_close(self.close)
        check_distinct(self.slices)
        get_schedule(self.schedule.name).bind(self.loop.epochs, self.schedule.options)
        get_rate(self.rate.name).bind(self.rate.options)

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths that train at some time, ascending; the last is what is new."""
        placed = {depth for module in self.modules for depth in module.depths}
        return (*sorted({*self.train, *placed}), self.keep + 1)

    def to_json(self) -> dict[str, Any]:
        """Return the document that is written."""
        return {
            "schema": SCHEMA,
            "model": self.model.to_json(),
            "task": self.task,
            "report": None if self.report is None else {"sha256": self.report},
            "read": self.read.to_json(),
            "keep": self.keep,
            "train": list(self.train),
            "head": self.head.to_json(),
            "modules": [choice.to_json() for choice in self.modules],
            "schedule": self.schedule.to_json(),
            "rate": self.rate.to_json(),
            "close": [choice.to_json() for choice in self.close],
            "signals": [choice.to_json() for choice in self.signals],
            "first": [choice.to_json() for choice in self.first],
            "slices": [choice.to_json() for choice in self.slices],
            "loop": self.loop.to_json(),
            "why": [reason.to_json() for reason in self.why],
        }

    @classmethod
    def from_json(cls, document: Any, *, where: str = "a plan") -> TunePlan:
        """Build a plan from what :meth:`to_json` gave.

        Raises
        ------
        InputError
            A field is missing, unknown, of the wrong kind, or does not go with the others; ``where`` is named.
        CacheError
            A newer schema.
        """
        if not isinstance(document, Mapping):
            raise InputError(f"{where}: a plan must be a JSON object. Got {kind_of(document)}.")
        check_schema(document.get("schema"), where)
        try:
            return _read(document, numbered=True)
        except UsageError as error:
            raise InputError(f"{where}: {error}") from error

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the plan, one field a line; equal plans give the same bytes.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        place = plain.path(path, "path")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_bytes(place, self.text().encode())
        except OSError as error:
            raise ResourceError(f"The plan cannot be written to '{place}': {error.strerror}.") from error
        return place

    def text(self) -> str:
        """Return what :meth:`write` writes."""
        return pretty(self.to_json()).decode()

    @classmethod
    def read_file(cls, path: str | os.PathLike[str]) -> TunePlan:
        """Read what :meth:`write` wrote, edited or not.

        Raises
        ------
        InputError
            No such file, no strict JSON, or no plan; the file and the field are named.
        CacheError
            A newer schema.
        """
        place = plain.path(path, "path")
        try:
            document = decode(place.read_bytes().decode("utf-8"))
            canonical(document)  # half a character can be read from an escape, and then not written again
        except OSError as error:
            raise InputError(f"The plan '{place}' cannot be read: {error.strerror}.") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: not a plan: {error}. Write one with `probekit tune --plan-only`.") from error
        return cls.from_json(document, where=str(place))

    def with_set(self, *changes: str) -> TunePlan:
        """Return the plan with fields set as they are typed: ``keep=3``, ``rate.peak=2e-5``, ``head=crf``.

        Changes count together, in whatever order. The reason of a field that is set is replaced by one that says so.

        Parameters
        ----------
        *changes : str
            Lists are written ``train=3,4`` or ``train=3-5``, and ``train=`` for none; a head, a schedule or a rate
            ``schedule=gradual:epochs_each=2``; ``modules=bottleneck:16@3-6;lora:r=8@4``, ``close=ewc``,
            ``signals=lm:0.2..0.1``, ``first=lm@reviews.txt``, ``slices=length:min=30``; ``read=3`` is
            ``read.layers=3``; ``read.beside=vectors.txt`` names a file of word vectors, whose sha256 is put into the
            plan.

        Raises
        ------
        UsageError
            No such field, a value of the wrong kind, or one that makes other fields invalid, which are named.
        """
        return _read(changed(self.to_json(), changes))

    def check(self, facts: ModelFacts, task: str) -> TunePlan:
        """Return the plan if it is for this model and task, and every depth is there.

        Raises
        ------
        UsageError
            It was made for another model or task, both are named; or the model has not so many blocks.
        """
        if self.model.digest != facts.digest:
            there = f", which was in {self.model.folder}" if self.model.folder is not None else ""
            raise UsageError(
                f"The plan was made for the model '{self.model.name}' ({self.model.digest:.12}){there}, not for "
                f"'{facts.name}' ({facts.digest:.12}). Give that model, or make a plan for this one."
            )
        if self.task != task:
            raise UsageError(f"The plan was made for the task '{self.task}', not for '{task}'. Make one for this task.")
        if self.keep > facts.n_layers:
            raise UsageError(
                f"The plan keeps {self.keep} blocks (keep) of '{facts.name}', which has {facts.n_layers}. "
                f"Set keep={facts.n_layers} or less."
            )
        self._check_shared(facts)
        return self

    def _check_shared(self, facts: ModelFacts) -> None:
        """Refuse depths that own no parameter where the block does not train whose parameters they use."""
        sizes = facts.parameters_by_depth
        for depth in self.train:
            owner = max((own for own in range(depth + 1) if sizes[own]), default=depth)
            if not sizes[depth] and owner not in self.train:
                raise UsageError(
                    f"The plan trains depth {depth} of '{facts.name}' (train), whose parameters are those of depth "
                    f"{owner}, which it freezes. Train {owner} too, or leave {depth} out."
                )

    def without_shared(self, facts: ModelFacts) -> TunePlan:
        """Return the plan without depths that own no parameter, since they use those of a lower one.

        A schedule that gives every depth a turn then gives none to nothing. The reason is added.
        """
        sizes = facts.parameters_by_depth
        empty = [depth for depth in self.train if not sizes[depth]]
        if not empty:
            return self
        text = (
            f"depths {', '.join(map(str, empty))} of '{facts.name}' own no parameters, since they use those of a lower "
            "depth: they train where that one does, and have no turn of their own"
        )
        own = tuple(depth for depth in self.train if sizes[depth])
        return replace(self, train=own).because(Reason("train", text, {"depths": tuple(empty)}))

    def because(self, *reasons: Reason) -> TunePlan:
        """Return the plan with further reasons behind its own."""
        return replace(self, why=(*self.why, *reasons))


def diff(a: TunePlan, b: TunePlan) -> list[str]:
    """Return a line for each field in which two plans differ (``keep: 4 -> 3``); reasons are not compared."""
    return differences(a.to_json(), b.to_json())


_PARTS = {
    "model": ModelName,
    "read": Read,
    "head": HeadChoice,
    "schedule": ScheduleChoice,
    "rate": RateChoice,
    "loop": Loop,
}
_LISTS: dict[str, type[Any]] = {
    "modules": ModuleChoice,
    "close": CloseChoice,
    "signals": SignalChoice,
    "first": StageChoice,
    "slices": SliceChoice,
}
"""Parts that stand in lists; a plan without such a list has none."""
_FLAT = ("schedule", "rate")
"""Parts whose options stand beside their name."""


def _read(document: Mapping[str, Any], *, numbered: bool = False) -> TunePlan:
    """Build a plan from its document, whose schema was looked at; errors in lists say of which entry, if numbered."""
    values = {key: value for key, value in document.items() if key != "schema"}
    for name, kind in _PARTS.items():
        if name in values:
            values[name] = read_part(kind, values[name], name, flat=name in _FLAT)
    for name, kind in {**_LISTS, "why": Reason}.items():
        if name in values:
            values[name] = read_list(kind, values[name], name, numbered=numbered)
    if values.get("report") is not None:
        values["report"] = read_part(ReportDigest, values["report"], "report").sha256
    return read_part(TunePlan, values, "")
