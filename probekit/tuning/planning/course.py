"""What a plan does over the steps: which depths train, at which rate. Pure functions of (depth, step).

Enters: a plan, and how many steps an epoch has. Leaves: a :class:`Course`, its stages, its frame. A step is one of the
optimizer. Surprise: a schedule sees the depths that the plan trains and what is new, and no others, so that no turn
goes to a depth that stays frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probekit import plain
from probekit.tuning.plan import TunePlan
from probekit.tuning.rates import Share, by_depth, get_rate
from probekit.tuning.schedules import Trains, get_schedule

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps in which the same depths train.

    Attributes
    ----------
    first, end : int
        The first step, and the one behind the last.
    trains : frozenset of int
    """

    first: int
    end: int
    trains: frozenset[int]


@dataclass(frozen=True, slots=True)
class Course:
    """A plan over its steps.

    Attributes
    ----------
    plan : TunePlan
    steps_each : int
        Steps of an epoch.
    """

    plan: TunePlan
    steps_each: int
    _trains: Trains = field(init=False, repr=False, compare=False)
    _share: Share = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plan = self.plan
        object.__setattr__(self, "steps_each", plain.whole(self.steps_each, "steps_each", least=1))
        schedule, rate = get_schedule(plan.schedule.name), get_rate(plan.rate.name)
        object.__setattr__(self, "_trains", schedule.bind(plan.loop.epochs, plan.schedule.options))
        object.__setattr__(self, "_share", rate.bind(plan.rate.options))

    @property
    def steps(self) -> int:
        """Steps in all, if no epoch is left out."""
        return self.steps_each * self.plan.loop.epochs

    @property
    def peaks(self) -> dict[int, float]:
        """The highest rate of each depth that trains at some time: of its block, or else of the modules in it."""
        top, rate = self.plan.keep, self.plan.rate
        own = {depth: rate.peak if depth in self.plan.train else self.new_peak for depth in self.plan.depths}
        return {depth: peak * by_depth(min(depth, top), top, rate.depth_factor) for depth, peak in own.items()}

    @property
    def new_peak(self) -> float:
        """The highest rate of what is new: the head, and modules in the highest block."""
        rate = self.plan.rate
        return rate.peak if rate.head_peak is None else rate.head_peak

    def trains(self, step: int) -> frozenset[int]:
        """Return the depths that train at a step."""
        return self.trains_at(step / self.steps_each)

    def trains_at(self, epoch: float) -> frozenset[int]:
        """Return the depths that train when so many epochs are done."""
        return self._trains(self.plan.depths, epoch)

    def rates(self, step: int) -> dict[int, float]:
        """Return the rate of each depth that trains at a step."""
        rates, trains = self.rates_at(step, self.steps), self.trains(step)
        return {depth: rate for depth, rate in rates.items() if depth in trains}

    def rates_at(self, step: int, total: int) -> dict[int, float]:
        """Return the rate that each depth has at a step of so many, if it trains then."""
        share = self._share(step, total)
        return {depth: peak * share for depth, peak in self.peaks.items()}

    def stages(self) -> list[Stage]:
        """Return the stages, the first one first."""
        found: list[Stage] = []
        for step in range(self.steps):
            trains = self.trains(step)
            if found and found[-1].trains == trains:
                found[-1] = Stage(found[-1].first, step + 1, trains)
            else:
                found.append(Stage(step, step + 1, trains))
        return found

    def frame(self) -> pd.DataFrame:
        """Return a line for each step and depth: ``step, epoch, depth, trains, rate``, which is 0 where frozen."""
        import pandas as pd

        lines = []
        for step in range(self.steps):
            rates = self.rates(step)
            for depth in range(self.plan.keep + 2):
                lines.append((step, step / self.steps_each, depth, depth in rates, rates.get(depth, 0.0)))
        return pd.DataFrame(lines, columns=["step", "epoch", "depth", "trains", "rate"])
