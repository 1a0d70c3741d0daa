"""``probekit ablate attention``: how far attention can change before what a model says does."""

from __future__ import annotations

from typing import Annotated

import typer

from probekit.cli.options import (
    BatchTokens,
    Begin,
    Curves,
    Debug,
    Device,
    Dtype,
    End,
    HeadScore,
    Json,
    Layers,
    Limit,
    Out,
    Quiet,
    RandomWeights,
    Revision,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
    numbers_in,
)
from probekit.cli.output import keep_report, print_report, progress_bar

ATTENTION_EXAMPLES = examples(
    "probekit ablate attention --metric behave:blimp/anaphor_number_agreement --model ./gpt-novels --limit 20",
    "probekit ablate attention --metric loss:novel.txt --model ./gpt-novels --changes permuted,uniform --layers 2",
)


def attention_command(
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help=f"What is measured, with what it is of behind a colon ({names_in('ablation', 'metrics')}): "
            "behave:SUITE or loss:CORPUS.",
            metavar="NAME:OF",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", help="A hub name or a local folder; it must have its head.", metavar="MODEL")
    ],
    changes: Annotated[
        str,
        typer.Option(
            "--changes",
            help="A list of permuted (its own weights in another order), uniform (even ones) and adversarial (the "
            "furthest that say the same).",
            metavar="LIST",
        ),
    ] = "permuted,uniform,adversarial",
    layers: Layers = "",
    epsilon: Annotated[
        str,
        typer.Option(
            "--epsilon",
            help="Of a search: by how much the distribution at a scored token may move (total variation).",
            metavar="LIST",
        ),
    ] = "0.01,0.05,0.2",
    draws: Annotated[int, typer.Option("--permutations", help="Random orders of the weights.", min=1, metavar="N")] = 5,
    search_steps: Annotated[
        int, typer.Option("--search-steps", help="Steps of the search under each bound.", min=1, metavar="N")
    ] = 60,
    limit: Limit = None,
    score: HeadScore = "auto",
    begin: Begin = "auto",
    end: End = "auto",
    random_weights: RandomWeights = None,
    dtype: Dtype = "float32",
    device: Device = "auto",
    batch_tokens: BatchTokens = None,
    revision: Revision = None,
    seed: Seed = 0,
    out: Out = None,
    plot: Curves = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Give a model other attention weights, and measure how far they and what it says move."""
    from probekit.ablation.attention.run import ablate_attention
    from probekit.behaviour.scoring.making import ScoringSpec

    check_figure(plot)
    check_writable(out, "out")
    epsilons = numbers_in(epsilon, "epsilon")
    silent = quiet or json
    with progress_bar("changing attention", 1.0, quiet=silent) as advance:
        report = ablate_attention(
            model,
            metric=metric,
            layers=layers or None,
            changes=[name.strip() for name in changes.split(",")],
            epsilons=epsilons,
            draws=draws,
            search_steps=search_steps,
            limit=limit,
            spec=ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights),
            revision=revision,
            seed=seed,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
