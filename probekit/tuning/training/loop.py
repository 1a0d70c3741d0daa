"""The one loop: steps, stages, what is logged, kept and chosen.

Enters: a network, a plan, targets. Leaves: the network at its best on dev, and a :class:`Fitted`. The order of an epoch
is a function of (seed, epoch) and dropout of (seed, step), so that a run needs one number to go on, and gives the same
losses bit for bit as one that was never stopped. A step's loss is the mean over its targets, however it is cut.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.devices import out_of_memory
from probekit.errors import NumericError, ResourceError
from probekit.tuning.data.layout import gold_of
from probekit.tuning.data.order import cut_in, epoch_steps, seed_dropout
from probekit.tuning.network.feed import Feed
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.course import Course
from probekit.tuning.runs.folder import LOG, RunFolder, RunLog
from probekit.tuning.runs.saving import put
from probekit.tuning.training import certificate
from probekit.tuning.training.certificate import CertifiedStage, Digests, digests
from probekit.tuning.training.optimizer import make_optimizer, set_rates
from probekit.tuning.training.processes import Processes
from probekit.tuning.training.scoring import SplitScorer
from probekit.tuning.training.state import At, TrainingState, copied
from probekit.tuning.training.terms import Terms
from probekit.tuning.training.watching import Moment, Watcher

IntArray = NDArray[np.int64]
MINUTES = 5.0
"""Between checkpoints."""
TASK = "task"  # the name of its loss in the log, beside those of what is added to it


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of training.

    Attributes
    ----------
    at : At
    stopped : bool
        Before the last epoch, since dev did not get better.
    stages : tuple of CertifiedStage
    frozen : int
        Parameters and buffers that are bit for bit what they were.
    halved : int
        How often a batch did not fit into memory and was cut in two.
    """

    at: At
    stopped: bool
    stages: tuple[CertifiedStage, ...]
    frozen: int
    halved: int


