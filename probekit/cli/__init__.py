"""The command line: one file a verb. Each parses, calls the function of the same name, and prints.

Data goes to stdout, progress and messages to stderr. No module here imports torch or transformers before a verb runs,
so that ``--help`` is fast. Ctrl-C and SIGTERM: the first unwinds, so that every ``finally`` runs; a later one, or an
unwinding that takes longer than :data:`GRACE` (a thread inside a long computation), ends at once; a cache survives that
as it survives ``kill -9``.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from probekit.storage.strict import dump


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path need not be UTF-8; what cannot be encoded is printed as an escape, in JSON too.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with stoppable(arguments):
            # Importing the verbs takes long enough to be interrupted.
            from probekit.cli.app import run

            code = run(arguments)
    except Stopped as stopped:
        sys.stderr.write(message(arguments, stopped))
        sys.stderr.flush()
        # Not sys.exit: threads may still compute, and nobody waits for them.
        os._exit(stopped.exit_code)
    # The work is done: what arrives now ends the process without a word, unless it was ignored.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


GRACE = 5.0
"""Seconds that the unwinding may take."""

ECHO = 1.0
"""Seconds within which a second signal is taken for an echo of the first (a process group gets both)."""

KEPT = {
    "extract": "Finished shards are kept; resume with",
    "behave": "Finished scores are kept; go on with",
    "tune": "Its last checkpoint is kept (one every --minutes); go on with",
}
"""What a command leaves behind, and how it goes on."""

WORDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


class Stopped(BaseException):
    """A signal arrived; no ``except Exception`` takes it for an error."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells say it."""
        return 128 + self.number


@contextlib.contextmanager
def stoppable(arguments: Sequence[str]) -> Iterator[None]:
    """Raise :class:`Stopped` on SIGINT and SIGTERM inside; a signal that was ignored stays ignored.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line, for the message where the unwinding is cut short.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: list[int] = []
    began = 0.0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal began
        if first:
            if time.monotonic() - began > ECHO:
                _end(number, frame)
            return
        first.append(number)
        began = time.monotonic()
        signal.signal(signal.SIGALRM, _end)
        signal.setitimer(signal.ITIMER_REAL, GRACE)
        raise Stopped(number)

    def _end(number: int, frame: FrameType | None) -> None:
        stopped = Stopped(first[0])
        os.write(2, message(arguments, stopped).encode("utf-8", "backslashreplace"))
        os._exit(stopped.exit_code)

    watched = [number for number in WORDS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, stop) for number in watched}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def message(arguments: Sequence[str], stopped: Stopped) -> str:
    """Return what is said on stderr: what happened, and what to type to go on."""
    command = shlex.join(["probekit", *arguments])
    then = KEPT.get(arguments[0] if arguments else "", "Run it again with")
    said = f"{WORDS[signal.Signals(stopped.number)]}. {then}: {command}"
    if "--json" in arguments:
        found = {"kind": "stopped", "exit_code": stopped.exit_code, "message": said}
        return dump({"schema": "probekit.error/1", "error": found}) + "\n"
    # A terminal shows ^C where the cursor is.
    return ("\n" if sys.stderr.isatty() else "") + f"probekit: {said}\n"
