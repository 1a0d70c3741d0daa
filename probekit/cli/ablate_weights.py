"""``probekit ablate weights``: weights masked, the smallest first."""

from __future__ import annotations

from pathlib import Path
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

WEIGHTS_EXAMPLES = examples(
    "probekit ablate weights --metric behave:blimp --model ./gpt-novels --limit 20 --plot pruning.png",
    "probekit ablate weights --metric loss:novel.txt --model ./gpt-novels --sparsity 0.5 --save mask.safetensors",
    "probekit ablate weights --metric loss:novel.txt --model ./gpt-novels --mask-from runs/tuned",
)


def weights_command(
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
    sparsity: Annotated[
        str,
        typer.Option(
            "--sparsity",
            help="Shares of the weights of the blocks' matrices to leave out, like 0.5,0.9. Default: seven of them.",
            metavar="LIST",
        ),
    ] = "",
    scope: Annotated[
        str,
        typer.Option(
            "--scope", help="The smallest weights of all matrices (global) or of each (matrix).", metavar="NAME"
        ),
    ] = "global",
    mask_from: Annotated[
        Path | None,
        typer.Option(
            "--mask-from",
            help="A run that was tuned from this model: its magnitudes decide what stays. Or a mask that was saved.",
            metavar="RUN",
        ),
    ] = None,
    masks: Annotated[int, typer.Option("--masks", help="Random masks of every sparsity.", min=1, metavar="N")] = 5,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Write the mask of the highest sparsity (.safetensors).", metavar="FILE"),
    ] = None,
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
    """Leave weights out, the smallest first, and measure the model beside random masks of equal sparsity."""
    from probekit.ablation.weights.run import ablate_weights
    from probekit.behaviour.scoring.making import ScoringSpec

    check_figure(plot)
    check_writable(out, "out")
    check_writable(save, "save")
    shares = numbers_in(sparsity, "sparsity") if sparsity else None
    silent = quiet or json
    with progress_bar("masking", 1.0, quiet=silent) as advance:
        report = ablate_weights(
            model,
            metric=metric,
            sparsity=shares,
            scope=scope,
            mask_from=mask_from,
            masks=masks,
            save=save,
            limit=limit,
            spec=ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights),
            revision=revision,
            seed=seed,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
