"""``probekit report``: look at reports again, and side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.opened import opened
from probekit.cli.options import Debug, Json, Plot, Quiet, Verbose, check_figure, examples
from probekit.cli.output import print_report, say, show_json
from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.report import LayerReport
    from probekit.report.rows import RowReport

Sizes = Annotated[
    Path | None,
    typer.Option(
        "--sizes",
        help="Draw accuracy against training targets (of `--also training-sizes`), of several reports the best layer "
        "of each.",
        metavar="FILE",
    ),
]

app = typer.Typer(
    help="Show a report, or compare several.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples("probekit report show pos.jsonl", "probekit report compare pos.jsonl deprel.jsonl --plot both.png"),
)


@app.command("show", epilog=examples("probekit report show pos.jsonl", "probekit report show pos.jsonl --plot pos.svg"))
def show_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="A report, written by `--out` of probe, behave or ablate, or another command.", metavar="FILE"
        ),
    ],
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
    if not isinstance(other := opened(report), LayerReport):
        for name, wanted in (("pareto", pareto), ("strengths", strengths), ("sizes", sizes)):
            if wanted is not None:
                stage = report.rows[0].stage
                raise UsageError(f"The `{name}` option draws probes; {file} is a report of `{stage}`. Use --plot.")
        if plot is not None:
            say(f"plot       {other.save_plot(plot)}")
        print_report(other, json=json)
        return
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
    print_report(report, json=json)


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
    reports = [LayerReport.read(file) for file in files]
    for file, report in zip(files, reports, strict=True):
        if not isinstance(opened(report), LayerReport):
            stage = report.rows[0].stage
            instead = (
                " To compare models on a suite, item by item, name the other with `probekit behave SUITE --model MODEL "
                "--against OTHER`;"
                if stage == "behave"
                else ""
            )
            raise UsageError(
                f"{file} is a report of `{stage}`, which is not aligned by layer.{instead} `report show` prints one "
                "report, `report page` puts several on a page."
            )
    comparison = compare(reports)
    if plot is not None:
        say(f"plot       {comparison.save_plot(plot)}")
    if sizes is not None:
        from probekit.report.render.sizes import save_sizes

        say(f"sizes      {save_sizes(comparison.reports, sizes, comparison.names)}")
    if json:
        show_json(comparison.to_json())
    else:
        typer.echo(str(comparison.table()))


@app.command(
    "page",
    epilog=examples("probekit report page pos.jsonl --out page.html", "probekit report page *.jsonl --out all.html"),
)
def page_command(
    files: Annotated[list[Path], typer.Argument(help="One report or more, of any commands.", metavar="FILE")],
    out: Annotated[Path, typer.Option("--out", help="The page that is written (.html).", metavar="FILE")],
    title: Annotated[str, typer.Option("--title", help="What stands above the page.", metavar="TEXT")] = (
        "probekit report"
    ),
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write reports as one HTML file to send: no network, no scripts."""
    from probekit.report import LayerReport
    from probekit.report.page.page import write_page

    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"A page is written as .html. Got '{out.name}'. Give --out page.html.")
    shown: dict[str, LayerReport | RowReport] = {}
    for file in files:
        report = LayerReport.read(file)
        # Reports of one name in several folders are told apart by their paths.
        name = file.stem if [other.stem for other in files].count(file.stem) == 1 else str(file)
        shown[name] = opened(report)
    if len(shown) < len(files):
        raise UsageError("A report is named twice. Name each file once.")
    place = write_page(shown, out, title=title)
    if json:
        show_json({"page": str(place), "reports": list(shown), "bytes": place.stat().st_size})
    else:
        say(f"page       {place}")
