"""``probekit ablate inputs``: which words a model's preferences rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Annotations,
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
    Pool,
    ProbedCorpus,
    Probes,
    Quiet,
    RandomWeights,
    ReadLayer,
    Revision,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
)
from probekit.cli.output import print_report, progress_bar, say
from probekit.errors import UsageError

EXAMPLES = examples(
    "probekit ablate inputs --metric behave:blimp/anaphor_number_agreement --model ./gpt-novels --limit 100",
    "probekit ablate inputs --metric behave:pairs.tsv --model ./gpt-novels --exact --items items.jsonl",
    "probekit ablate inputs --metric probe:pos --model minilm --corpus ./en_ewt --phrases --limit 100",
    "probekit ablate inputs --metric run:runs/pos --corpus ./en_ewt --limit 100",
)


def inputs_command(
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="behave:SUITE, whose items of two sentences are used; probe:TASK, the labels of a linear probe; or "
            "run:FOLDER, those of a run of `probekit tune`.",
            metavar="NAME:OF",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A hub name or a local folder; it must have its head, unless a probe reads it. A tuned run is its own "
            "model; of one saved as differences, where what it was tuned from is now.",
            metavar="MODEL",
        ),
    ] = None,
    masked: Annotated[
        bool, typer.Option("--masked", help="Put the tokenizer's mask where a word was; by default it is removed.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Prove that no set is smaller, of items of at most 14 words to erase.")
    ] = False,
    phrases: Annotated[
        bool, typer.Option("--phrases", help="Of labels: erase whole phrases, where the corpus has trees.")
    ] = False,
    corpus: ProbedCorpus = None,
    annotations: Annotations = None,
    probes: Probes = None,
    layer: ReadLayer = None,
    pool: Pool = "mean",
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
    items: Annotated[
        Path | None, typer.Option("--items", help="Write what was made of each item (JSONL).", metavar="FILE")
    ] = None,
    out: Out = None,
    plot: Curves = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Erase words one by one and in sets, until the other sentence of a pair is preferred, or another label given."""
    from probekit.ablation.inputs.labelled import ErasingSpec, ablate_label_inputs, ablate_run_inputs
    from probekit.ablation.inputs.run import ablate_inputs
    from probekit.ablation.probes.fitting import ProbeSpec
    from probekit.behaviour.scoring.making import ScoringSpec

    name, _, of = metric.partition(":")
    if name not in ("behave", "probe", "run") or not of:
        raise UsageError(
            "Words are erased under a suite, a probe or a tuned run: the `metric` option must be behave:SUITE, "
            f"probe:TASK or run:FOLDER. Got '{metric}'."
        )
    if model is None and name != "run":
        raise UsageError("What is measured is a model: name it with --model.")
    probing = ProbeSpec(corpus, tuple(annotations or ()), tuple(probes or ()), layer, pool)
    if name == "behave" and (given := [*probing.named, *(["phrases"] if phrases else [])]):
        raise UsageError(f"The `{given[0]}` option is of labels. Leave it out under a suite.")
    check_figure(plot)
    for place, option in ((out, "out"), (items, "items")):
        check_writable(place, option)
    silent = quiet or json
    spec = ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights)
    with progress_bar("erasing", 1.0, quiet=silent) as advance:
        if name == "behave":
            report = ablate_inputs(
                of,
                str(model),
                masked=masked,
                exact=exact,
                limit=limit,
                spec=spec,
                revision=revision,
                seed=seed,
                progress=advance,
            )
        elif name == "probe":
            report = ablate_label_inputs(
                of,
                str(model),
                probing=probing,
                erasing=ErasingSpec(masked, exact, phrases),
                limit=limit,
                spec=spec,
                revision=revision,
                seed=seed,
                progress=advance,
            )
        else:
            report = ablate_run_inputs(
                of,
                model,
                probing=probing,
                erasing=ErasingSpec(masked, exact, phrases),
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
    print_report(report, json=json)
