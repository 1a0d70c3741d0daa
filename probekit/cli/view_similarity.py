"""``probekit view similarity``: how alike the layers of one cache, or of two, are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Annotations,
    At,
    CacheFolder,
    CacheRoot,
    Debug,
    Json,
    Layers,
    Measure,
    Moved,
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
    "probekit view similarity --plot layers.png",
    "probekit view similarity CACHE random --measure cka,rsa --plot untrained.png --out untrained.jsonl",
    "probekit view similarity CACHE CACHE2 --measure procrustes --over sentences",
    "probekit view similarity CACHE CACHE2 --at last-prompt",
)


def layers_command(
    on: CacheFolder = None,
    other: Annotated[
        str | None,
        typer.Argument(
            help="A second cache of the same sentences, or random, shuffled-weights, shuffled-layers or static: the "
            "newest such one. Default: the layers of the first with each other.",
            metavar="CACHE2",
        ),
    ] = None,
    measure: Measure = "cka",
    over: Annotated[
        str | None,
        typer.Option(
            "--over",
            help="words, sentences, or a task whose spans are compared. Default: words, and with --at sentences.",
            metavar="NAME",
        ),
    ] = None,
    layers: Layers = "all",
    pool: Pool = "mean",
    at: At = None,
    most: Annotated[
        int,
        typer.Option(
            "--most", help="Compare at most so many rows, whole sentences that are drawn.", min=4, metavar="N"
        ),
    ] = 5000,
    shuffles: Annotated[
        int, typer.Option("--shuffles", help="Shuffles of one side's rows for the floor; 0: none.", min=0, metavar="N")
    ] = 10,
    seed: Seed = 0,
    corpus: Moved = None,
    annotations: Annotations = None,
    probes: Probes = None,
    out: Out = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the heat map (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Compare every two layers of a model, or every layer of one model with every layer of another.

    Two caches are compared over the sentences that both have: two models, two seeds, before and after tuning.
    """
    from probekit.viewing.similarity.run import view_similarity

    check_figure(plot)
    check_writable(out, "out")
    silent = quiet or json
    with progress_bar("comparing", 1.0, quiet=silent) as advance:
        report = view_similarity(
            on,
            other,
            measures=[name.strip() for name in measure.split(",")],
            over=over,
            layers=layers,
            pool=pool,
            at=at,
            most=most,
            shuffles=shuffles,
            seed=seed,
            corpus=corpus,
            annotations=annotations or [],
            probes=probes or [],
            cache=cache,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
