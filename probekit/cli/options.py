"""Options and small helpers that several verbs share, said once."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from probekit.errors import ResourceError, UsageError
from probekit.storage.strict import dump

CacheRoot = Annotated[
    Path | None,
    typer.Option(
        "--cache", help="Folder of caches. Default: PROBEKIT_CACHE, else the user's cache folder.", metavar="ROOT"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; errors are JSON on stderr.")]
_quiet = ContextVar("quiet", default=False)


def set_quiet(context: typer.Context, value: bool) -> bool:
    """Keep :func:`say` silent until the command ends."""
    before = _quiet.set(value)
    context.call_on_close(lambda: _quiet.reset(before))
    return value


def _report_cost(context: typer.Context, value: bool) -> bool:
    """Say at the end of the command, however it ends, what it took."""
    if value:
        began = time.perf_counter()
        # With --json an error must stand alone on stderr.
        context.call_on_close(lambda: say(_cost(time.perf_counter() - began), quiet=bool(context.params.get("json"))))
    return value


def _cost(seconds: float) -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"took       {human_time(seconds)}, at most {human_bytes(peak)} of memory"


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no messages on stderr.", callback=set_quiet)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more on stderr, also time and memory.", callback=_report_cost)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.", metavar="NAME")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

FIGURES = (".pdf", ".png", ".svg")


def examples(*commands: str) -> str:
    """Return the end of a help text; ``\\b`` keeps its lines as they are."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {command}" for command in commands)])


def show_json(document: Mapping[str, Any]) -> None:
    """Print the one document of a command on stdout; half a character, as in a path of other bytes, is escaped."""
    typer.echo(dump(document).encode("utf-8", "backslashreplace").decode())


def say(message: str, *, quiet: bool = False) -> None:
    """Write a message for a person to stderr."""
    if not (quiet or _quiet.get()):
        print(message, file=sys.stderr)


def confirm(question: str, *, yes: bool) -> bool:
    """Ask before something is lost.

    Raises
    ------
    UsageError
        If there is nobody to ask.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} Nobody can be asked here, so nothing was done: pass --yes to do it.")
    if typer.confirm(question, err=True):
        return True
    say("Nothing was done.")
    return False


LISTED: set[str] = set()
"""What :func:`names_in` returned; it changes with every new file, so a page that is kept leaves it out."""


def names_in(*folder: str, dash: str = "-") -> str:
    """Return the names of what a folder of the package registers, read from its files: nothing is imported.

    Each file of such a folder is named as what it registers, with ``_`` for `dash`.
    """
    files = Path(__file__).parents[1].joinpath(*folder).glob("*.py")
    names = ", ".join(sorted(path.stem.replace("_", dash) for path in files if not path.stem.startswith("_")))
    LISTED.add(names)
    return names


def check_writable(path: Path | None, option: str) -> None:
    """Refuse a place that cannot be written before the work that should end there.

    Raises
    ------
    UsageError
        It is a folder.
    ResourceError
        Its folder cannot be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"The `{option}` option must name a file; '{path}' is a folder.")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "it cannot be written" if folder.is_dir() else "it is no folder"
        raise ResourceError(f"'{path}' cannot be written to '{folder}': {reason}. Give another place with --{option}.")


def check_figure(path: Path | None, option: str = "plot") -> None:
    """Refuse a figure that cannot be drawn or written, before the work that it should show."""
    check_writable(path, option)
    if path is not None and path.suffix.lower() not in FIGURES:
        raise UsageError(f"The `{option}` option must end in one of {', '.join(FIGURES)}. Got '{path}'.")


def counted(count: int, noun: str) -> str:
    """Return ``1 shard``, ``2 shards``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def describe_corpus(corpus: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines that say what a corpus is, how it is split, and what its reader counted on its way."""
    splits = ", ".join(f"{name} {count:,}" for name, count in corpus["splits"].items())
    size = f"{counted(corpus['examples'], 'example')}, {counted(corpus['words'], 'word')} ({splits})"
    yield f"corpus     {corpus['name']}: {size}"
    yield f"splits     {corpus['split_rule']}"
    if corpus["notes"]:
        yield f"counted    {', '.join(f'{count:,} {name}' for name, count in sorted(corpus['notes'].items()))}"


def human_bytes(count: float) -> str:
    """Return ``366 MB`` and the like (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def human_time(seconds: float) -> str:
    """Return ``45 s``, ``3 min 20 s`` and the like."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def human_age(seconds: float) -> str:
    """Return ``45 s``, ``3 min``, ``5 h``, ``12 d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
