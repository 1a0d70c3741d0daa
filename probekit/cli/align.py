"""``probekit align``: attention of a decoder over its encoder as word alignment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Debug,
    Device,
    Json,
    Out,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
)
from probekit.cli.output import keep_report, print_report, progress_bar

EXAMPLES = examples(
    "probekit align word_alignments/enfr.gold my-translator --out links.jsonl --plot links.png",
    "probekit align roen.gold my-mbart --languages ro_RO,en_XX --pairs 100",
    "probekit align links.gold my-t5 --prefix 'translate German to English:' --first-word 0",
)


def align_command(
    corpus: Annotated[str, typer.Argument(help="NAME.gold, with NAME.src-tgt beside it.", metavar="CORPUS")],
    model: Annotated[str, typer.Argument(help="An encoder-decoder: a name or a folder.", metavar="MODEL")],
    pairs: Annotated[
        int | None, typer.Option("--pairs", help="Use the first N pairs alone.", min=4, metavar="N")
    ] = None,
    first_word: Annotated[
        int,
        typer.Option(
            "--first-word", help="The number that links give to the first word: 1 or 0.", min=0, max=1, metavar="N"
        ),
    ] = 1,
    languages: Annotated[
        str | None,
        typer.Option(
            "--languages",
            help="Codes of source and target, of a tokenizer that writes them around a text: en_XX,ro_RO.",
            metavar="LIST",
        ),
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", help="What the model reads before every source.", metavar="TEXT")
    ] = "",
    grids: Annotated[
        int,
        typer.Option(
            "--grids", help="Keep the weights of N shown pairs, for `probekit view alignment`.", min=0, metavar="N"
        ),
    ] = 20,
    device: Device = "auto",
    seed: Seed = 0,
    out: Out = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the blocks (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Align words by the attention of a decoder, and score the links against those that people drew.

    The head is chosen on half of the pairs and shown on the other half.
    """
    from probekit.attention.alignment.run import align

    silent = quiet or json
    check_figure(plot)
    check_writable(out, "out")
    with progress_bar("aligning", 1.0, quiet=silent) as advance:
        report = align(
            corpus,
            model,
            limit=pairs,
            first_word=first_word,
            languages=None if languages is None else [code.strip() for code in languages.split(",")],
            prefix=prefix,
            grids=grids,
            device=device,
            seed=seed,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
