"""Where tensors live: the one rule for the name of a device, for models and for fits alike.

Enters: a name, and what the work needs of the device. Leaves: the name of a device that torch sees here. torch is
imported when it is asked, not before.
"""

from __future__ import annotations

from probekit import plain
from probekit.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")
PREFERENCE = ("cuda", "mps", "cpu")
WITHOUT_FLOAT64 = {"mps"}
"""Apple's GPUs."""


def present_devices() -> tuple[str, ...]:
    """Return the devices that torch sees here, the fastest first."""
    import torch

    seen = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return tuple(name for name in PREFERENCE if seen[name])


def choose_device(name: str, *, float64: bool = False) -> str:
    """Return the device that a name means: itself, or for ``auto`` the fastest that is here and will do.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "mps"}
    float64 : bool
        Whether the work needs double precision.

    Raises
    ------
    UsageError
        No such device, none here, or one without float64 where that is needed.
    """
    name = plain.choice(name, "device", DEVICES)
    here = present_devices()
    if name == "auto":
        return next(device for device in here if not (float64 and device in WITHOUT_FLOAT64))
    if name not in here:
        raise UsageError(f"The `device` option says '{name}', but torch sees no such device here. Use auto or cpu.")
    if float64 and name in WITHOUT_FLOAT64:
        raise UsageError(f"Fits are decided in float64, which {name.upper()} does not have. Use --device auto or cpu.")
    return name
