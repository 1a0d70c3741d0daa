"""Proof that what trains is what the plan names: every parameter and buffer compared, nothing believed of flags.

Enters: a network before and after the first step of a stage that pulls. Leaves: a line of the certificate, or a
:class:`~probekit.errors.NumericError` that names the difference. ``requires_grad`` says what was meant, so it is not
looked at: bytes are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probekit.errors import NumericError
from probekit.tuning.network.network import Network

Digests = dict[str, str]
NAMED = 5
ADAM_EPS = 1e-8


def digests(network: Network) -> Digests:
    """Return the sha256 of every parameter and buffer by name."""
    return {name: digest(tensor) for name, tensor in network.tensors()}


def digest(tensor: Tensor) -> str:
    """Return the sha256 of the bytes of a tensor."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(flat.view(torch.uint8).numpy().data).hexdigest()


def pulls(parameter: Tensor, rate: float) -> bool:
    """Tell whether a step of Adam at a rate must move a number; those of a slow warm-up may round to none."""
    grad = parameter.grad
    if grad is None:
        return False
    size = grad.detach().abs()
    step = rate * size / (size + ADAM_EPS)
    value = parameter.detach().abs()
    spacing = torch.nextafter(value, torch.full_like(value, torch.inf)) - value
    return bool((step > spacing).any())


@dataclass(frozen=True, slots=True)
class CertifiedStage:
    """What a stage moved.

    Attributes
    ----------
    step : int
        Its first step that pulls.
    depths : tuple of int
        That train, as the plan has it.
    moved : int
        Parameters that moved; they are those of these depths.
    still : tuple of str
        Parameters of these depths that nothing pulled at: every gradient was zero, or its step less than rounding.
    """

    step: int
    depths: tuple[int, ...]
    moved: int
    still: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"step": self.step, "depths": list(self.depths), "moved": self.moved, "still": list(self.still)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> CertifiedStage:
        """Read what :meth:`to_json` gave."""
        return cls(document["step"], tuple(document["depths"]), document["moved"], tuple(document["still"]))


def check_moved(network: Network, before: Digests, step: int, pulled: Mapping[str, bool]) -> CertifiedStage:
    """Compare what moved in a step with what trains.

    Parameters
    ----------
    network : Network
    before : dict of str to str
        Digests from before the step.
    step : int
    pulled : mapping of str to bool
        What :func:`pulls` said of each parameter with a gradient; those without one are not in it.

    Raises
    ------
    NumericError
        Something frozen moved, or something that trains did not.
    """
    after = digests(network)
    moved = {name for name, value in after.items() if before[name] != value}
    planned = {name for depth in network.trained for name in network.named(depth)}
    wrong = sorted(moved - planned)
    stuck = sorted(name for name in planned - moved if pulled.get(name, True))
    still = sorted(name for name in planned - moved if not pulled.get(name, True))
    own = {depth: set(network.named(depth)) for depth in sorted(network.trained)}  # empty where blocks share parameters
    whole = [depth for depth, names in own.items() if names and names <= {*still, *stuck}]
    if wrong or stuck or whole:
        raise NumericError(
            f"Step {step} does not train what the plan names (depths {', '.join(map(str, sorted(network.trained)))}): "
            + "; ".join(_differences(wrong, stuck, whole))
            + ". The run is stopped; nothing of it is kept as a result."
        )
    return CertifiedStage(step, tuple(sorted(network.trained)), len(moved), tuple(still))


def check_frozen(network: Network, first: Digests, ever: frozenset[int]) -> int:
    """Compare everything that no stage trained with how it was loaded; return how many tensors that is.

    Raises
    ------
    NumericError
        Something frozen is not bit for bit what it was.
    """
    trained = {name for depth in ever for name in network.named(depth)}
    frozen = {name: value for name, value in digests(network).items() if name not in trained}
    if changed := sorted(name for name, value in frozen.items() if first[name] != value):
        raise NumericError(
            f"{len(changed)} frozen parameters or buffers changed during training: {_shown(changed)}. The result "
            "cannot be trusted."
        )
    return len(frozen)


def _differences(wrong: Sequence[str], stuck: Sequence[str], whole: Sequence[int]) -> list[str]:
    said = []
    if wrong:
        said.append(f"{len(wrong)} moved that are frozen: {_shown(wrong)}")
    if stuck:
        said.append(f"{len(stuck)} did not move: {_shown(stuck)}")
    if whole:
        said.append(f"nothing at depth {', '.join(map(str, whole))} moved")
    return said


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
