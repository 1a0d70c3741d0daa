"""Children forked from a test: processes that are killed and end as others do, and need not import everything again."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence

SURVIVED, BROKE = 0, 99
PATIENCE = 600.0
"""Seconds until what goes on is taken for hung; not a measure: a busy machine may be tens of times slower."""


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked child; return its exit code (a ProbekitError's own), negative for a signal."""
    return ended(start_child(work))


def start_child(work: Callable[[], object]) -> int:
    """Begin `work` in a forked child; return its number."""
    from probekit.errors import ProbekitError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads of torch, which wait
        child = os.fork()
    if child:
        return child
    code = BROKE
    try:
        _forget_threads()
        work()
        code = SURVIVED
    except ProbekitError as error:
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a child; return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _forget_threads() -> None:
    """Let nothing wait for threads of before the fork, which the child does not have."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


class Command:
    """The command line in a forked child; what it prints goes to files without a name.

    Parameters
    ----------
    words : sequence of str
    before : callable, optional
        Called in the child before the command.
    """

    def __init__(self, words: Sequence[str], *, before: Callable[[], object] = lambda: None) -> None:
        self.returncode: int | None = None
        self._said = (_unnamed(), _unnamed())
        self._child = start_child(lambda: self._run(list(words), before))

    def _run(self, words: list[str], before: Callable[[], object]) -> None:
        from probekit.cli import main

        for descriptor, file in enumerate(self._said, start=1):
            os.dup2(file, descriptor)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(number, "w", closefd=False), write_through=True) for number in (1, 2)
        )
        try:
            before()
            main(words)
        except SystemExit as end:
            os._exit(int(end.code or 0))

    @property
    def err(self) -> str:
        """What was printed on stderr until now."""
        return self._read()[1]

    def _read(self) -> tuple[str, str]:
        # Not by reading on: the child writes at the place that both share.
        out, err = (os.pread(file, os.fstat(file).st_size, 0).decode() for file in self._said)
        return out, err

    def poll(self) -> int | None:
        if self.returncode is None:
            child, status = os.waitpid(self._child, os.WNOHANG)
            if child:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self._child, number)

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Wait for the end; return stdout and stderr."""
        deadline = time.monotonic() + timeout
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if self.returncode is None:
            self.send_signal(signal.SIGKILL)
            ended(self._child)
        said = self._read()
        for file in self._said:
            os.close(file)
        assert self.returncode is not None, f"it ran for {timeout} seconds and more, and said {said}"
        return said


def _unnamed() -> int:
    descriptor, name = tempfile.mkstemp()
    os.unlink(name)
    return descriptor
