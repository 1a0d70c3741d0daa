"""``probekit behave``: which sentence of each item a model prefers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.modes import check_options
from probekit.cli.options import (
    BatchTokens,
    Begin,
    CacheRoot,
    Debug,
    Device,
    Dtype,
    End,
    Json,
    Limit,
    MaxMemory,
    Offload,
    Out,
    Quiet,
    RandomWeights,
    Revision,
    Seed,
    Spread,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import keep_report, print_report, progress_bar, say, show_json
from probekit.devices import WITHOUT_CONTROLS, place_of
from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.behaviour.scoring.perplexity import Perplexity

EXAMPLES = examples(
    "probekit behave blimp --model ./gpt-novels",
    "probekit behave pairs.jsonl --model gpt2 --ngram novels.txt --random-weights 0 --items items.jsonl",
    "probekit behave linzen --model ./gpt-novels --plot curve.png --by attractors",
    "probekit behave reviews.csv --model ./gpt-novels --prompt 'Review: {text} It was {label}.' "
    "--verbaliser positive=good,negative=bad --calibrate N/A",
    "probekit behave novel.txt --model ./gpt-novels --perplexity --stride 64",
)


def behave_command(
    suite: Annotated[
        str,
        typer.Argument(
            help=f"A file, a folder, or one of {names_in('behaviour', 'suites', dash='_')}; "
            "blimp/anaphor_* for a part.",
            metavar="SUITE",
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", help="A hub name or a local folder; it must have its head.", metavar="MODEL"),
    ],
    score: Annotated[
        str,
        typer.Option(
            "--score",
            help="auto (what the head does), causal, masked (within-word left-to-right), masked-original or seq2seq.",
            metavar="NAME",
        ),
    ] = "auto",
    begin: Begin = "auto",
    end: End = "auto",
    normalise: Annotated[
        str, typer.Option("--normalise", help="Compare by sum, token, word or slor.", metavar="NAME")
    ] = "sum",
    limit: Limit = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Group by a fact of the items, not by phenomenon: attractors, term.", metavar="FACT"),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="Another model, compared item by item; may be repeated.", metavar="MODEL"),
    ] = None,
    ngram: Annotated[
        Path | None,
        typer.Option("--ngram", help="A baseline: an ARPA file, or a text to train a 5-gram on.", metavar="FILE"),
    ] = None,
    unigram: Annotated[
        Path | None,
        typer.Option(
            "--unigram",
            help="A baseline: a text whose words are counted, for SLOR too. Default: the text of --ngram.",
            metavar="TEXT",
        ),
    ] = None,
    exchange: Annotated[
        str | None,
        typer.Option(
            "--exchange",
            help="A control: score the same items with content words exchanged, of the kinds that an annotated corpus "
            "(upos, feats) gives them: ./treebank.conllu, grammar:n=2000.",
            metavar="CORPUS",
        ),
    ] = None,
    random_weights: RandomWeights = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            help="SUITE is a labelled corpus: sort its examples by the word that fits, as in 'Review: {text} It was "
            "{label}.'; of two texts {first} and {second}.",
            metavar="TEXT",
        ),
    ] = None,
    verbaliser: Annotated[
        list[str] | None,
        typer.Option(
            "--verbaliser", help="With --prompt: a word for each label, positive=good,negative=bad.", metavar="PAIRS"
        ),
    ] = None,
    calibrate: Annotated[
        list[str] | None,
        typer.Option(
            "--calibrate",
            help="With --prompt: a text that says nothing, N/A, by which to calibrate; may be repeated.",
            metavar="TEXT",
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="With --prompt: the annotation. Default: label.", metavar="NAME")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="With --prompt: test, dev, train or all. Default: test.", metavar="NAME"),
    ] = None,
    perplexity: Annotated[
        bool, typer.Option("--perplexity", help="SUITE is a running text: say its perplexity.")
    ] = False,
    window: Annotated[
        int | None,
        typer.Option("--window", help="With --perplexity: tokens read at once.", min=1, metavar="N"),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride", help="With --perplexity: tokens each window scores. Default: half of it.", min=1, metavar="N"
        ),
    ] = None,
    dtype: Dtype = "float32",
    device: Device = "auto",
    device_map: Spread = None,
    max_memory: MaxMemory = None,
    offload: Offload = None,
    batch_tokens: BatchTokens = None,
    revision: Revision = None,
    seed: Seed = 0,
    no_keep: Annotated[bool, typer.Option("--no-keep", help="Neither keep scores nor use kept ones.")] = False,
    items: Annotated[
        Path | None, typer.Option("--items", help="Write what was made of each item (JSONL).", metavar="FILE")
    ] = None,
    out: Out = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw accuracies, or a suite's own scores (.png, .svg or .pdf).", metavar="FILE"),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Let a model choose between the sentences of each item, and report how often it is right."""
    from probekit.behaviour.classifying import classify
    from probekit.behaviour.prompts import parse_verbaliser
    from probekit.behaviour.run import behave, perplexity_of

    check_figure(plot)
    check_writable(items, "items")
    check_writable(out, "out")
    of_prompts = {"verbaliser": verbaliser, "calibrate": calibrate, "label": label, "split": split}
    of_items = {"by": by, "ngram": ngram, "unigram": unigram, "exchange": exchange}
    check_options("perplexity", given=perplexity, own={"window": window, "stride": stride})
    check_options("prompt", given=prompt is not None, own=of_prompts, others=of_items)
    others = {**of_items, "prompt": prompt, "limit": limit, "against": against or None}
    unwritten = {"items": items, "out": out, "plot": plot, "normalise": None if normalise == "sum" else normalise}
    check_options("perplexity", given=perplexity, others={**others, **unwritten})
    place = place_of(device, device_map, max_memory, offload)
    if device_map is not None and random_weights is not None:
        raise UsageError(WITHOUT_CONTROLS.format("random weights"))
    silent = quiet or json
    if perplexity:
        with progress_bar("scoring", 1.0, quiet=silent) as advance:
            found = perplexity_of(
                suite,
                model,
                window=window,
                stride=stride,
                score=score,
                begin=begin,
                end=end,
                dtype=dtype,
                device=place,
                batch_tokens=batch_tokens,
                revision=revision,
                random_weights=random_weights,
                progress=advance,
            )
        if json:
            show_json(found.to_json())
        else:
            _print_perplexity(found)
        return
    with progress_bar("scoring", 1.0, quiet=silent) as advance:
        if prompt is not None:
            report = classify(
                suite,
                model,
                prompt=prompt,
                verbaliser=parse_verbaliser(verbaliser or []),
                calibrate=calibrate or [],
                label=label or "label",
                split=split or "test",
                limit=limit,
                score=score,
                begin=begin,
                end=end,
                normalise=normalise,
                against=against or [],
                random_weights=random_weights,
                dtype=dtype,
                device=place,
                batch_tokens=batch_tokens,
                revision=revision,
                cache=cache,
                keep=not no_keep,
                seed=seed,
                progress=advance,
                told=lambda note: say(note, quiet=silent),
            )
        else:
            report = behave(
                suite,
                model,
                score=score,
                begin=begin,
                end=end,
                normalise=normalise,
                limit=limit,
                by=by or "",
                against=against or [],
                ngram=ngram,
                unigram=unigram,
                exchange=exchange,
                random_weights=random_weights,
                dtype=dtype,
                device=place,
                batch_tokens=batch_tokens,
                revision=revision,
                cache=cache,
                keep=not no_keep,
                seed=seed,
                progress=advance,
                told=lambda note: say(note, quiet=silent),
            )
    if items is not None:
        say(f"items      {report.write_items(items)}", quiet=silent)
    keep_report(report, out=out, plot=plot, quiet=silent)
    print_report(report, json=json)


def _print_perplexity(found: Perplexity) -> None:
    typer.echo(f"text       {found.tokens:,} tokens, {found.words:,} words, {found.characters:,} characters")
    typer.echo(
        f"windows    {found.windows:,} of at most {found.window} tokens, moved by {found.stride}; {found.conventions}"
    )
    typer.echo(
        f"perplexity {found.by_token:.2f} by token, {found.by_word:.2f} by word, {found.by_character:.3f} by character"
    )
    if found.unscored:
        typer.echo(f"note: {found.unscored:,} tokens have no score: nothing stands before them.")
