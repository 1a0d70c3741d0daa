"""Threads that each run torch on one core, over parts of the rows.

What enters: a function of a part's number. What leaves: its values in order. The surprise: torch's
own threads are not used. They meet at a barrier after every small operation, which on a busy machine
costs more than the operation; here each thread takes its share of a whole pass, and they meet once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

import torch

T = TypeVar("T")


class Workers:
    """A pool of single-core threads and one that drives them; a context manager.

    Parameters
    ----------
    n : int, optional
        Threads that take parts; by default as many as torch would use.
    """

    def __init__(self, n: int | None = None) -> None:
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


def drive_on(device: torch.device | str, function: Callable[[Workers | None], T]) -> T:
    """Run a function with workers on the CPU, which it shares rows among; other devices need none."""
    if torch.device(device).type != "cpu":
        return function(None)
    with Workers() as workers:
        return workers.drive(lambda: function(workers))


def _use_one_core(ready: threading.Barrier) -> None:
    torch.set_num_threads(1)
    # Asking makes torch settle this thread's count now, while the default is one.
    torch.get_num_threads()
    ready.wait()
