"""Faults for real: children killed or failed at the n-th system call that a cache makes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

CALLS = (
    "pwrite",
    "write",
    "fsync",
    "link",
    "rename",
    "replace",
    "posix_fallocate",
    "unlink",
    "rmdir",
    "mkdir",
    "open",
)
REFUSED, FAILED = 4, 6
SIGKILLED = -9


class Shim:
    """Counts the calls of `os` functions and acts at the n-th (from 1)."""

    def __init__(self, at: int, act: Callable[[str], None], *, calls: tuple[str, ...] = CALLS) -> None:
        self.at, self.act, self.calls = at, act, calls
        self.names: list[str] = []

    @property
    def count(self) -> int:
        return len(self.names)

    @contextmanager
    def active(self) -> Iterator[None]:
        real = {name: getattr(os, name) for name in self.calls}
        try:
            for name in self.calls:
                setattr(os, name, self._wrapped(name, real[name]))
            yield
        finally:
            for name in self.calls:
                setattr(os, name, real[name])

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def shimmed(*values: Any, **options: Any) -> Any:
            self.names.append(name)
            if self.count == self.at:
                self.act(name)
            return call(*values, **options)

        return shimmed


def kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail_with(number: int) -> Callable[[str], None]:
    def fail(_: str) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def calls_of(work: Callable[[], object]) -> list[str]:
    """The names of all the calls that an undisturbed run makes, in order."""
    shim = Shim(0, kill)
    with shim.active():
        work()
    return shim.names
