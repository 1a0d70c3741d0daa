"""``probekit view pca``, ``tsne``, ``umap``: the targets of a task on a plane, layer by layer."""

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
    Lines,
    Moved,
    Page,
    Pair,
    Pool,
    Probes,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
)
from probekit.cli.output import print_report, progress_bar, say


def map_command(
    context: typer.Context,
    on: CacheFolder = None,
    task: Annotated[
        str, typer.Option("--task", help="Whose words, spans, pairs or sentences are shown.", metavar="TASK")
    ] = "pos",
    by: Annotated[
        str,
        typer.Option(
            "--colour-by",
            help="label, split, document, length, position, an annotation of the examples, or another task over the "
            "same targets.",
            metavar="NAME",
        ),
    ] = "label",
    layers: Layers = "all",
    pool: Pool = "mean",
    pair: Pair = "concat",
    at: At = None,
    split: Annotated[
        str, typer.Option("--show", help="Parts of the corpus to show, like train,dev or test.", metavar="LIST")
    ] = "train,dev",
    points: Annotated[
        int | None,
        typer.Option(
            "--points",
            help="At most so many points, chosen by a hash. Default: 5,000, and of pca all.",
            min=4,
            metavar="N",
        ),
    ] = None,
    breadth: Annotated[
        float | None,
        typer.Option(
            "--breadth", help="The perplexity of tsne (30), or the neighbours of umap (15).", metavar="NUMBER"
        ),
    ] = None,
    neighbours: Annotated[
        int,
        typer.Option("--neighbours", help="k of trustworthiness and continuity.", min=1, metavar="K"),
    ] = 10,
    seed: Seed = 0,
    corpus: Moved = None,
    annotations: Annotations = None,
    probes: Probes = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the report with its points (JSONL).", metavar="FILE")
    ] = None,
    csv: Lines = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the map (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    html: Page = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Lay the vectors that a probe of the task reads on a plane, and say what the plane loses of them."""
    from probekit.viewing.maps.run import project

    check_figure(plot)
    for option, path in (("out", out), ("csv", csv), ("html", html)):
        check_writable(path, option)
    silent = quiet or json
    with progress_bar("projecting", 1.0, quiet=silent) as advance:
        report = project(
            str(context.info_name),
            on,
            task=task,
            by=by,
            layers=layers,
            pool=pool,
            pair=pair,
            at=at,
            split=split,
            points=points,
            breadth=breadth,
            neighbours=neighbours,
            seed=seed,
            corpus=corpus,
            annotations=annotations or [],
            probes=probes or [],
            cache=cache,
            progress=advance,
        )
    if out is not None:
        say(f"report     {report.write(out)}", quiet=silent)
    if csv is not None:
        say(f"points     {report.save_points(csv)}", quiet=silent)
    if plot is not None:
        say(f"plot       {report.save_plot(plot)}", quiet=silent)
    if html is not None:
        say(f"page       {report.save_page(html)}", quiet=silent)
    print_report(report, json=json)
