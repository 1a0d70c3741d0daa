"""What commands say and to whom: documents on stdout, messages on stderr and, where a person watches, progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from probekit.amounts import human_bytes
from probekit.devices import peak_memory
from probekit.errors import UsageError
from probekit.storage.strict import dump

if TYPE_CHECKING:
    from probekit.report import LayerReport
    from probekit.report.rows import RowReport

_quiet = ContextVar("quiet", default=False)


def set_quiet(context: typer.Context, value: bool) -> bool:
    """Keep :func:`say` silent until the command ends."""
    before = _quiet.set(value)
    context.call_on_close(lambda: _quiet.reset(before))
    return value


def report_cost(context: typer.Context, value: bool) -> bool:
    """Say at the end of the command, however it ends, what it took."""
    if value:
        began = time.perf_counter()
        # With --json an error must stand alone on stderr.
        context.call_on_close(lambda: say(_cost(time.perf_counter() - began), quiet=bool(context.params.get("json"))))
    return value


def _cost(seconds: float) -> str:
    return f"took       {human_time(seconds)}, at most {human_bytes(peak_memory())} of memory"


def keep_report(report: RowReport, *, out: Path | None, plot: Path | None, quiet: bool) -> None:
    """Write a report and its figure where that was asked for, and say where they are."""
    if out is not None:
        say(f"report     {report.write(out)}", quiet=quiet)
    if plot is not None:
        say(f"plot       {report.save_plot(plot)}", quiet=quiet)


def print_report(report: LayerReport | RowReport, *, json: bool) -> None:
    """Print a report on stdout: its one document, or its table."""
    if json:
        show_json(report.to_json())
    else:
        typer.echo(str(report.table()))


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


def show_sites(sites: Mapping[str, int]) -> None:
    """Print the places inside of blocks and their widths, those of one kind together; nothing where there are none.

    ``sites      heads x 384 in 2, 3; mlp x 1,536 in 2, 3``
    """
    found: dict[str, list[str]] = {}
    for label, width in sites.items():
        stack, _, place = label.rpartition(":")
        number, _, kind = place.partition(".")
        found.setdefault(f"{stack} {kind} x {width:,}".lstrip(), []).append(number)
    if found:
        named = [f"{what} in {', '.join(numbers)}" for what, numbers in found.items()]
        typer.echo(f"sites      {'; '.join(named)}")


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


Advance = Callable[[float, str], None]


@contextmanager
def progress_bar(title: str, total: float, *, quiet: bool = False) -> Iterator[Advance | None]:
    """Yield ``advance(done, note)``; None when nobody watches.

    Parameters
    ----------
    title : str
    total : float
        What ``done`` counts up to.
    quiet : bool
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda done, note: bar.update(task, completed=done, note=note)
