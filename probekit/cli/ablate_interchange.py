"""``probekit ablate interchange``: part of a layer taken from another sentence."""

from __future__ import annotations

from typing import Annotated

import typer

from probekit.cli.options import (
    BatchTokens,
    Begin,
    Classes,
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
)
from probekit.cli.output import keep_report, print_report, progress_bar
from probekit.errors import UsageError

EXAMPLES = examples(
    "probekit ablate interchange --metric behave:marvin_linzen/prep_anim --model ./gpt-novels --limit 200",
    "probekit ablate interchange --metric behave:grammar --model ./gpt-novels --subspaces das,means --layers 2-4",
    "probekit ablate interchange --metric behave:pairs.tsv --model ./gpt-novels --at differing --random-weights 0",
)


def interchange_command(
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="behave:SUITE; its items of two sentences that differ in one word are used.",
            metavar="behave:SUITE",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", help="A hub name or a local folder; it must have its head.", metavar="MODEL")
    ],
    layers: Layers = "",
    at: Annotated[
        str,
        typer.Option(
            "--at",
            help="Tokens that are exchanged: answer (where it is predicted), differing (in which the two sentences "
            "differ), shared (the others), all, or the number of one.",
            metavar="NAME",
        ),
    ] = "answer",
    subspaces: Annotated[
        str,
        typer.Option(
            "--subspaces",
            help=f"Which, parted by commas: {names_in('ablation', 'subspaces')}. Default: all that the suite allows.",
            metavar="LIST",
        ),
    ] = "",
    rank: Annotated[
        str,
        typer.Option("--rank", help="Of axis and das: a number, or auto, of 1, 2, 4, 8 the best on dev.", metavar="N"),
    ] = "1",
    draws: Annotated[
        int, typer.Option("--draws", help="Random subspaces of each kind beside.", min=1, metavar="N")
    ] = 5,
    classes: Classes = "number",
    only_right: Annotated[
        bool, typer.Option("--only-right", help="Use only pairs of which the model answers both sentences right.")
    ] = False,
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
    """Put part of a layer's state of one sentence into the run of another, and see whose answer the model gives.

    With --random-weights the same is done to a control model beside.
    """
    from probekit.ablation.interchange.run import interchange
    from probekit.behaviour.scoring.making import ScoringSpec

    suite = suite_of(metric)
    if rank != "auto" and not (rank.isascii() and rank.isdecimal()):
        raise UsageError(f"The `rank` option must be a whole number from 1, or auto. Got '{rank}'.")
    check_figure(plot)
    check_writable(out, "out")
    silent = quiet or json
    spec = ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights)
    with progress_bar("exchanging", 1.0, quiet=silent) as advance:
        report = interchange(
            suite,
            model,
            layers=layers or None,
            at=at,
            subspaces=[name.strip() for name in subspaces.split(",") if name.strip()],
            rank=None if rank == "auto" else int(rank),
            draws=draws,
            classes=classes,
            only_right=only_right,
            limit=limit,
            spec=spec,
            revision=revision,
            seed=seed,
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)


def suite_of(metric: str) -> str:
    """Return the suite of a metric ``behave:SUITE``.

    Raises
    ------
    UsageError
        It is another metric.
    """
    name, colon, suite = metric.partition(":")
    if name != "behave" or not colon or not suite:
        raise UsageError(f"Answers are those of a suite: the `metric` option must be behave:SUITE. Got '{metric}'.")
    return suite
