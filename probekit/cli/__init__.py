"""The command line: one file a verb. Each parses, calls the function of the same name, and prints.

Data goes to stdout, progress and messages to stderr. No module here imports torch or transformers before a verb runs,
so that ``--help`` is fast.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    from probekit.cli.signals import Stopped, message, stoppable

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
