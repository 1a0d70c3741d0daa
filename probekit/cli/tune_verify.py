"""``probekit tune --verify``: was the plan right? Its rivals, cell by cell, in a file that is gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from probekit.cli.output import say, show_json

if TYPE_CHECKING:
    from probekit.tuning.data.materials import Materials
    from probekit.tuning.plan import TunePlan


def verify_plan(
    materials: Materials,
    plan: TunePlan,
    file: Path,
    *,
    seeds: range,
    examples: int | None,
    plot: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Run every cell that the file does not have yet, and say whether the plan was right."""
    from probekit.tuning.verdict.cells import Asked, LineFile, run_cells
    from probekit.tuning.verdict.verify import Verdict

    asked = Asked(seeds=tuple(seeds), examples=examples)
    with LineFile(file) as lines:
        found = run_cells(materials, plan, lines, asked, told=lambda note: say(note, quiet=quiet or json))
        # The constant rival is chosen on lines of development tasks that the file has already.
        verdict = Verdict([*lines.development, *found], materials.facts)
    if plot is not None:
        say(f"plot       {verdict.save_plot(plot)}", quiet=quiet or json)
    if json:
        show_json(verdict.to_json())
    else:
        typer.echo(str(verdict))
