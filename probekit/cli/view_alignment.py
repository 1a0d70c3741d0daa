"""``probekit view alignment``: where the words of a translation look in its source, beside gold links."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import Debug, Json, Page, Quiet, Verbose, check_figure, check_writable, examples
from probekit.cli.output import say, show_json

EXAMPLES = examples(
    "probekit view alignment links.jsonl --plot grid.png",
    "probekit view alignment links.jsonl --line 12 --way all --html grids.html --out cells.csv",
)


def alignment_command(
    report: Annotated[Path, typer.Argument(help="What `probekit align --out` wrote.", metavar="REPORT")],
    line: Annotated[
        int | None,
        typer.Option(
            "--line", help="Line of the pair in its corpus. Default: the first that is kept.", min=1, metavar="N"
        ),
    ] = None,
    way: Annotated[
        str,
        typer.Option(
            "--way",
            help="head (which dev chose), block (the mean of its heads) or all (of all blocks).",
            metavar="NAME",
        ),
    ] = "head",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the cells, a line each (CSV).", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the grid (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    html: Page = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Show where each word of a translation looks in its source, beside the links that people drew.

    The page holds all pairs that the report keeps.
    """
    from probekit.viewing.alignment.grid import view_alignment

    check_figure(plot)
    check_writable(out, "out")
    check_writable(html, "html")
    silent = quiet or json
    grid = view_alignment(report, pair=line, way=way)
    if out is not None:
        say(f"cells      {grid.save_cells(out)}", quiet=silent)
    if plot is not None:
        say(f"plot       {grid.save_plot(plot)}", quiet=silent)
    if html is not None:
        say(f"page       {grid.save_page(html)}", quiet=silent)
    if json:
        show_json(grid.to_json())
    else:
        typer.echo(str(grid))
