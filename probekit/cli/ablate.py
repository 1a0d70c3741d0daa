"""``probekit ablate``: what a model loses as its parts are left out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.ablate_attention import ATTENTION_EXAMPLES, attention_command
from probekit.cli.ablate_concept import EXAMPLES as CONCEPT_EXAMPLES
from probekit.cli.ablate_concept import concept_command
from probekit.cli.ablate_inputs import EXAMPLES, inputs_command
from probekit.cli.ablate_interchange import EXAMPLES as INTERCHANGES
from probekit.cli.ablate_interchange import interchange_command
from probekit.cli.ablate_steer import EXAMPLES as STEER_EXAMPLES
from probekit.cli.ablate_steer import steer_command
from probekit.cli.ablate_weights import WEIGHTS_EXAMPLES, weights_command
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
    Layers,
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
    names_in,
)
from probekit.cli.output import keep_report, print_report, progress_bar

app = typer.Typer(
    help="Leave parts of a model out, and see what breaks.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples(
        "probekit ablate heads --metric behave:blimp/anaphor_number_agreement --model ./gpt-novels",
        "probekit ablate units --metric loss:novel.txt --model ./gpt-novels --importance attribution --layers 3",
        "probekit ablate heads --metric probe:pos --model minilm --corpus en_ewt-ud-dev.conllu --layer 4",
        "probekit ablate heads --metric run:runs/pos --corpus ./en_ewt",
    ),
)


def ablate_command(
    context: typer.Context,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help=f"What is measured, with what it is of behind a colon ({names_in('ablation', 'metrics')}): "
            "behave:SUITE, loss:CORPUS, probe:TASK, a linear probe of a layer, or run:FOLDER, a run of `probekit "
            "tune`.",
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
    importance: Annotated[
        str | None,
        typer.Option(
            "--importance",
            help=f"What orders the parts: {names_in('ablation', 'importance')}. Default: ablation; of units and dims "
            "attribution. `weights` are those of the probe, for the dims that it reads.",
            metavar="NAME",
        ),
    ] = None,
    layers: Layers = "",
    instead: Annotated[
        str,
        typer.Option(
            "--instead",
            help="What stands in the place of what is left out: zero, mean, or resample, its value at a token of "
            "another example.",
            metavar="NAME",
        ),
    ] = "zero",
    first: Annotated[
        str,
        typer.Option(
            "--first", help="Which parts go first: the most important, or the least (pruning).", metavar="NAME"
        ),
    ] = "most",
    prune: Annotated[
        int | None, typer.Option("--prune", help="A number of parts to leave out among others.", min=1, metavar="N")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Write the edits that leave out the parts of --prune (JSON).", metavar="FILE"),
    ] = None,
    orders: Annotated[int, typer.Option("--orders", help="Random orders beside.", min=1, metavar="N")] = 10,
    steps: Annotated[int, typer.Option("--steps", help="Points of the curve.", min=1, metavar="N")] = 12,
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
    out: Out = None,
    plot: Curves = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Leave parts out in order of importance and in random orders, and measure the model on the way.

    By default they are of all blocks; dims are of the layer in the middle, or of the one that a probe reads.
    """
    from probekit.ablation.probes.fitting import ProbeSpec
    from probekit.ablation.run import ablate

    check_figure(plot)
    check_writable(out, "out")
    check_writable(save, "save")
    silent = quiet or json
    with progress_bar("leaving out", 1.0, quiet=silent) as advance:
        report = ablate(
            str(context.info_name),
            model,
            metric=metric,
            importance=importance,
            layers=layers or None,
            instead=instead,
            first=first,
            prune=prune,
            save=save,
            orders=orders,
            steps=steps,
            limit=limit,
            score=score,
            begin=begin,
            end=end,
            random_weights=random_weights,
            dtype=dtype,
            device=device,
            batch_tokens=batch_tokens,
            revision=revision,
            seed=seed,
            probing=ProbeSpec(corpus, tuple(annotations or ()), tuple(probes or ()), layer, pool),
            progress=advance,
        )
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)


_PARTS = {
    "heads": "Attention heads, before the output projection.",
    "units": "Neurons of the MLP.",
    "layers": "Blocks: their heads and neurons.",
    "dims": "Numbers of the stream behind a block.",
}
for _name, _help in _PARTS.items():
    app.command(
        _name,
        short_help=_help,
        epilog=examples(
            f"probekit ablate {_name} --metric behave:blimp --model ./gpt-novels --limit 100 --plot curve.png",
            f"probekit ablate {_name} --metric loss:novel.txt --model ./gpt-novels --layers 2 --importance gradient",
        ),
    )(ablate_command)
app.command("inputs", short_help="Words of the text, under a suite of pairs.", epilog=EXAMPLES)(inputs_command)
app.command("concept", short_help="A label, out of the states that hold it.", epilog=CONCEPT_EXAMPLES)(concept_command)
app.command("interchange", short_help="Part of a layer, taken from another sentence.", epilog=INTERCHANGES)(
    interchange_command
)
app.command("steer", short_help="A direction, added at rising strengths.", epilog=STEER_EXAMPLES)(steer_command)
app.command("attention", short_help="Other attention weights.", epilog=ATTENTION_EXAMPLES)(attention_command)
app.command("weights", short_help="Weights, the smallest first.", epilog=WEIGHTS_EXAMPLES)(weights_command)
