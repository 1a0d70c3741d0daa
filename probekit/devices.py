"""Where tensors are worked on: the one rule for the name of a device, and the threads of the CPU that share a pass.

Enters: a name, and what the work needs of the device; or a function of a part's number. Leaves: the name of a device
that torch sees here; the function's values in order. torch is imported when it is asked, not before. A model that does
not fit on one device is asked for by a :class:`DeviceMap` in the place of the name.
"""

from __future__ import annotations

import re
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from probekit import plain
from probekit.amounts import read_bytes
from probekit.errors import UsageError

T = TypeVar("T")
STATUS = Path("/proc/self/status")
DEVICES = ("auto", "cpu", "cuda", "mps")
PREFERENCE = ("cuda", "mps", "cpu")
WITHOUT_FLOAT64 = {"mps"}
"""Apple's GPUs."""
MAPS = ("auto", "sequential")
"""How a model is spread: evenly over the GPUs, or filling them one by one; behind them come the CPU and the disk."""
WITHOUT_CONTROLS = (
    "A control model ({}) is made on the CPU as a whole and named by that state, so it must fit into memory: it has no "
    "use with --device-map. Leave one of them out."
)
_ROOM = re.compile(r"cpu|[0-9]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """A model over several devices, its first blocks on the fastest of them.

    Attributes
    ----------
    kind : str
        One of :data:`MAPS`.
    max_memory : tuple of (str, int)
        Bytes of weights that a device may hold: ``0`` is the first GPU, ``cpu``. Empty: what is free; else devices that
        are not named hold none.
    offload : Path or None
        Where the temporary folder lies of weights that cannot be read from the files of the model as they are; None:
        where temporary files are.
    highest : int or None
        Blocks above this one stay on disk: nothing reads them. None: all are read.
    """

    kind: str = "auto"
    max_memory: tuple[tuple[str, int], ...] = ()
    offload: Path | None = None
    highest: int | None = None


def place_of(device: Any, device_map: Any = None, max_memory: Any = None, offload: Any = None) -> str | DeviceMap:
    """Return where a model shall lie: on a device, or over several.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
    device_map : {"auto", "sequential"} or None
        None: on the device alone.
    max_memory : str, mapping or None
        ``"0=20GB,cpu=8GB"``, or ``{0: "20GB", "cpu": 8_000_000_000}``.
    offload : path or None

    Raises
    ------
    UsageError
        Options that say nothing without a device map, a device beside one, or memory that cannot be read.
    """
    device = plain.choice(device, "device", DEVICES)
    if device_map is None:
        for name, given in (("max_memory", max_memory), ("offload", offload)):
            if given is not None:
                raise UsageError(
                    f"The `{name}` option is of a model over several devices, so it needs the `device_map` option "
                    "(--device-map auto)."
                )
        return device
    if device != "auto":
        raise UsageError(
            f"The `device_map` option places the model itself, so it has no use with --device {device}. Leave one of "
            "them out; --max-memory names the devices that may be used."
        )
    where = None if offload is None else plain.path(offload, "offload")
    return DeviceMap(plain.choice(device_map, "device_map", MAPS), _rooms(max_memory), where)


def _rooms(given: Any) -> tuple[tuple[str, int], ...]:
    """Return (device, bytes) of what is written as ``0=20GB,cpu=8GB``, or as a mapping of the same."""
    if given is None:
        return ()
    wanted = "one amount for each device, like 0=20GB,cpu=8GB"
    pairs = (
        given.items() if isinstance(given, Mapping) else [part.partition("=")[::2] for part in str(given).split(",")]
    )
    found: dict[str, int] = {}
    for device, room in pairs:
        match = _ROOM.fullmatch(str(device).strip())
        if match is None or (name := match[0] if match[0] == "cpu" else str(int(match[0]))) in found:
            raise plain.refused("max_memory", wanted, given)
        try:
            found[name] = read_bytes(room, "max_memory", least=0)
        except UsageError:
            raise plain.refused("max_memory", wanted, given) from None
    return tuple(found.items())


def present_devices() -> tuple[str, ...]:
    """Return the devices that torch sees here, the fastest first."""
    import torch

    seen = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return tuple(name for name in PREFERENCE if seen[name])


def peak_memory() -> int:
    """Return the most bytes that this process has held in memory."""
    # Linux hands the largest size of a parent down to its child among the other resources, but not in its status.
    if STATUS.is_file() and (found := re.search(r"VmHWM:\s+(\d+)", STATUS.read_text())):
        return int(found.group(1)) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def out_of_memory(error: BaseException) -> bool:
    """Tell whether memory ran out: of Python, of a device, or, which torch tells by words alone, of a CPU."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def choose_device(name: str | DeviceMap, *, float64: bool = False) -> str:
    """Return the device that a name means: itself, or for ``auto`` the fastest that is here and will do.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "mps"}
        What can work over several devices asks for none here.
    float64 : bool
        Whether the work needs double precision.

    Raises
    ------
    UsageError
        No such device, none here, one without float64 where that is needed, or a model over several devices where one
        is needed.
    """
    if isinstance(name, DeviceMap):
        raise UsageError(
            "A model over several devices (--device-map) is read and scored; this needs it on one device: tables of "
            "vectors, control models, and whatever changes or trains a model. Leave out --device-map."
        )
    name = plain.choice(name, "device", DEVICES)
    here = present_devices()
    if name == "auto":
        return next(device for device in here if not (float64 and device in WITHOUT_FLOAT64))
    if name not in here:
        raise UsageError(f"The `device` option says '{name}', but torch sees no such device here. Use auto or cpu.")
    if float64 and name in WITHOUT_FLOAT64:
        raise UsageError(f"Fits are decided in float64, which {name.upper()} does not have. Use --device auto or cpu.")
    return name


class Workers:
    """A pool of single-core threads and one that drives them; a context manager.

    torch's own threads are not used: they meet at a barrier after every small operation, which on a busy machine costs
    more than the operation; here each thread takes its share of a whole pass, and they meet once.

    Parameters
    ----------
    n : int, optional
        Threads that take parts; by default as many as torch would use.
    """

    def __init__(self, n: int | None = None) -> None:
        import torch

        cores = torch.get_num_threads()
        self.n = n or cores
        self._pool = ThreadPoolExecutor(self.n + 1, "probe")
        ready = threading.Barrier(self.n + 2)
        waiting = [self._pool.submit(_use_one_core, ready) for _ in range(self.n + 1)]
        ready.wait()
        for future in waiting:
            future.result()
        # The call in the threads also changed what torch gives to threads that start later.
        torch.set_num_threads(cores)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()

    def map(self, function: Callable[[int], T]) -> list[T]:
        """Run ``function(0) ... function(n - 1)``, each on a core of its own."""
        waiting = [self._pool.submit(function, part) for part in range(self.n)]
        return [future.result() for future in waiting]

    def drive(self, function: Callable[[], T]) -> T:
        """Run a function that calls :meth:`map`, itself on one core."""
        return self._pool.submit(function).result()


def drive_on(device: Any, function: Callable[[Workers | None], T]) -> T:
    """Run a function with workers on the CPU, which it shares rows among; other devices need none."""
    import torch

    if torch.device(device).type != "cpu":
        return function(None)
    with Workers() as workers:
        return workers.drive(lambda: function(workers))


def _use_one_core(ready: threading.Barrier) -> None:
    import torch

    torch.set_num_threads(1)
    # Asking makes torch settle this thread's count now, while the default is one.
    torch.get_num_threads()
    ready.wait()
