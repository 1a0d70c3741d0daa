"""Another task as a signal: its corpus, its head, and how often it has a batch.

Enters: a run before its first step, a task and a corpus by name. Leaves: a :class:`TaskSignal`. How many batches it has
at a step is no lot but a count: the whole part of what the sampling asks for up to there, so that both tasks have as
many batches as it says. Surprise: each of its batches counts as one of the task's, so several at a step are added up.

References
----------
.. [1] Stickland & Murray 2019, BERT and PALs: tasks are drawn by size to the power of 1 - 0.8 (e - 1) / (E - 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit import plain
from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError
from probekit.tasks import get_task
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.data.data import TuningData, from_model
from probekit.tuning.data.layout import ExampleBatch, cut_rows, gold_of
from probekit.tuning.data.order import EndlessBatches, epoch_steps
from probekit.tuning.data.reading import further
from probekit.tuning.data.shared import shared_note, shared_texts
from probekit.tuning.heads import HeadSpec, get_head
from probekit.tuning.network.feed import Feed
from probekit.tuning.network.network import Network
from probekit.tuning.plan import TunePlan
from probekit.tuning.readout.batch import TokenBatch

if TYPE_CHECKING:
    from probekit.tuning.signals import SignalSpec

SAMPLINGS = ("annealed", "root", "proportional")
FALL = 0.8
"""By how much the power falls from the first epoch to the last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; attributes as the options of the signal.

    Attributes
    ----------
    on, sampling : str
    until : int
    head, targets : str
    """

    on: str
    sampling: str
    until: int
    head: str
    targets: str


@dataclass(frozen=True, slots=True)
class TaskBatch:
    """A batch of the other task, and what the loss of one of its targets counts in the mean over those of a step."""

    laid: ExampleBatch
    counts: float


def task_signal(spec: SignalSpec, asked: Asked) -> TaskSignal:
    """Open the corpus and return the signal.

    Raises
    ------
    UsageError
        No task or no corpus is named, there is no such sampling, the head does not fit, or none of the model trains.
    InputError
        There is nothing to learn in the corpus.
    """
    name, sign, where = asked.on.partition("@")
    if not (name and sign and where):
        raise UsageError(
            f"Another task is named with its corpus: --with TASK@CORPUS:WEIGHT (multitask:on=TASK@CORPUS). Got "
            f"'{asked.on}'."
        )
    plain.choice(asked.sampling, "sampling", SAMPLINGS)
    plan = spec.plan
    if min(plan.depths) > plan.keep:
        raise UsageError(
            f"Nothing of the model itself trains (train=), so '{asked.on}' shares nothing with the task. Leave it out."
        )
    how = further(spec.feed.data.reading)
    try:
        data = from_model(spec.network.loaded, open_corpus(where), get_task(name), targets=asked.targets, spec=how)
    except (UsageError, InputError) as error:
        raise type(error)(f"--with {asked.on} (targets={asked.targets}): {error}") from error
    return TaskSignal(spec, data, asked)


def shares(
    plan: TunePlan, sampling: str, *, steps: Sequence[Sequence[int]], sizes: tuple[int, int], until: int
) -> NDArray[np.float64]:
    """Return how many batches another task is to have at each step, in fractions.

    Parameters
    ----------
    plan : TunePlan
    sampling : str
        One of :data:`SAMPLINGS`.
    steps : sequence of sequence of int
        Batches of the own task at each step of each epoch.
    sizes : tuple of int, int
        Batches of an epoch of the other task, and of the own one.
    until : int
        Epochs that it takes part in; 0: all.
    """
    found: list[NDArray[np.float64]] = []
    last = max(1, plan.loop.epochs - 1)
    for epoch, counts in enumerate(steps):
        power = {"proportional": 1.0, "root": 0.5}.get(sampling, 1 - FALL * epoch / last)
        ratio = (sizes[0] / sizes[1]) ** power if not until or epoch < until else 0.0
        found.append(ratio * np.array(counts, np.float64))
    return np.concatenate(found)


class TaskSignal(SignalModule):
    """The loss of another task with a head of its own on the layers that the plan reads.

    Parameters
    ----------
    spec : SignalSpec
    data : TuningData
        Its targets; those of ``train`` are learned from.
    asked : Asked
    """

    def __init__(self, spec: SignalSpec, data: TuningData, asked: Asked) -> None:
        super().__init__(spec)
        loop, own = spec.plan.loop, spec.feed.data
        self.data = self.judged = data
        self._feed = Feed(spec.network, data, batch_tokens=loop.batch_tokens)
        member = get_head(asked.head)
        if member.reads == "logits":
            raise UsageError(
                f"The head '{asked.head}' is the model's own and answers no other task. Name another head."
            )
        self.head = member.make(
            HeadSpec(
                width=spec.network.head.spec.width,
                outputs=data.outputs,
                targets=data.targets,
                kind=data.task.kind,
                pool=member.pools[0],
                classes=data.classes,
                seed=loop.seed,
            ),
            {},
        )
        self.order = EndlessBatches(data.training, data.sizes[data.training], batch_tokens=loop.batch_tokens)
        sizes = own.sizes[own.training]
        epochs = [epoch_steps(own.training, sizes, loop=loop, epoch=epoch) for epoch in range(loop.epochs)]
        steps = [[len(step) for step in epoch] for epoch in epochs]
        both = len(self.order.epoch(loop.seed, 0)), sum(steps[0])
        self._own = [count for counts in steps for count in counts]
        asks = shares(spec.plan, asked.sampling, steps=steps, sizes=both, until=asked.until)
        # A sum of floats may fall short of a whole number that it should reach.
        self._begun = np.concatenate([[0], np.floor(np.cumsum(asks) + 1e-9)]).astype(np.int64)
        part = f" in epochs 1 to {asked.until}" if asked.until else ""
        self.remarks = [
            f"{asked.on}: {both[0]:,} batches an epoch beside {both[1]:,} of the task; sampling '{asked.sampling}' "
            f"gives it {self._begun[-1]:,} in {len(asks):,} steps{part}.",
            *(f"{asked.on}: {note}" for note in (*data.notes, *self._feed.remarks)),
            shared_note(shared_texts(own, data), asked.on),
        ]

    def batches(self, seed: int, step: int) -> Sequence[TaskBatch]:
        """Return the batches of a step, as many as the sampling says: they follow one another through its epochs."""
        numbers = range(int(self._begun[step]), int(self._begun[step + 1]))
        counts = len(numbers) / self._own[step]
        laid = [self._feed.batch(self.order.numbered(seed, number)) for number in numbers]
        return [TaskBatch(batch, counts / len(batch.row)) for batch in laid]

    def cut(self, batch: TaskBatch, parts: int) -> Sequence[TaskBatch]:
        """Return a batch in parts of whole examples."""
        return [TaskBatch(laid, batch.counts) for laid in cut_rows(batch.laid, parts)]

    def predict(self, network: Network, split: str) -> NDArray[np.float64]:
        """Return what its own head predicts of a split: codes, or numbers as the task gives them."""

        def answer(laid: ExampleBatch) -> Tensor:
            scores = self.outputs(network, TaskBatch(laid, 1.0)).float()
            return self.head.answer(
                scores, torch.from_numpy(laid.row).to(scores.device), gold_of(self.data, laid, scores.device)
            )

        centre, spread = (self.data.centre, self.data.spread) if self.data.targets == "numbers" else (0.0, 1.0)
        return self._feed.predict(self.data.examples(split), answer) * spread + centre

    def outputs(self, network: Network, batch: TaskBatch) -> Tensor:
        """Return the scores of its head [n, outputs]."""
        laid: TokenBatch = network.laid_out(batch.laid, {})
        scores: Tensor = self.head(laid.with_states(network.sized(laid.states)))
        return scores

    def loss(self, outputs: Tensor, batch: TaskBatch) -> Tensor:
        """Return the mean loss of the targets of a batch, counted as one of the batches of the task."""
        gold = gold_of(self.data, batch.laid, outputs.device)
        if self.data.targets == "numbers":
            gold = (gold - self.data.centre) / self.data.spread
        row = torch.from_numpy(batch.laid.row).to(outputs.device)
        loss: Tensor = self.head.loss(outputs.float(), row, gold)
        return loss * batch.counts
