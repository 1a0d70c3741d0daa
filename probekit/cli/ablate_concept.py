"""``probekit ablate concept``: what is readable of a label, and what of it the model uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Annotations,
    At,
    BatchTokens,
    CacheRoot,
    Chat,
    ChatTemplate,
    Debug,
    Device,
    Dtype,
    Json,
    Layers,
    Limit,
    Out,
    Probes,
    Quiet,
    Revision,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import keep_report, print_report, progress_bar, say

EXAMPLES = examples(
    "probekit ablate concept --task morph:Number --model ./gpt-novels --corpus ./ewt --limit 200",
    "probekit ablate concept --task morph:Number --task pos --model ./bert --corpus ./ewt --plot used.png",
    "probekit ablate concept --task label --at last-prompt --model ./my-chat-model --corpus questions.jsonl --chat",
)


def concept_command(
    task: Annotated[
        list[str],
        typer.Option("--task", help="What is erased; may be repeated: the others are then read again.", metavar="NAME"),
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
    layers: Layers = "",
    at: At = None,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Erase at all layers at once, not at the one that dev chooses.")
    ] = False,
    eraser: Annotated[
        str, typer.Option("--eraser", help=f"How: {names_in('ablation', 'erasers')}.", metavar="NAME")
    ] = "leace",
    draws: Annotated[
        int, typer.Option("--draws", help="Random subspaces of each kind beside.", min=1, metavar="N")
    ] = 5,
    limit: Limit = None,
    probes: Probes = None,
    dtype: Dtype = "float32",
    device: Device = "auto",
    batch_tokens: BatchTokens = None,
    revision: Revision = None,
    seed: Seed = 0,
    cache: CacheRoot = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the erasers as edits into a folder.", metavar="DIR")
    ] = None,
    out: Out = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw used against readable (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Erase a label from the states of a model, and measure what a probe, the model and other probes lose.

    By default at the layer where the probe is best on dev, beside random subspaces of equal rank and of equal loss.
    """
    from probekit.ablation.concept.run import ablate_concept

    check_figure(plot)
    check_writable(out, "out")
    silent = quiet or json
    with progress_bar("erasing", 1.0, quiet=silent) as advance:
        report = ablate_concept(
            task,
            model,
            corpus=corpus,
            annotations=annotations or (),
            chat=chat,
            chat_template=chat_template,
            layers=layers or None,
            at=at,
            everywhere=everywhere,
            eraser=eraser,
            draws=draws,
            limit=limit,
            save=save,
            probes=probes or (),
            dtype=dtype,
            device=device,
            batch_tokens=batch_tokens,
            revision=revision,
            seed=seed,
            cache=cache,
            progress=advance,
        )
    if save is not None:
        say(f"erasers    {save}", quiet=silent)
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)
