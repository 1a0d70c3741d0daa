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

from probekit.errors import NumericError, UsageError
from probekit.tuning.network.network import Network

Digests = dict[str, str]
NAMED = 5
ADAM_EPS, BETAS = 1e-8, (0.9, 0.999)
SIGNALS = "signals."
"""How the names of parameters of signals begin in a network."""


def digests(network: Network) -> Digests:
    """Return the sha256 of every parameter and buffer by name."""
    return {name: digest(tensor) for name, tensor in network.tensors()}


def digest(tensor: Tensor) -> str:
    """Return the sha256 of the bytes of a tensor."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(flat.view(torch.uint8).numpy().data).hexdigest()


def pulls(parameter: Tensor, rate: float, moments: Mapping[str, Tensor] | None = None) -> bool:
    """Tell whether a step of Adam at a rate must move a number; those of a slow warm-up may round to none.

    Parameters
    ----------
    parameter : Tensor
        With its gradient.
    rate : float
    moments : mapping of str to Tensor, optional
        What the optimizer knows of it from the steps before; empty or None before the first.
    """
    grad = parameter.grad
    if grad is None:
        return False
    mean, square, taken = grad.detach(), grad.detach().square(), 0.0
    if moments:
        taken = float(moments["step"])
        mean = BETAS[0] * moments["exp_avg"] + (1 - BETAS[0]) * mean
        square = BETAS[1] * moments["exp_avg_sq"] + (1 - BETAS[1]) * square
        mean, square = (own / (1 - beta ** (taken + 1)) for own, beta in zip((mean, square), BETAS, strict=True))
    return bool((rate * mean.abs() / (square.sqrt() + ADAM_EPS) > spacing_of(parameter)).any())


def spacing_of(parameter: Tensor) -> Tensor:
    """Return how far the next number is from each of a parameter."""
    value = parameter.detach().abs()
    return torch.nextafter(value, torch.full_like(value, torch.inf)) - value


def pulled(network: Network, optimizer: torch.optim.Optimizer, rates: Mapping[int, float]) -> dict[str, bool]:
    """Return what :func:`pulls` says of each parameter that trains now and has a gradient.

    A signal's, which may have no weight yet, are in it without one.
    """
    own = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    return {
        name: pulls(parameter, own.get(parameter, rates[depth]), optimizer.state.get(parameter))
        for depth in network.trained
        for name, parameter in network.named(depth).items()
        if parameter.grad is not None or name.startswith(SIGNALS)
    }


def slow_now(network: Network, must: Mapping[str, bool]) -> frozenset[int]:
    """Return the depths of which nothing must move (:func:`pulled`) although they have slopes: rates are low yet."""
    each = {depth: network.named(depth) for depth in network.trained}
    return frozenset(
        depth
        for depth, own in each.items()
        if not any(must.get(name, False) for name in own)
        and any(one.grad is not None and bool(one.grad.any()) for one in own.values())
    )


def refuse_too_slow(network: Network, depths: Sequence[int], peaks: Mapping[int, float]) -> None:
    """Refuse depths whose peak rate could not move a single number.

    Raises
    ------
    UsageError
    """
    each = {depth: network.named(depth).values() for depth in depths}
    slow = [
        depth
        for depth, some in each.items()
        if some and not any(bool((peaks[depth] > spacing_of(parameter)).any()) for parameter in some)
    ]
    if slow:
        named = ", ".join(f"{depth} at {peaks[depth]:.1g}" for depth in slow)
        raise UsageError(
            f"Rates of some depths (train) are less than what tells any of their numbers from the next, so that they "
            f"would never move: {named}. Raise rate.peak or rate.depth_factor, or leave these depths out of train."
        )


def never_moved(network: Network, stages: Sequence[CertifiedStage]) -> list[str]:
    """Say which depths trained and did not move, since their rates stayed too low."""
    still = {name for stage in stages for name in stage.still}
    depths = sorted({depth for stage in stages for depth in stage.depths})
    slow = [depth for depth in depths if (own := set(network.named(depth))) and own <= still]
    return [f"Depth {depth} never moved: its rates stayed below what tells its numbers apart." for depth in slow]


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


def check_moved(
    network: Network, before: Digests, step: int, pulled: Mapping[str, bool], slow: frozenset[int] = frozenset()
) -> CertifiedStage:
    """Compare what moved in a step with what trains.

    Parameters
    ----------
    network : Network
    before : dict of str to str
        Digests from before the step.
    step : int
    pulled : mapping of str to bool
        What :func:`pulls` said of each parameter with a gradient; those without one are not in it.
    slow : frozenset of int
        Depths that need not move yet (:func:`slow_now`).

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
    whole = [depth for depth, names in own.items() if names and names <= {*still, *stuck} and depth not in slow]
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
