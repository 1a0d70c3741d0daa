"""``probekit view neurons``: which neurons of a layer carry a task, and what single ones answer to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.modes import check_options
from probekit.cli.options import (
    Annotations,
    At,
    CacheFolder,
    CacheRoot,
    Debug,
    Json,
    Layers,
    Moved,
    Out,
    Probes,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import keep_report, print_report, progress_bar, say

EXAMPLES = examples(
    "probekit view neurons --task pos --layers 3 --plot neurons.png",
    "probekit view neurons CACHE --task pos --layers 3,3.mlp --labels NOUN,VERB --out neurons.jsonl",
    "probekit view neurons --task label --neuron 6:17 --histogram sentiment.png",
    "probekit view neurons --neuron 3:17 --heat heat.html",
)


def neurons_command(
    on: CacheFolder = None,
    task: Annotated[str, typer.Option("--task", help="Labels to rank neurons for.", metavar="TASK")] = "pos",
    layers: Layers = "",
    at: At = None,
    rankings: Annotated[
        str | None,
        typer.Option(
            "--rankings",
            help=f"What ranks neurons, a list of {names_in('probing', 'neurons', 'rankings')}. Default: all.",
            metavar="LIST",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Whose best neurons are shown. Default: the most frequent.", metavar="LIST"),
    ] = None,
    neuron: Annotated[
        list[str] | None,
        typer.Option("--neuron", help="A neuron to describe, layer first: 3:17; may be repeated.", metavar="L:N"),
    ] = None,
    keep: Annotated[
        float,
        typer.Option("--keep", help="Share of the dev score that a set must keep.", min=0, max=1, metavar="SHARE"),
    ] = 0.99,
    draws: Annotated[
        int, typer.Option("--sets", help="Random sets of each size, and shuffles of the labels.", min=1, metavar="N")
    ] = 5,
    rows: Annotated[
        int, typer.Option("--rows", help="Use at most N training targets, whole sentences.", min=1, metavar="N")
    ] = 20_000,
    estimator: Annotated[
        str, typer.Option("--weights-of", help="The probe: logistic or elastic-net.", metavar="NAME")
    ] = "logistic",
    sentences: Annotated[
        str | None,
        typer.Option("--sentences", help="Ids, for --heat. Default: those it moves most.", metavar="LIST"),
    ] = None,
    corpus: Moved = None,
    annotations: Annotations = None,
    probes: Probes = None,
    seed: Seed = 0,
    out: Out = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the scores of few neurons (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    histogram: Annotated[
        Path | None,
        typer.Option("--histogram", help="Draw the first neuron's histogram (.png, .svg or .pdf).", metavar="FILE"),
    ] = None,
    heat: Annotated[
        Path | None,
        typer.Option("--heat", help="Write texts shaded by the first neuron (.html), and print them.", metavar="FILE"),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Rank neurons for a task, find how few suffice, and show what single ones answer to.

    The first neuron is the first that is named, else the best one of the first label. By default the layer in the
    middle is looked at.
    """
    from probekit.probing.cache_selection import open_cache
    from probekit.report.render.drawing import save_figure
    from probekit.viewing.neurons.heat import check_examples
    from probekit.viewing.neurons.heat import heat as shade
    from probekit.viewing.neurons.run import view_neurons
    from probekit.viewing.neurons.settings import NeuronSettings

    check_figure(plot)
    check_figure(histogram, "histogram")
    check_writable(out, "out")
    check_writable(heat, "heat")
    check_options("heat", given=heat is not None, own={"sentences": sentences})
    silent = quiet or json
    asked = NeuronSettings(
        rankings=None if rankings is None else _listed(rankings),
        labels=_listed(labels),
        neurons=tuple(neuron or ()),
        keep=keep,
        draws=draws,
        rows=rows,
    )
    if sentences is not None:
        check_examples(opened := open_cache(on, None, None, cache), _listed(sentences))
        on = opened.path
    with progress_bar("ranking neurons", 1.0, quiet=silent) as advance:
        report = view_neurons(
            on,
            task=task,
            layers=layers or None,
            at=at,
            settings=asked,
            estimator=estimator,
            corpus=corpus,
            annotations=annotations or [],
            probes=probes or [],
            seed=seed,
            cache=cache,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
    if histogram is None and heat is None:
        return
    layer, number = report.first_neuron(asked.asked)
    if histogram is not None:
        drawn = save_figure(histogram, lambda ax: report.plot_histogram(layer, number, ax))
        say(f"histogram  {drawn} (neuron {number} of layer {layer})", quiet=silent)
    if heat is not None:
        shaded = shade(report.provenance["cache"], layer, number, examples=_listed(sentences))
        say(f"heat       {shaded.write(heat)} (neuron {number} of layer {layer})", quiet=silent)
        if not json:
            typer.echo("\n" + shaded.text())


def _listed(names: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())
