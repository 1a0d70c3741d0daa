"""``probekit view lens``: what each layer would predict, read by the model's own head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    SENTENCE,
    BatchTokens,
    CacheFolder,
    CacheRoot,
    Debug,
    Device,
    Json,
    Layers,
    Limit,
    Out,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import keep_report, print_report, progress_bar, say

LENS_EXAMPLES = examples(
    "probekit view lens --limit 200 --plot lens.png --tokens sentence.png",
    "probekit view lens CACHE --layers 0,3,6 --sentence 12 --out lens.jsonl",
    "probekit view lens CACHE --lenses logit,tuned --updates 300 --save tuned.safetensors",
)


def lens_command(
    on: CacheFolder = None,
    lenses: Annotated[
        str,
        typer.Option(
            "--lenses", help=f"What reads the layers, a list of {names_in('viewing', 'lenses')}.", metavar="LIST"
        ),
    ] = "logit",
    layers: Layers = "all",
    limit: Limit = 500,
    filled: Annotated[
        int, typer.Option("--filled", help="Tokens of a sentence that a masked model fills in.", min=1, metavar="N")
    ] = 4,
    sentence: Annotated[int | None, typer.Option("--sentence", help=SENTENCE, min=0, metavar="N")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Where the model is, if it moved; with its head.", metavar="MODEL")
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option("--tokens", help="Draw the sentence's likeliest tokens (.png, .svg or .pdf).", metavar="FILE"),
    ] = None,
    updates: Annotated[
        int, typer.Option("--updates", help="Steps of fitting the tuned lens, at each rate.", min=1, metavar="N")
    ] = 200,
    lens: Annotated[
        Path | None, typer.Option("--lens", help="Read a fitted lens that --save wrote.", metavar="FILE")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Keep the lens that is fitted (.safetensors).", metavar="FILE")
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw cross-entropy by layer (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    cache: CacheRoot = None,
    device: Device = "auto",
    batch_tokens: BatchTokens = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Read every layer by the model's own final norm and head: how well it predicts, and which tokens.

    A causal model predicts the next token. A masked model is read at masks, one token of a sentence at a time; its
    states are computed anew, for in the cache it has read what it should predict. By default a sentence of test is
    shown.
    """
    from probekit.viewing.predictions.run import view_lens
    from probekit.viewing.predictions.settings import LensSettings

    check_figure(plot)
    check_figure(tokens, "tokens")
    check_writable(out, "out")
    check_writable(save, "save")
    silent = quiet or json
    asked = LensSettings(
        lenses=tuple(name.strip() for name in lenses.split(",") if name.strip()),
        layers=layers,
        limit=limit,
        masks=filled,
        sentence=sentence,
        device=device,
        batch_tokens=batch_tokens,
        steps=updates,
        seed=seed,
    )
    with progress_bar("reading layers", 1.0, quiet=silent) as advance:
        report = view_lens(on, model=model, settings=asked, lens=lens, save=save, cache=cache, progress=advance)
    keep_report(report, out=out, plot=plot, quiet=silent)
    if tokens is not None:
        shown = report.lenses[-1]
        say(f"tokens     {report.save_sentence(tokens, lens=shown)} (lens {shown})", quiet=silent)
    print_report(report, json=json)
