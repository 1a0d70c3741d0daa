"""``probekit ablate steer``: a direction between two classes, added to a layer at rising strengths."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Annotations,
    At,
    BatchTokens,
    Begin,
    CacheRoot,
    Chat,
    ChatTemplate,
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
    Probes,
    Quiet,
    RandomWeights,
    Revision,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
)
from probekit.cli.output import keep_report, print_report, progress_bar, say
from probekit.errors import UsageError

EXAMPLES = examples(
    "probekit ablate steer --task morph:Number --toward Plur --away Sing --metric behave:grammar --model ./gpt-novels",
    "probekit ablate steer --task morph:Tense --toward Past --away Pres --metric words:was,had/is,has --model ./gpt2 "
    "--save past.safetensors",
    "probekit ablate steer --task label:tone --at last-prompt --toward kind --away rude --metric words:thanks/no "
    "--model ./my-chat-model --corpus questions.jsonl --chat",
)


def steer_command(
    task: Annotated[
        str, typer.Option("--task", help="Whose classes the direction lies between, like morph:Number.", metavar="NAME")
    ],
    toward: Annotated[str, typer.Option("--toward", help="The class that it is steered to.", metavar="CLASS")],
    away: Annotated[str, typer.Option("--away", help="The class that it is steered away from.", metavar="CLASS")],
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="Whose log-odds are read: behave:SUITE, the answer of the one class over that of the other; or "
            "two sets of words, words:was,had/is,has.",
            metavar="NAME:OF",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", help="A hub name or a local folder; it must have its head.", metavar="MODEL")
    ],
    corpus: Annotated[
        str, typer.Option("--corpus", help="With the annotations that the tasks read.", metavar="CORPUS")
    ] = "grammar",
    annotations: Annotations = None,
    chat: Chat = False,
    chat_template: ChatTemplate = None,
    direction: Annotated[
        str, typer.Option("--direction", help="How it is found: means, probe or leace.", metavar="NAME")
    ] = "means",
    states: Annotated[
        str | None,
        typer.Option(
            "--states",
            help="Of training words the states where they are predicted (by default), or written.",
            metavar="NAME",
        ),
    ] = None,
    at: At = None,
    layers: Layers = "",
    doses: Annotated[
        str,
        typer.Option(
            "--doses", help="Strengths, parted by commas, in norms of the layer's states; below 0 away.", metavar="LIST"
        ),
    ] = "0.25,0.5,1,2,4",
    cost: Annotated[
        float, typer.Option("--cost", help="By how much the loss of dev may rise, nats a token.", metavar="N")
    ] = 0.1,
    draws: Annotated[
        int, typer.Option("--draws", help="Random subspaces of each kind beside.", min=1, metavar="N")
    ] = 5,
    classes: Classes = "number",
    limit: Limit = None,
    probes: Probes = None,
    score: HeadScore = "auto",
    begin: Begin = "auto",
    end: End = "auto",
    random_weights: RandomWeights = None,
    dtype: Dtype = "float32",
    device: Device = "auto",
    batch_tokens: BatchTokens = None,
    revision: Revision = None,
    seed: Seed = 0,
    cache: CacheRoot = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Write the vector, the subspace of an edit that adds.", metavar="FILE"),
    ] = None,
    out: Out = None,
    plot: Curves = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Add the direction between two classes of a task to a layer, and measure answers and loss at rising strengths.

    Layer and strength are chosen on dev, where the loss rises by no more than --cost.
    """
    from probekit.ablation.steering.run import steer
    from probekit.behaviour.scoring.making import ScoringSpec

    check_figure(plot)
    for place, option in ((out, "out"), (save, "save")):
        check_writable(place, option)
    try:
        wanted = [float(part) for part in doses.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"The `doses` option must be numbers, like 0.5,1,2. Got '{doses}'.") from None
    silent = quiet or json
    with progress_bar("steering", 1.0, quiet=silent) as advance:
        report = steer(
            task,
            model,
            toward=toward,
            away=away,
            metric=metric,
            corpus=corpus,
            annotations=annotations or (),
            direction=direction,
            chat=chat,
            chat_template=chat_template,
            states=states,
            at=at,
            layers=layers or None,
            doses=wanted,
            cost=cost,
            draws=draws,
            classes=classes,
            limit=limit,
            save=save,
            probes=probes or (),
            spec=ScoringSpec(score, begin, end, dtype, device, batch_tokens, random_weights),
            revision=revision,
            seed=seed,
            cache=cache,
            progress=advance,
        )
    if save is not None:
        say(f"vector     {save}", quiet=silent)
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
