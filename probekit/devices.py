"""Where tensors are worked on: the one rule for the name of a device, and the threads of the CPU that share a pass.

Enters: a name, and what the work needs of the device; or a function of a part's number. Leaves: the name of a device
that torch sees here; the function's values in order. torch is imported when it is asked, not before.
"""

from __future__ import annotations

import re
import resource
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from probekit import plain
from probekit.errors import UsageError

T = TypeVar("T")
STATUS = Path("/proc/self/status")
DEVICES = ("auto", "cpu", "cuda", "mps")
PREFERENCE = ("cuda", "mps", "cpu")
WITHOUT_FLOAT64 = {"mps"}
"""Apple's GPUs."""


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
