"""``probekit ablate inputs``: which words a model's preferences rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    BatchTokens,
    Begin,
    Debug,
    Device,
    Dtype,
    End,
    HeadScore,
    Json,
    Limit,
    Quiet,
    RandomWeights,
    Revision,
    Verbose,
    check_figure,
    check_writable,
    examples,
)
from probekit.cli.output import progress_bar, say, show_json
from probekit.errors import UsageError

EXAMPLES = examples(
    "probekit ablate inputs --metric behave:blimp/anaphor_number_agreement --model ./gpt-novels --limit 100",
    "probekit ablate inputs --metric behave:pairs.tsv --model ./gpt-novels --exact --items items.jsonl",
)


def inputs_command(
    metric: Annotated[
        str,
        typer.Option("--metric", help="behave:SUITE; its items of two sentences are used.", metavar="behave:SUITE"),
    ],
    model: Annotated[
        str, typer.Option("--model", help="A hub name or a local folder; it must have its head.", metavar="MODEL")
    ],
    masked: Annotated[
        bool, typer.Option("--masked", help="Put the tokenizer's mask where a word was; by default it is removed.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Prove that no set is smaller, of items of at most 14 shared words.")
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
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.", min=0, metavar="N")] = 0,
    items: Annotated[
        Path | None, typer.Option("--items", help="Write what was made of each item (JSONL).", metavar="FILE")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report (JSONL).", metavar="FILE")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the curves (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Erase words from both sentences of minimal pairs, one by one and in sets, until the other one is preferred."""
    from probekit.ablation.inputs.run import ablate_inputs
    from probekit.behaviour.scoring.making import ScoringSpec

    name, colon, suite = metric.partition(":")
    if name != "behave" or not colon or not suite:
        raise UsageError(f"Words are erased under a suite: the `metric` option must be behave:SUITE. Got '{metric}'.")
    check_figure(plot)
    for place, option in ((out, "out"), (items, "items")):
        check_writable(place, option)
    silent = quiet or json
    spec = ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights)
    with progress_bar("erasing", 1.0, quiet=silent) as advance:
        report = ablate_inputs(
            suite,
            model,
            masked=masked,
            exact=exact,
            limit=limit,
            spec=spec,
            revision=revision,
            seed=seed,
            progress=advance,
        )
    if out is not None:
        say(f"report     {report.write(out)}", quiet=silent)
    if items is not None:
        say(f"items      {report.write_items(items)}", quiet=silent)
    if plot is not None:
        say(f"plot       {report.save_plot(plot)}", quiet=silent)
    if json:
        show_json(report.to_json())
        return
    typer.echo(report.table())
