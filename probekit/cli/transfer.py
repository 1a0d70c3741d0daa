"""``probekit transfer``: train on one data set, test on every other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    At,
    CacheRoot,
    Debug,
    Device,
    EstimatorName,
    Json,
    Layers,
    Out,
    Pool,
    Probes,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
)
from probekit.cli.output import keep_report, print_report, progress_bar

EXAMPLES = examples(
    "probekit transfer CACHE1 CACHE2 CACHE3 --plot transfer.png --out transfer.jsonl",
    "probekit transfer CACHE1 CACHE2 --task label:truth --task label:correct --estimator mean-difference",
    "probekit transfer CACHE1 CACHE2 --at last --metric auroc",
)


def transfer_command(
    on: Annotated[
        list[str],
        typer.Argument(help="Two caches or more of one model, each of another data set.", metavar="CACHE..."),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="What every data set is asked, `label` by default; or once for each cache, in their order.",
            metavar="TASK",
        ),
    ] = None,
    layers: Layers = "all",
    pool: Pool = "mean",
    at: At = None,
    estimator: EstimatorName = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Score by this too, like auroc; may be repeated.", metavar="NAME"),
    ] = None,
    seed: Seed = 0,
    probes: Probes = None,
    device: Device = "auto",
    out: Out = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the matrices as heat maps (.png, .svg or .pdf).", metavar="FILE"),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Fit a probe on each data set and test it on all of them, beside what their text alone would say.

    Layer and strength are chosen on dev of the data set that is trained on.
    """
    from probekit.probing.transfer.run import transfer

    check_figure(plot)
    check_writable(out, "out")
    silent = quiet or json
    with progress_bar("transferring", 1.0, quiet=silent) as advance:
        report = transfer(
            on,
            task=task or "label",
            layers=layers,
            pool=pool,
            at=at,
            estimator=estimator,
            metrics=metric or (),
            seed=seed,
            probes=probes or [],
            device=device,
            cache=cache,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
