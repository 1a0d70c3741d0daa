"""``probekit probe``: ask a task of every layer of a cache."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.options import (
    CacheRoot,
    Debug,
    Device,
    Json,
    Quiet,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
    say,
)
from probekit.cli.progress import progress_bar

if TYPE_CHECKING:
    from probekit.probing.sweep import Probing

EXAMPLES = examples(
    "probekit probe --task pos",
    "probekit probe --task morph:Number --on CACHE --plot curve.png --out report.jsonl",
    "probekit probe --task pos --on CACHE1 --on CACHE2 --control-seeds 3",
)


def probe_command(
    task: Annotated[
        str,
        typer.Option(
            "--task", help="The question, e.g. pos or morph:Number; `probekit tasks` lists them.", metavar="TASK"
        ),
    ],
    on: Annotated[
        list[Path] | None,
        typer.Option(
            "--on",
            help="A cache folder, or `random` for the newest with random weights; may be repeated, side by side.",
            metavar="CACHE",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Use the newest cache of this model (on --corpus, if given).", metavar="MODEL"),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus", help="Where the annotations are, if not where the extraction read them.", metavar="CORPUS"
        ),
    ] = None,
    annotations: Annotated[
        list[str] | None,
        typer.Option(
            "--annotations",
            help="A file or folder with more annotations of the corpus, joined by sentence id; may be repeated.",
            metavar="FILE",
        ),
    ] = None,
    layers: Annotated[
        str, typer.Option("--layers", help="all, or a list like 0,3,6 or 0-3,final.", metavar="LIST")
    ] = "all",
    pool: Annotated[
        str,
        typer.Option("--pool", help="How tokens become one vector: mean, first, last or endpoints.", metavar="NAME"),
    ] = "mean",
    pair: Annotated[
        str,
        typer.Option("--pair", help="How two vectors become one: concat, product or difference.", metavar="NAME"),
    ] = "concat",
    estimator: Annotated[
        str, typer.Option("--estimator", help=f"One of {names_in('probing', 'estimators')}.", metavar="NAME")
    ] = "logistic",
    control_seeds: Annotated[
        int, typer.Option("--control-seeds", help="Draws of the control task; 0: none.", min=0, metavar="N")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.", min=0, metavar="N")] = 0,
    probes: Annotated[
        list[Path] | None,
        typer.Option("--probes", help="A folder of your own task files; may be repeated.", metavar="DIR"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Sentences repeated across splits are an error.")] = False,
    drop_repeated: Annotated[
        bool, typer.Option("--drop-repeated", help="Leave out dev and test sentences that repeat a training sentence.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="No control task, 100 resamples, one pass; the report says so.")
    ] = False,
    ranks: Annotated[
        str | None,
        typer.Option(
            "--ranks", help="Ranks of the projections of a task over trees, like 8,64; 64 by default.", metavar="LIST"
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            help=f"An analysis beside the scores; may be repeated: {names_in('probing', 'analyses')}.",
            metavar="NAME",
        ),
    ] = None,
    max_ram: Annotated[
        float | None,
        typer.Option(
            "--max-ram", help="Memory for one layer, in GB; larger layers are refused with advice.", metavar="GB"
        ),
    ] = None,
    device: Device = "auto",
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", help="Write test predictions of the chosen layer (JSONL).", metavar="FILE"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report (JSONL).", metavar="FILE")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the layer curve (.png, .svg or .pdf).", metavar="FILE")
    ] = None,
    trees: Annotated[
        Path | None,
        typer.Option(
            "--trees",
            help="Of tree-distance: draw some test sentences with the trees predicted (.png, .svg or .pdf).",
            metavar="FILE",
        ),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Fit a probe at every layer and report scores with their floors, control and intervals."""
    from probekit.cache.reader import ActivationCache
    from probekit.probing.choosing import find_cache
    from probekit.probing.settings import Settings
    from probekit.probing.sweep import run_probe

    settings = Settings(
        task=task,
        layers=layers,
        pool=pool,
        pair=pair,
        estimator=estimator,
        control_seeds=0 if fast else control_seeds,
        seed=seed,
        resamples=100 if fast else 1000,
        fast=fast,
        strict=strict,
        drop_repeated=drop_repeated,
        ranks=_numbers(ranks),
        max_ram=max_ram,
        device=device,
        also=tuple(also or ()),
    )
    check_figure(plot)
    _check_trees(trees, task, probes or [])
    check_writable(out, "out")
    check_writable(predictions, "predictions")
    done: list[Probing] = []
    named: Path | None
    for named in on or [None]:  # type: ignore[list-item]
        path = find_cache(named, model, corpus, cache)
        if named is None:
            say(f"probing    {path}", quiet=quiet or json)
        with progress_bar("probing", 1.0, quiet=quiet or json) as advance:
            opened = ActivationCache.open(path)
            done.append(
                run_probe(
                    opened,
                    settings,
                    corpus=corpus,
                    annotations=annotations or [],
                    probes=probes or [],
                    progress=advance,
                )
            )
            if verbose:
                _say_asked(done[-1])
    reports = [probing.report for probing in done]
    _write(done, out=out, plot=plot, predictions=predictions, quiet=quiet or json)
    if trees is not None:
        from probekit.report.trees import save_trees

        for number, probing in enumerate(done):
            say(f"trees      {save_trees(probing.drawn(), _numbered(trees, number, len(done)))}", quiet=quiet or json)
    if json:
        documents = [report.to_json() for report in reports]
        whole = documents[0] if len(documents) == 1 else {"schema": "probekit.reports/1", "reports": documents}
        typer.echo(json_module.dumps(whole, ensure_ascii=False))
        return
    if len(reports) == 1:
        typer.echo(str(reports[0].table()))
    else:
        from probekit.report import compare

        typer.echo(str(compare(reports).table()))


