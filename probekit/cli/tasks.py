"""``probekit tasks``: the questions that can be asked."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

import typer

from probekit.cli.options import Debug, Json, Probes, Quiet, Verbose, examples
from probekit.cli.output import show_json

EXAMPLES = examples("probekit tasks", "probekit tasks --probes ./my-tasks --json")


def tasks_command(
    probes: Probes = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """List the tasks of the catalogue."""
    from probekit.tasks import load_catalogue

    catalogue = load_catalogue(*(probes or []))
    if json:
        rows = [
            {
                "name": task.name,
                "kind": task.kind,
                "option": task.option,
                "needs": list(task.needs),
                "metrics": list(task.metrics),
                "reference": task.reference,
                "licence": task.licence,
                "doc": task.doc,
            }
            for task in catalogue.values()
        ]
        show_json({"schema": "probekit.tasks/1", "tasks": rows})
        return
    names = {
        name: f"{name}[:<{task.option}>]" if task.default_option else f"{name}:<{task.option}>" if task.option else name
        for name, task in catalogue.items()
    }
    indent = max(map(len, names.values())) + 12
    for name, task in catalogue.items():
        first = task.doc.splitlines()[0].replace("``", "`") if task.doc else ""
        line = f"{names[name]:<{indent - 12}}  {task.kind:<8}  {first}"
        typer.echo(_wrapped(line, indent))


def _wrapped(line: str, indent: int) -> str:
    """Fold a line to the terminal; where the output goes to a file or a pipe, one task is one line."""
    if not (sys.stdout.isatty() or os.environ.get("COLUMNS")):
        return line
    width = max(shutil.get_terminal_size().columns, indent + 30)
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=" " * indent, break_on_hyphens=False))
