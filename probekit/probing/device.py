"""Where fits run."""

from __future__ import annotations

from probekit.errors import UsageError, did_you_mean


def device_for(name: str) -> str:
    """Return the device that a name means; ``auto`` is CUDA where there is one, else the CPU.

    Apple's GPU is not chosen by itself: the solver works in float64 where it decides.
    """
    choices = ("auto", "cpu", "cuda", "mps")
    if name not in choices:
        raise UsageError(
            f"The `device` option must be one of {', '.join(choices)}. Got '{name}'.{did_you_mean(name, choices)}"
        )
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[name]:
        raise UsageError(f"The `device` option says '{name}', but torch sees no such device here. Use auto or cpu.")
    return name