def _check_trees(path: Path | None, task: str, probes: Sequence[Path]) -> None:
    """Refuse a drawing of trees that no tree will be predicted for, before anything is fitted."""
    from probekit.errors import UsageError
    from probekit.tasks import get_task

    if path is None:
        return
    check_figure(path, "trees")
    asked = get_task(task, *probes)
    if "uuas" not in asked.metrics:
        raise UsageError(f"The `trees` option draws edges, which tree-distance predicts, not '{asked.name}'.")


def _numbers(text: str | None) -> tuple[int, ...]:
    """Read ``8,64``."""
    from probekit.errors import UsageError

    parts = [] if text is None else [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= 9 for part in parts):
        raise UsageError(f"The `ranks` option must be whole numbers, like 8,64. Got '{text:.60}'.")
    return tuple(map(int, parts))


def _say_asked(probing: Probing) -> None:
    """Say what exactly was asked and of how many."""
    asked = probing.report.to_json()
    say(f"targets    {', '.join(f'{split} {count:,}' for split, count in asked['targets'].items())}")
    if "classes" in asked:
        say(f"classes    {asked['classes']}")
    say(f"settings   {', '.join(f'{name} {value}' for name, value in asked['settings'].items())}")


def _write(
    done: Sequence[Probing], *, out: Path | None, plot: Path | None, predictions: Path | None, quiet: bool
) -> None:
    """Write what was asked for, one file a report where there are several."""
    from probekit.probing.predictions import write_predictions
    from probekit.report import compare

    for number, probing in enumerate(done):
        if out is not None:
            say(f"report     {probing.report.write(_numbered(out, number, len(done)))}", quiet=quiet)
        if predictions is not None:
            written = write_predictions(probing, _numbered(predictions, number, len(done)))
            say(f"predicted  {written}", quiet=quiet)
    if plot is not None:
        drawing = done[0].report if len(done) == 1 else compare([probing.report for probing in done])
        say(f"plot       {drawing.save_plot(plot)}", quiet=quiet)


def _numbered(path: Path, number: int, of: int) -> Path:
    return path if of == 1 else path.with_name(f"{path.stem}.{number + 1}{path.suffix}")