class Trainer:
    """Trains a network by a plan.

    Parameters
    ----------
    plan : TunePlan
    feed : Feed
        Of the network and its targets.
    folder : RunFolder
        Where the log and the checkpoints go; a checkpoint that is there is gone on from.
    minutes : float
        Between checkpoints.
    processes : Processes, optional
        Those that train together; by default those that were started.
    watchers : sequence of callable
        Called with a :class:`~probekit.tuning.training.watching.Moment` behind every step and every epoch.
    told : callable, optional
        Called with what a person must know: that a batch was cut in two.
    """

    def __init__(
        self,
        plan: TunePlan,
        feed: Feed,
        folder: RunFolder,
        *,
        minutes: float = MINUTES,
        processes: Processes | None = None,
        watchers: Sequence[Watcher] = (),
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.plan, self.feed, self.folder = plan, feed, folder
        self.network, self.data = feed.network, feed.data
        self.processes = processes or Processes(self.network.device)
        self.minutes, self.watchers, self.told = minutes, tuple(watchers), told
        sizes = self.data.sizes[self.data.training]
        self.epochs = [
            epoch_steps(self.data.training, sizes, loop=plan.loop, epoch=epoch) for epoch in range(plan.loop.epochs)
        ]
        self.total = sum(map(len, self.epochs))
        self.course = Course(plan, 1)
        self.terms = Terms(plan, feed, self.total, folder)
        self.optimizer = make_optimizer(self.network, plan)
        self.dev = SplitScorer(self.data, "dev", seed=plan.loop.seed)
        numbers = self.data.targets == "numbers"  # every batch and every prediction of them needs both
        self.centre, self.spread = (self.data.centre, self.data.spread) if numbers else (0.0, 1.0)
        self.state = TrainingState()
        self.first: Digests = {}

    def fit(self) -> Fitted:
        """Train to the end, or until dev does not get better; the network is then at its best on dev.

        Raises
        ------
        NumericError
            A loss that is not finite, or a stage that trains something else than the plan names.
        ResourceError
            Memory or disk are full.
        """
        self.terms.stay_close(self.folder.path)
        for depth in sorted(self._lowest()):  # whatever the schedule reaches, before the first step
            self.feed.check_layers(depth)
        certificate.refuse_too_slow(self.network, self.plan.depths, self.course.peaks)
        self.first = digests(self.network)
        kept = self.state.restore(self.folder, self.network, self.optimizer)
        if self.state.ever:
            self.feed.set_lowest(min(self.state.ever))
        self.processes.wait()
        log = RunLog(self.folder.path / LOG if self.processes.main else None, kept)
        self._saved_at = time.monotonic()
        try:
            with torch.random.fork_rng():
                stopped = self._epochs(log)
        finally:
            log.close()
        put(self.network, self.state.best, self.folder.path)
        self.network.set_trained(frozenset())
        frozen = certificate.check_frozen(self.network, self.first, self.state.ever)
        return Fitted(self.state.at, stopped, tuple(self.state.stages), frozen, self.state.halved)

    def _epochs(self, log: RunLog) -> bool:
        patience = self.plan.loop.patience
        while self.state.at.epoch < self.plan.loop.epochs:
            if patience is not None and self.state.at.waited >= patience:
                return True
            began = time.perf_counter()
            steps = self.epochs[self.state.at.epoch]
            for micros in steps[self.state.at.place :]:
                row, tokens = self._step(micros, self._enter_stage(len(steps)))
                done = time.perf_counter()
                self.state.at = replace(
                    self.state.at,
                    place=self.state.at.place + 1,
                    step=self.state.at.step + 1,
                    tokens=self.state.at.tokens + tokens,
                    seconds=self.state.at.seconds + done - began,
                )
                self._note(log, {**row, "seconds": round(done - began, 6)})
                if self.processes.main and time.monotonic() - self._saved_at >= 60 * self.minutes:
                    self.state.save(self.folder, self.network, self.optimizer, log.sync())
                    self._saved_at = time.monotonic()
                began = time.perf_counter()
            self._end_epoch(log)
        return False

    def _note(self, log: RunLog, row: Mapping[str, Any]) -> None:
        """Log a row, and show it to who watches."""
        log.add(row)
        for watch in self.watchers:
            watch(Moment(row, self.state.at, self.total, self.plan.loop.epochs))

    def _lowest(self) -> set[int]:
        """Return how far down the states change, in one stage after the other."""
        done = [epoch + place / len(steps) for epoch, steps in enumerate(self.epochs) for place in range(len(steps))]
        return set(accumulate((min(self.course.trains_at(one)) for one in done), min))

    def _enter_stage(self, steps: int) -> frozenset[int]:
        """Freeze and unfreeze as the schedule says; a new stage is certified by its first step that pulls."""
        now = self.state.at.epoch + self.state.at.place / steps
        depths = self.course.trains_at(now)
        if depths != self.network.trained:
            if not self.state.ever or min(depths) < min(self.state.ever):
                self.feed.set_lowest(min(depths))
            self.network.set_trained(depths)
            self.state.ever |= depths
            self.state.uncertified = True
        return depths

    def _step(self, micros: Sequence[IntArray], depths: frozenset[int]) -> tuple[dict[str, Any], int]:
        rates = self.course.rates_at(self.state.at.step, self.total)
        set_rates(self.optimizer, rates)
        losses, tokens = self._backward(micros)
        trained = [parameter for depth in sorted(depths) for parameter in self.network.named(depth).values()]
        self.processes.add_up(trained)
        losses |= {name: losses[name] + penalty for name, penalty in self.terms.pull().items()}
        self._refuse_endless("loss", loss := sum(losses.values()), rates)
        norm = self.processes.clip(trained, math.inf if self.plan.loop.clip is None else self.plan.loop.clip)
        self._refuse_endless("norm of the gradient", norm, rates)
        certifies = self.state.uncertified and max(rates.values()) > 0
        before = digests(self.network) if certifies else {}
        must = certificate.pulled(self.network, self.optimizer, rates) if certifies else {}
        slow = certificate.slow_now(self.network, must) if certifies else frozenset()
        self.optimizer.step()
        if certifies:
            stage = certificate.check_moved(self.network, before, self.state.at.step, must, slow)
            self.state.certify(stage, self.network.placed_names, waits=bool(slow))
        self.optimizer.zero_grad(set_to_none=True)
        row = {
            "step": self.state.at.step,
            "epoch": self.state.at.epoch,
            "loss": loss,
            "depths": sorted(depths),
            "rates": {str(depth): rates[depth] for depth in sorted(depths)},
            "norm": norm,
            "tokens": tokens,
        }
        return ({**row, "losses": losses} if self.terms.names else row), tokens

    def _refuse_endless(self, what: str, value: float, rates: Mapping[int, float]) -> None:
        """Stop before a number that is not finite gets into a parameter, and so into a checkpoint."""
        if not math.isfinite(value):
            raise NumericError(
                f"The {what} of step {self.state.at.step} (epoch {self.state.at.epoch + 1}) is {value}, at rates of up "
                f"to {max(rates.values()):g}. {self.folder.kept()} It would come to the same again: lower the rate "
                "(--set rate.peak=...) or clip (--set loop.clip=1), in a folder of its own."
            )

    def _backward(self, micros: Sequence[IntArray]) -> tuple[dict[str, float], int]:
        """Add up the gradient of a step; a batch that does not fit into memory is cut in two, and that is said."""
        while True:
            try:
                return self._accumulate([part for micro in micros for part in cut_in(micro, self.state.parts)])
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                self.optimizer.zero_grad(set_to_none=True)
                if self.state.parts >= max(*map(len, micros), self.terms.examples(self.state.at.step)):
                    whose = " and ".join(["the task", *self.terms.signals])
                    raise ResourceError(
                        f"Step {self.state.at.step} does not fit into memory with one example a batch (of {whose}). "
                        "Set fewer depths (train=...) or blocks (keep=...), or cut examples (--max-length)."
                    ) from error
                self.state.parts *= 2
                self.state.halved += 1
            if self.told is not None:
                parts = self.state.parts
                self.told(f"Out of memory at step {self.state.at.step}: every batch is cut into {parts} from here on.")

    def _accumulate(self, micros: Sequence[IntArray]) -> tuple[dict[str, float], int]:
        """Return the losses of a step by name, the task's first, and its tokens; gradients are added up."""
        step, whole = self.state.at.step, np.concatenate(micros)
        total, mine = self.feed.counted(whole), filter(len, map(self.processes.mine, micros))
        batches = [self.feed.batch(examples, step=step) for examples in mine]
        seed = partial(seed_dropout, self.network.device, self.plan.loop.seed, step)
        values, tokens = dict.fromkeys((TASK, *self.terms.names), 0.0), 0
        self.network.set_dropout(True)
        for number, batch in enumerate(batches):
            seed(number, self.processes.rank)
            row = torch.from_numpy(batch.row).to(self.network.device)
            with self._precision():
                ran = self.feed.run(batch)
                added = self.terms.penalties(ran, whole) | self.terms.of_task(ran, whole, step)
            terms = {TASK: self.network.head.loss(ran.scores.float(), row, self._gold(batch)) / total, **added}
            torch.stack([*terms.values()]).sum().backward()
            for name, value in terms.items():
                values[name] += float(value.detach())
            tokens += batch.tokens
        seed(len(batches), self.processes.rank)
        with self._precision():
            part = self.processes.rank, self.processes.count
            for name, loss in self.terms.signal_losses(step, *part, parts=self.state.parts):
                loss.backward()
                values[name] += float(loss.detach())
        return {name: self.processes.total(value) for name, value in values.items()}, int(self.processes.total(tokens))

    def _gold(self, batch: Any) -> Tensor:
        gold = gold_of(self.data, batch, self.network.device)
        return gold if self.data.targets != "numbers" else (gold - self.centre) / self.spread

    def _precision(self) -> Any:
        if self.plan.loop.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.network.device.type, dtype=torch.bfloat16)

    def _end_epoch(self, log: RunLog) -> None:
        value = self.dev.value(self.predicted("dev"))
        better = self.state.at.best is None or value > self.state.at.best
        if better:
            # What trains only later as well: the best may be of before.
            self.state.best = copied(self.network, self.plan.depths)
        self.state.at = replace(
            self.state.at,
            epoch=self.state.at.epoch + 1,
            place=0,
            best=value if better else self.state.at.best,
            best_epoch=self.state.at.epoch + 1 if better else self.state.at.best_epoch,
            waited=0 if better else self.state.at.waited + 1,
        )
        self._note(log, {"step": self.state.at.step, "epoch": self.state.at.epoch, "dev": {self.dev.metrics[0]: value}})

    def predicted(self, split: str) -> NDArray[np.float64]:
        """Return what the network predicts of a split now: codes, or numbers as the task gives them."""
        return self.feed.predict(self.data.examples(split)) * self.spread + self.centre
