"""``probekit behave``: which sentence of each item a model prefers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.options import (
    BatchTokens,
    CacheRoot,
    Debug,
    Device,
    Dtype,
    Json,
    Quiet,
    RandomWeights,
    Revision,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import progress_bar, say, show_json

if TYPE_CHECKING:
    from probekit.behaviour.scoring.perplexity import Perplexity

EXAMPLES = examples(
    "probekit behave blimp --model ./gpt-novels",
    "probekit behave pairs.jsonl --model gpt2 --ngram novels.txt --random-weights 0 --items items.jsonl",
    "probekit behave linzen --model ./gpt-novels --plot curve.png --by attractors",
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
    begin: Annotated[
        str,
        typer.Option("--begin", help="Before each text: token, none, or auto: one if there is.", metavar="NAME"),
    ] = "auto",
    end: Annotated[
        str,
        typer.Option(
            "--end",
            help="Behind each text: token, and score it, or none; auto: none, but of masked models.",
            metavar="NAME",
        ),
    ] = "auto",
    normalise: Annotated[
        str, typer.Option("--normalise", help="Compare by sum, token, word or slor.", metavar="NAME")
    ] = "sum",
    limit: Annotated[
        int | None, typer.Option("--limit", help="Judge the first N items of each phenomenon.", min=1, metavar="N")
    ] = None,
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
    random_weights: RandomWeights = None,
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
    batch_tokens: BatchTokens = None,
    revision: Revision = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.", min=0, metavar="N")] = 0,
    no_keep: Annotated[bool, typer.Option("--no-keep", help="Neither keep scores nor use kept ones.")] = False,
    items: Annotated[
        Path | None, typer.Option("--items", help="Write what was made of each item (JSONL).", metavar="FILE")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report (JSONL).", metavar="FILE")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the accuracies (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Let a model choose between the sentences of each item, and report how often it is right."""
    from probekit.behaviour.run import behave, perplexity_of

    check_figure(plot)
    check_writable(items, "items")
    check_writable(out, "out")
    _check_together(perplexity, {"window": window, "stride": stride}, {"limit": limit, "by": by})
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
                device=device,
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
            random_weights=random_weights,
            dtype=dtype,
            device=device,
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
    if out is not None:
        say(f"report     {report.write(out)}", quiet=silent)
    if plot is not None:
        say(f"plot       {report.save_plot(plot)}", quiet=silent)
    if json:
        show_json(report.to_json())
        return
    typer.echo(report.table())


def _check_together(perplexity: bool, windows: dict[str, int | None], of_items: dict[str, object]) -> None:
    """Refuse options that would have no effect."""
    from probekit.errors import UsageError

    for name, value in windows.items():
        if value is not None and not perplexity:
            raise UsageError(f"The `{name}` option is of --perplexity. Add that, or leave it out.")
    for name, given in of_items.items():
        if given is not None and perplexity:
            raise UsageError(
                f"The `{name}` option is of suites of items, and --perplexity reads a text. Leave one out."
            )


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
