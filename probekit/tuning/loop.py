"""The one loop: steps, stages, what is logged, kept and chosen.

Enters: a network, a plan, targets. Leaves: the network at its best on dev, and a :class:`Fitted`. The order of an epoch
is a function of (seed, epoch) and dropout of (seed, step), so that a run needs one number to go on, and gives the same
losses bit for bit as one that was never stopped. A step's loss is the mean over its targets, however many small
batches, or processes, it was cut into.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import NumericError, ResourceError
from probekit.tuning.certificate import CertifiedStage, Digests, check_frozen, check_moved, digests
from probekit.tuning.course import Course
from probekit.tuning.data import TuningData
from probekit.tuning.feed import Feed
from probekit.tuning.folder import LOG, RunFolder, RunLog
from probekit.tuning.layout import gold_of
from probekit.tuning.network import Network
from probekit.tuning.optimizer import make_optimizer, moments, restore_moments, set_rates
from probekit.tuning.order import epoch_batches
from probekit.tuning.plan import TunePlan
from probekit.tuning.processes import Processes
from probekit.tuning.scoring import SplitScorer

IntArray = NDArray[np.int64]
Progress = Callable[[float, str], None]
MINUTES = 5.0
"""Between checkpoints."""


@dataclass(frozen=True, slots=True)
class At:
    """Where a run is.

    Attributes
    ----------
    epoch, place : int
        Epochs done, steps done of the one that runs.
    step : int
        Steps done in all.
    best, best_epoch : float or None, int or None
        Main metric on dev, and the epoch behind which it was reached.
    waited : int
        Epochs since.
    tokens : int
        That were trained on.
    seconds : float
        Of training, those before an interruption among them.
    """

    epoch: int = 0
    place: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: int | None = None
    waited: int = 0
    tokens: int = 0
    seconds: float = 0.0


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
    network : Network
    plan : TunePlan
    data : TuningData
    feed : Feed
    folder : RunFolder
        Where the log and the checkpoints go; a checkpoint that is there is gone on from.
    minutes : float
        Between checkpoints.
    processes : Processes, optional
        Those that train together; by default those that were started.
    progress : callable, optional
    told : callable, optional
        Called with what a person must know: that a batch was cut in two.
    """

    def __init__(
        self,
        network: Network,
        plan: TunePlan,
        data: TuningData,
        feed: Feed,
        folder: RunFolder,
        *,
        minutes: float = MINUTES,
        processes: Processes | None = None,
        progress: Progress | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.processes = processes or Processes(network.device)
        self.network, self.plan, self.data, self.feed, self.folder = network, plan, data, feed, folder
        self.minutes, self.progress, self.told = minutes, progress, told
        self.epochs = [self._steps_of(epoch) for epoch in range(plan.loop.epochs)]
        self.total = sum(map(len, self.epochs))
        self.course = Course(plan, 1)
        self.optimizer = make_optimizer(network, plan)
        self.dev = SplitScorer(data, "dev", seed=plan.loop.seed)
        self.at = At()
        self.ever: frozenset[int] = frozenset()
        self.stages: list[CertifiedStage] = []
        self.best: dict[str, Tensor] = {}
        self.first: Digests = {}
        self.halved = 0
        self._parts = 1
        self._uncertified = True

    def fit(self) -> Fitted:
        """Train to the end, or until dev does not get better; the network is then at its best on dev.

        Raises
        ------
        NumericError
            A loss that is not finite, or a stage that trains something else than the plan names.
        ResourceError
            Memory or disk are full.
        """
        self.first = digests(self.network)
        kept = self._restore()
        self.processes.wait()
        log = RunLog(self.folder.path / LOG if self.processes.main else None, kept)
        self._saved_at = time.monotonic()
        try:
            with torch.random.fork_rng():
                stopped = self._epochs(log)
        finally:
            log.close()
            self.processes.end()
        self._load(self.best)
        self.network.set_trained(frozenset())
        frozen = check_frozen(self.network, self.first, self.ever)
        return Fitted(self.at, stopped, tuple(self.stages), frozen, self.halved)

    def _epochs(self, log: RunLog) -> bool:
        patience = self.plan.loop.patience
        while self.at.epoch < self.plan.loop.epochs:
            if patience is not None and self.at.waited >= patience:
                return True
            began = time.perf_counter()
            steps = self.epochs[self.at.epoch]
            for micros in steps[self.at.place :]:
                row, tokens = self._step(micros, self._enter_stage(len(steps)))
                done = time.perf_counter()
                self.at = replace(
                    self.at,
                    place=self.at.place + 1,
                    step=self.at.step + 1,
                    tokens=self.at.tokens + tokens,
                    seconds=self.at.seconds + done - began,
                )
                log.add({**row, "seconds": round(done - began, 6)})
                self.processes.report({"loss": row["loss"], "norm": row["norm"]}, self.at.step)
                if self.processes.main and time.monotonic() - self._saved_at >= 60 * self.minutes:
                    self._save(log)
                if self.progress is not None:
                    self.progress(self.at.step / self.total, f"epoch {self.at.epoch + 1}, loss {row['loss']:.4f}")
                began = time.perf_counter()
            self._end_epoch(log)
        return False

    def _enter_stage(self, steps: int) -> frozenset[int]:
        """Freeze and unfreeze as the schedule says; a new stage is certified by its first step that pulls."""
        now = self.at.epoch + self.at.place / steps
        depths = self.course.trains_at(now)
        if depths != self.network.trained:
            if not self.ever or min(depths) < min(self.ever):
                self.feed.set_lowest(min(depths))
            self.network.set_trained(depths)
            self.ever |= depths
            self._uncertified = True
        return depths

    def _step(self, micros: Sequence[IntArray], depths: frozenset[int]) -> tuple[dict[str, Any], int]:
        rates = self.course.rates_at(self.at.step, self.total)
        set_rates(self.optimizer, rates)
        loss, tokens = self._backward(micros)
        if not math.isfinite(loss):
            raise NumericError(
                f"The loss of step {self.at.step} (epoch {self.at.epoch + 1}) is {loss}, at rates of up to "
                f"{max(rates.values()):g}. "
                f"The last checkpoint in {self.folder.path} is kept. Lower the rate (--set rate.peak=...), or clip."
            )
        trained = [parameter for depth in sorted(depths) for parameter in self.network.named(depth).values()]
        self.processes.add_up(trained)
        norm = self.processes.clip(trained, math.inf if self.plan.loop.clip is None else self.plan.loop.clip)
        certified = self._before(max(rates.values()))
        self.optimizer.step()
        if certified is not None:
            self.stages.append(check_moved(self.network, certified[0], self.at.step, certified[1]))
            self._uncertified = False
        self.optimizer.zero_grad(set_to_none=True)
        row = {
            "step": self.at.step,
            "epoch": self.at.epoch,
            "loss": loss,
            "depths": sorted(depths),
            "rates": {str(depth): rates[depth] for depth in sorted(depths)},
            "norm": norm,
            "tokens": tokens,
        }
        return row, tokens

    def _backward(self, micros: Sequence[IntArray]) -> tuple[float, int]:
        """Add up the gradient of a step; a batch that does not fit into memory is cut in two, and that is said."""
        while True:
            try:
                return self._accumulate([part for micro in micros for part in _cut(micro, self._parts)])
            except (torch.OutOfMemoryError, MemoryError) as error:
                self.optimizer.zero_grad(set_to_none=True)
                if self._parts >= max(map(len, micros)):
                    raise ResourceError(
                        f"Step {self.at.step} does not fit into memory with one example a batch. Train fewer depths "
                        "(--set train=...), keep fewer blocks (--set keep=...), or cut long examples (--max-length)."
                    ) from error
                self._parts *= 2
                self.halved += 1
            if self.told is not None:
                self.told(f"Out of memory at step {self.at.step}: every batch is cut into {self._parts} from here on.")

    def _accumulate(self, micros: Sequence[IntArray]) -> tuple[float, int]:
        held = self.data.held[np.concatenate(micros)]
        total = int((held[:, 1] - held[:, 0]).sum())
        mine = [self.processes.mine(micro) for micro in micros]
        batches = [self.feed.batch(examples) for examples in mine if len(examples)]
        value, tokens = 0.0, 0
        self.network.set_dropout(True)
        for number, batch in enumerate(batches):
            torch.manual_seed(_seed(self.plan.loop.seed, self.at.step, number, self.processes.rank))
            row = torch.from_numpy(batch.row).to(self.network.device)
            with self._precision():
                scores = self.feed.scores(batch)
            loss = self.network.head.loss(scores.float(), row, self._gold(batch)) / total
            loss.backward()
            value += float(loss.detach())
            tokens += batch.tokens
        return self.processes.total(value), int(self.processes.total(tokens))

    def _gold(self, batch: Any) -> Tensor:
        gold = gold_of(self.data, batch, self.network.device)
        return gold if self.data.targets == "labels" else (gold - self.data.centre) / self.data.spread

    def _precision(self) -> Any:
        if self.plan.loop.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.network.device.type, dtype=torch.bfloat16)

    def _before(self, rate: float) -> tuple[Digests, dict[str, bool]] | None:
        """Return the digests and gradients that a new stage is certified by; None where nothing is to be certified."""
        if not self._uncertified or rate <= 0:
            return None
        pulled = {
            name: bool((parameter.grad != 0).any())
            for name, parameter in self.network.named_parameters()
            if parameter.grad is not None
        }
        return digests(self.network), pulled

    def _end_epoch(self, log: RunLog) -> None:
        value = self.dev.value(self.predicted("dev"))
        better = self.at.best is None or value > self.at.best
        if better:
            self.best = self._changed()
        self.at = replace(
            self.at,
            epoch=self.at.epoch + 1,
            place=0,
            best=value if better else self.at.best,
            best_epoch=self.at.epoch + 1 if better else self.at.best_epoch,
            waited=0 if better else self.at.waited + 1,
        )
        log.add({"step": self.at.step, "epoch": self.at.epoch, "dev": {self.dev.metrics[0]: value}})
        self.processes.report({f"dev_{self.dev.metrics[0]}": value}, self.at.step)

    def predicted(self, split: str) -> NDArray[np.float64]:
        """Return what the network predicts of a split now: codes, or numbers as the task gives them."""
        found = self.feed.predict(self.data.examples(split))
        return found if self.data.targets == "labels" else found * self.data.spread + self.data.centre

    def _changed(self) -> dict[str, Tensor]:
        """Copy what has trained so far."""
        return {
            name: parameter.detach().clone()
            for depth in sorted(self.ever)
            for name, parameter in self.network.named(depth).items()
        }

    def _load(self, tensors: dict[str, Tensor]) -> None:
        parameters = dict(self.network.named_parameters())
        with torch.no_grad():
            for name, value in tensors.items():
                parameters[name].copy_(value)

    def _save(self, log: RunLog) -> None:
        state = {
            "at": asdict(self.at),
            "log": log.sync(),
            "depths": sorted(self.network.trained),
            "ever": sorted(self.ever),
            "stages": [stage.to_json() for stage in self.stages],
            "uncertified": self._uncertified,
            "parts": self._parts,
            "halved": self.halved,
        }
        tensors = {
            "delta": self._changed(),
            "optimizer": moments(self.network, self.optimizer),
            "best": self.best,
        }
        self.folder.save_checkpoint(self.at.step, state, tensors)
        self._saved_at = time.monotonic()

    def _restore(self) -> int:
        """Go on from a checkpoint; return the bytes of the log that stay."""
        found = self.folder.checkpoint()
        if found is None:
            return 0
        inside = RunFolder(found)
        state = inside.read("state.json")
        assert state is not None
        self.at = At(**state["at"])
        self.ever = frozenset(state["ever"])
        self._load(inside.read_tensors("delta.safetensors"))
        restore_moments(self.network, self.optimizer, inside.read_tensors("optimizer.safetensors"))
        self.best = inside.read_tensors("best.safetensors")
        self.stages = [CertifiedStage.from_json(stage) for stage in state["stages"]]
        self.halved, self._parts = state["halved"], state["parts"]
        self.network.set_trained(frozenset(state["depths"]))
        self.feed.set_lowest(min(self.ever))
        self._uncertified = bool(state["uncertified"])
        return int(state["log"])

    def _steps_of(self, epoch: int) -> list[list[IntArray]]:
        """Return the steps of an epoch, each of so many micro-batches as are accumulated."""
        loop, examples = self.plan.loop, self.data.training
        batches = epoch_batches(
            examples, self.data.sizes[examples], seed=loop.seed, epoch=epoch, batch_tokens=loop.batch_tokens
        )
        return [batches[start : start + loop.accumulate] for start in range(0, len(batches), loop.accumulate)]


def _cut(examples: IntArray, parts: int) -> Iterator[IntArray]:
    """Cut a batch into parts that are not empty."""
    yield from (part for part in np.array_split(examples, min(parts, len(examples))) if len(part))


def _seed(*numbers: int) -> int:
    """Return the seed of the dropout of one micro-batch, of the numbers that it depends on."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
