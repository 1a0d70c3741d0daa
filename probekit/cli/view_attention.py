"""``probekit view attention``: what heads give from word to word, in one sentence or on the mean of a relation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.modes import check_options
from probekit.cli.options import (
    SENTENCE,
    Annotations,
    CacheFolder,
    CacheRoot,
    Debug,
    Json,
    Layers,
    Lines,
    Moved,
    Out,
    Page,
    Probes,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
)
from probekit.cli.output import keep_report, print_report, progress_bar, say
from probekit.errors import UsageError

EXAMPLES = examples(
    "probekit extract minilm grammar:n=100 --sites weights",
    "probekit view attention --sentence 3 --html attention.html",
    "probekit view attention CACHE --heads 3-8,3-0 --draw matrix --plot heads.png",
    "probekit view attention CACHE --relation obj --plot obj.png",
    "probekit view attention CACHE --relation all --plot relations.png --out relations.jsonl",
)
ARCS = "arc-label:universal"


def attention_command(
    on: CacheFolder = None,
    sentence: Annotated[str | None, typer.Option("--sentence", help=SENTENCE, metavar="N")] = None,
    layers: Layers = "all",
    heads: Annotated[
        str | None, typer.Option("--heads", help="Heads, block and number from 0, like 3-8,3-0.", metavar="LIST")
    ] = None,
    special: Annotated[
        bool, typer.Option("--special", help="Show special tokens; else what goes to them is said.")
    ] = False,
    stack: Annotated[
        str | None,
        typer.Option("--stack", help="Of an encoder-decoder: encoder (the default) or decoder.", metavar="NAME"),
    ] = None,
    drawing: Annotated[
        str | None,
        typer.Option(
            "--draw",
            help="lines or matrix, of at most 12 heads, or model: all heads small. Default: lines of few, else model.",
            metavar="NAME",
        ),
    ] = None,
    relation: Annotated[
        str | None,
        typer.Option(
            "--relation",
            help="No sentence, but the mean over the pairs of these labels: det,obj or all.",
            metavar="LIST",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help=f"Of --relation: whose labels name relations. Default: {ARCS}.", metavar="TASK"),
    ] = None,
    least: Annotated[
        int, typer.Option("--least", help="Leave out relations with fewer pairs in dev or test.", min=1, metavar="N")
    ] = 20,
    corpus: Moved = None,
    annotations: Annotations = None,
    probes: Probes = None,
    seed: Seed = 0,
    out: Out = None,
    csv: Lines = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the heads (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    html: Page = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Show what attention heads give from word to word in a sentence, or on the mean of a relation.

    Pieces of words are merged. Without --relation one sentence is shown, by default the first; it can be named by its
    id, too. On the page words tell their weights.
    """
    check_figure(plot)
    for option, path in (("out", out), ("csv", csv), ("html", html)):
        check_writable(path, option)
    silent = quiet or json
    if relation is not None:
        given = {"sentence": sentence, "heads": heads, "draw": drawing, "html": html, "special": special or None,
                 "layers": None if layers == "all" else layers}  # fmt: skip
        if wrong := [f"--{name}" for name, value in given.items() if value is not None]:
            raise UsageError(f"{', '.join(wrong)} and --relation do not go together: a mean is of no sentence.")
        from probekit.viewing.attention.relation_run import view_attention_relations

        with progress_bar("reading heads", 1.0, quiet=silent) as advance:
            means = view_attention_relations(
                on,
                relation,
                task=task or ARCS,
                stack=stack,
                corpus=corpus,
                annotations=annotations or [],
                probes=probes or [],
                least=least,
                seed=seed,
                cache=cache,
                progress=advance,
            )
        if csv is not None:
            say(f"means      {means.save_means(csv)}", quiet=silent)
        keep_report(means, out=out, plot=plot, quiet=silent)
        print_report(means, json=json)
        return
    of_means = {"task": task, "corpus": corpus, "annotations": annotations or None, "probes": probes or None}
    check_options("relation", given=False, own=of_means)
    from probekit.viewing.attention.run import view_attention

    report = view_attention(
        on, sentence=sentence or 0, layers=layers, heads=heads, special=special, stack=stack, cache=cache
    )
    how = report.check_drawing(drawing)
    if out is not None:
        say(f"report     {report.write(out)}", quiet=silent)
    if csv is not None:
        say(f"weights    {report.save_weights(csv)}", quiet=silent)
    if plot is not None:
        say(f"plot       {report.save_plot(plot, drawing=how)}", quiet=silent)
    if html is not None:
        say(f"page       {report.save_page(html)}", quiet=silent)
    print_report(report, json=json)
