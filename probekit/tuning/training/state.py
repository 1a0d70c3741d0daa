"""Where a run is, and how it is kept: what training changes beside the network itself.

Enters: a network and its optimizer. Leaves: checkpoints, and a state that goes on from one. There is no state of random
numbers in it, since order and dropout are functions of the step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor

from probekit.tuning.network.network import Network
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.saving import put
from probekit.tuning.training.certificate import CertifiedStage
from probekit.tuning.training.optimizer import moments, restore_moments


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


@dataclass(slots=True)
class TrainingState:
    """What changes while a network trains.

    Attributes
    ----------
    at : At
    ever : frozenset of int
        Depths that have trained so far.
    stages : list of CertifiedStage
    best : dict of str to Tensor
        What trains at some time, as it was when dev was at its best.
    uncertified : bool
        Whether the stage that runs is still to be certified.
    parts : int
        Parts that every batch is cut into, since it did not fit into memory.
    halved : int
        How often that was found.
    """

    at: At = field(default_factory=At)
    ever: frozenset[int] = frozenset()
    stages: list[CertifiedStage] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    uncertified: bool = True
    parts: int = 1
    halved: int = 0

    def certify(self, stage: CertifiedStage, placed: frozenset[str], *, waits: bool = False) -> None:
        """Note what a stage moved in its first step; modules, whose outer maps begin as zeros, move in its second.

        Where a depth is too slow yet to move (``waits``), the next step certifies again.
        """
        again = bool(self.stages) and self.stages[-1].depths == stage.depths
        if again:
            self.stages[-1] = replace(stage, step=self.stages[-1].step)
        else:
            self.stages.append(stage)
        self.uncertified = waits or (not again and not placed.isdisjoint(stage.still))

    def save(self, folder: RunFolder, network: Network, optimizer: torch.optim.Optimizer, logged: int) -> None:
        """Write a checkpoint; ``logged`` is the size of the log that belongs to it."""
        document = {
            "at": asdict(self.at),
            "log": logged,
            "depths": sorted(network.trained),
            "ever": sorted(self.ever),
            "stages": [stage.to_json() for stage in self.stages],
            "uncertified": self.uncertified,
            "parts": self.parts,
            "halved": self.halved,
        }
        tensors = {"delta": copied(network, self.ever), "optimizer": moments(network, optimizer), "best": self.best}
        folder.save_checkpoint(self.at.step, document, tensors)

    def restore(self, folder: RunFolder, network: Network, optimizer: torch.optim.Optimizer) -> int:
        """Go on from the newest checkpoint, if there is one; return the bytes of the log that stay."""
        found = folder.checkpoint()
        if found is None:
            return 0
        inside = RunFolder(found)
        document = inside.read("state.json")
        assert document is not None
        self.at = At(**document["at"])
        self.ever = frozenset(document["ever"])
        self.stages = [CertifiedStage.from_json(stage) for stage in document["stages"]]
        self.uncertified, self.parts, self.halved = (document[name] for name in ("uncertified", "parts", "halved"))
        put(network, inside.read_tensors("delta.safetensors"), found)
        restore_moments(network, optimizer, inside.read_tensors("optimizer.safetensors"))
        self.best = inside.read_tensors("best.safetensors")
        network.set_trained(frozenset(document["depths"]))
        return int(document["log"])


def copied(network: Network, depths: Iterable[int]) -> dict[str, Tensor]:
    """Copy the parameters of some depths, by name."""
    return {
        name: parameter.detach().clone() for depth in sorted(depths) for name, parameter in network.named(depth).items()
    }
