"""``probekit attend``: which head follows which relation, and how heads spread their weight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Annotations,
    CacheRoot,
    Debug,
    Json,
    Moved,
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
    "probekit extract minilm en_ewt-ud-dev.conllu --sites weights",
    "probekit attend",
    "probekit attend --on CACHE --untrained random --plot heads.png --out heads.jsonl",
    "probekit attend --on CACHE --task coreference",
)


def attend_command(
    on: Annotated[
        str | None,
        typer.Option("--on", help="A cache with attention weights; by default the newest one.", metavar="CACHE"),
    ] = None,
    task: Annotated[
        str, typer.Option("--task", help="Over pairs of words; its labels name the relations.", metavar="TASK")
    ] = "arc-label:universal",
    untrained: Annotated[
        str | None,
        typer.Option(
            "--untrained",
            help="A cache of the same model with random weights, or random: the newest one.",
            metavar="CACHE",
        ),
    ] = None,
    corpus: Moved = None,
    annotations: Annotations = None,
    probes: Probes = None,
    least: Annotated[
        int, typer.Option("--least", help="Leave out relations with fewer pairs in dev or test.", min=1, metavar="N")
    ] = 20,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rows (JSONL).", metavar="FILE")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the relations (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Find the attention head that follows each relation best, against a fixed offset."""
    from probekit.attention.run import attend

    silent = quiet or json
    check_figure(plot)
    check_writable(out, "out")
    with progress_bar("reading heads", 1.0, quiet=silent) as advance:
        report = attend(
            on,
            task=task,
            untrained=untrained,
            corpus=corpus,
            annotations=annotations or [],
            probes=probes or [],
            least=least,
            seed=seed,
            cache=cache,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
