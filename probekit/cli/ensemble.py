"""``probekit ensemble``: runs of one task that answer together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Debug,
    Device,
    Json,
    Probes,
    Quiet,
    Verbose,
    check_figure,
    examples,
    names_in,
)
from probekit.cli.output import say, show_json

EXAMPLES = examples(
    "probekit ensemble runs/pos/full/seed-0 runs/pos/full/seed-1 --out runs/pos-together",
    "probekit ensemble runs/pos/full/seed-0 runs/pos/full/seed-1 --weights greedy --plot members.png",
)


def ensemble_command(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs of `probekit tune`, two or more.", metavar="RUN...")
    ],
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            help=f"How much each member counts, chosen on dev: {names_in('tuning', 'weighting')}.",
            metavar="NAME",
        ),
    ] = "loss",
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="Where the rows are now that the runs trained on.", metavar="CORPUS"),
    ] = None,
    probes: Probes = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the ensemble; by default one in ./runs.", metavar="DIR"),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the members and what they are together (.png, .svg, .pdf).", metavar="FILE"),
    ] = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Combine runs of one task: weights and calibration on dev, scores on test beside the best member."""
    from probekit.tuning.ensemble.run import ensemble

    check_figure(plot)
    made = ensemble(runs, weights=weights, corpus=corpus, out=out, probes=probes or [], device=device)
    if plot is not None:
        say(f"plot       {made.report.save_plot(plot)}", quiet=quiet or json)
    if json:
        show_json({**made.report.to_json(), "folder": str(made.folder)})
        return
    typer.echo(str(made.report))
    typer.echo(f"\nensemble   {made.folder}")
