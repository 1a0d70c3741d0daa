"""``probekit report``: look at reports again, and side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import Debug, Json, Plot, Quiet, Sizes, Verbose, check_figure, examples
from probekit.cli.output import say, show_json

app = typer.Typer(
    help="Show a report, or compare several.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples("probekit report show pos.jsonl", "probekit report compare pos.jsonl deprel.jsonl --plot both.png"),
)


@app.command("show", epilog=examples("probekit report show pos.jsonl", "probekit report show pos.jsonl --plot pos.svg"))
def show_command(
    file: Annotated[Path, typer.Argument(help="A report, as `probekit probe --out` writes it.", metavar="FILE")],
    plot: Plot = None,
    pareto: Annotated[
        Path | None,
        typer.Option(
            "--pareto", help="Draw accuracy against the size of the probe (of `--also complexity`).", metavar="FILE"
        ),
    ] = None,
    sizes: Sizes = None,
    strengths: Annotated[
        Path | None,
        typer.Option("--strengths", help="Draw accuracy against strength (of `--also strengths`).", metavar="FILE"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Print a report's table."""
    from probekit.report import LayerReport

    check_figure(plot)
    check_figure(pareto, "pareto")
    check_figure(strengths, "strengths")
    check_figure(sizes, "sizes")
    report = LayerReport.read(file)
    if plot is not None:
        say(f"plot       {report.save_plot(plot)}")
    if pareto is not None:
        from probekit.report.render.pareto import save_pareto

        say(f"pareto     {save_pareto(report, pareto)}")
    if strengths is not None:
        from probekit.report.render.pareto import save_pareto

        say(f"strengths  {save_pareto(report, strengths, by='strength')}")
    if sizes is not None:
        from probekit.report.render.sizes import save_sizes

        say(f"sizes      {save_sizes([report], sizes)}")
    if json:
        show_json(report.to_json())
    else:
        typer.echo(str(report.table()))


@app.command(
    "compare",
    epilog=examples("probekit report compare a.jsonl b.jsonl", "probekit report compare *.jsonl --plot all.svg --json"),
)
def compare_command(
    files: Annotated[list[Path], typer.Argument(help="Two reports or more.", metavar="FILE")],
    plot: Plot = None,
    sizes: Sizes = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Print several reports side by side, aligned by layer."""
    from probekit.report import LayerReport, compare

    check_figure(plot)
    check_figure(sizes, "sizes")
    comparison = compare([LayerReport.read(file) for file in files])
    if plot is not None:
        say(f"plot       {comparison.save_plot(plot)}")
    if sizes is not None:
        from probekit.report.render.sizes import save_sizes

        say(f"sizes      {save_sizes(comparison.reports, sizes, comparison.names)}")
    if json:
        show_json(comparison.to_json())
    else:
        typer.echo(str(comparison.table()))
