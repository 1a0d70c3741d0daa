"""``probekit probe``: ask a task of every layer of a cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.options import (
    Annotations,
    At,
    CacheRoot,
    Debug,
    Device,
    EstimatorName,
    Json,
    Layers,
    Out,
    Pair,
    Plot,
    Pool,
    Probes,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import progress_bar, say, show_json

if TYPE_CHECKING:
    from probekit.probing.studies.study import Study
    from probekit.report import Comparison, LayerReport

EXAMPLES = examples(
    "probekit probe --task pos",
    "probekit probe --task morph:Number --on CACHE --plot curve.png --out report.jsonl",
    "probekit probe --task pos --on CACHE1 --on CACHE2 --control-seeds 3",
    "probekit probe --task pos --on CACHE --on random --on static --plot models.png",
    "probekit probe --task pos --task deprel --task arc --out reports.jsonl",
    "probekit probe --task label --at last-prompt",
)


def probe_command(
    task: Annotated[
        list[str],
        typer.Option(
            "--task",
            help="The question, e.g. pos or morph:Number; `probekit tasks` lists them; may be repeated.",
            metavar="TASK",
        ),
    ],
    on: Annotated[
        list[Path] | None,
        typer.Option(
            "--on",
            help="A cache folder, or the newest fitting one of `random`, `shuffled-weights`, `shuffled-layers` or "
            "`static`; may be repeated, side by side.",
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
    annotations: Annotations = None,
    layers: Layers = "all",
    pool: Pool = "mean",
    pair: Pair = "concat",
    at: At = None,
    estimator: EstimatorName = None,
    control_seeds: Annotated[
        int | None,
        typer.Option(
            "--control-seeds",
            help="Draws of the control task; 0: none. By default 1, and none with --fast.",
            min=0,
            metavar="N",
        ),
    ] = None,
    seed: Seed = 0,
    probes: Probes = None,
    strict: Annotated[bool, typer.Option("--strict", help="Sentences repeated across splits are an error.")] = False,
    drop_repeated: Annotated[
        bool, typer.Option("--drop-repeated", help="Leave out dev and test sentences that repeat a training sentence.")
    ] = False,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="No control, 100 resamples, no tests between layers; the report says so."),
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
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help=f"Score labels by this too; may be repeated: {names_in('statistics', 'metrics', dash='_')}.",
            metavar="NAME",
        ),
    ] = None,
    layers_together: Annotated[
        str | None,
        typer.Option(
            "--layers-together",
            help="One more probe, of these layers' vectors one behind the other, like 2,4,6; its own row.",
            metavar="LIST",
        ),
    ] = None,
    max_ram: Annotated[
        float | None,
        typer.Option(
            "--max-ram", help="Memory for one layer, in GB; a larger one lies in temporary files.", metavar="GB"
        ),
    ] = None,
    device: Device = "auto",
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", help="Write test predictions of the chosen layer (JSONL).", metavar="FILE"),
    ] = None,
    out: Out = None,
    plot: Plot = None,
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
    from probekit.model_names import same_weights
    from probekit.probing.cache_selection import find_caches
    from probekit.probing.settings import Settings
    from probekit.probing.studies.study import run_probes

    settings = Settings(
        layers=layers,
        pool=pool,
        pair=pair,
        at=at,
        estimator=estimator,
        control_seeds=control_seeds,
        seed=seed,
        fast=fast,
        strict=strict,
        drop_repeated=drop_repeated,
        ranks=_parse_numbers(ranks),
        max_ram=max_ram,
        device=device,
        also=tuple(also or ()),
        metrics=tuple(metric or ()),
        layers_together=layers_together or (),
    )
    check_figure(plot)
    _check_tasks(task, probes or [], trees)
    check_writable(out, "out")
    check_writable(predictions, "predictions")
    _check_apart({"out": out, "predictions": predictions, "plot": plot, "trees": trees})
    asked = [replace(settings, task=name) for name in dict.fromkeys(task)]
    done: list[Study] = []
    caches = find_caches(on or (), model, corpus, cache)
    alike = same_weights(found.cache.model for found in caches)
    for sentence in alike:
        say(sentence, quiet=quiet or json)
    for place, found in enumerate(caches):
        if found.said:
            say(found.said, quiet=quiet or json)
        with progress_bar("probing", 1.0, quiet=quiet or json) as advance:
            studies = run_probes(
                found.cache,
                asked,
                corpus=corpus,
                annotations=annotations or [],
                probes=probes or [],
                progress=advance,
            )
            for number, probing in enumerate(studies):
                done.append(probing)
                if verbose:
                    _say_targets(probing)
                # Written at once: a later one that fails must not take this one with it. Reports of one task have
                # numbers in a row.
                written = _FileNumber(number * len(caches) + place, len(asked) * len(caches))
                _write(probing, written, out=out, predictions=predictions, trees=trees, quiet=quiet or json)
    # One group a task, with a report of each cache.
    groups = [done[place :: len(asked)] for place in range(len(asked))]
    if plot is not None:
        for number, group in enumerate(groups):
            path = _FileNumber(number, len(groups)).of(plot)
            say(f"plot       {_report_of(group).save_plot(path)}", quiet=quiet or json)
    if json:
        documents = [probing.report.to_json() for group in groups for probing in group]
        several = {"schema": "probekit.reports/1", "reports": documents, "same_weights": alike}
        whole = documents[0] if len(documents) == 1 else several
        show_json(whole)
        return
    typer.echo("\n\n".join(str(_report_of(group).table()) for group in groups))


def _report_of(group: Sequence[Study]) -> LayerReport | Comparison:
    """Return what shows the reports of one task: the only one, or all side by side."""
    from probekit.report import compare

    return group[0].report if len(group) == 1 else compare([probing.report for probing in group])


def _check_tasks(names: Sequence[str], probes: Sequence[Path], trees: Path | None) -> None:
    """Refuse a task that is not there, and a drawing of trees that none will be predicted for, before anything runs."""
    from probekit.errors import UsageError
    from probekit.tasks import get_task

    if trees is not None:
        check_figure(trees, "trees")
    for task in (get_task(name, *probes) for name in names):
        if trees is not None and "uuas" not in task.metrics:
            raise UsageError(f"The `trees` option draws edges, which tree-distance predicts, not '{task.name}'.")


def _check_apart(places: Mapping[str, Path | None]) -> None:
    """Refuse two things to be written into one file."""
    from probekit.errors import UsageError

    seen: dict[Path, str] = {}
    for option, path in places.items():
        if path is not None and (other := seen.setdefault(path.absolute(), option)) != option:
            raise UsageError(f"The `{option}` option names the file of `{other}`, {path}. Give it one of its own.")


def _parse_numbers(text: str | None) -> tuple[int, ...]:
    """Read ``8,64``."""
    from probekit.errors import UsageError

    parts = [] if text is None else [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= 9 for part in parts):
        raise UsageError(f"The `ranks` option must be whole numbers, like 8,64. Got '{text:.60}'.")
    return tuple(map(int, parts))


def _say_targets(probing: Study) -> None:
    """Say what exactly was asked and of how many."""
    asked = probing.report.to_json()
    say(f"targets    {', '.join(f'{split} {count:,}' for split, count in asked['targets'].items())}")
    if "classes" in asked:
        say(f"classes    {asked['classes']}")
    say(f"settings   {', '.join(f'{name} {value}' for name, value in asked['settings'].items())}")


@dataclass(frozen=True, slots=True)
class _FileNumber:
    """The place of a file among several of one name."""

    number: int
    count: int

    def of(self, path: Path) -> Path:
        """Return the path itself where there is one, else with a number."""
        return path if self.count == 1 else path.with_name(f"{path.stem}.{self.number + 1}{path.suffix}")


def _write(
    probing: Study,
    place: _FileNumber,
    *,
    out: Path | None,
    predictions: Path | None,
    trees: Path | None,
    quiet: bool,
) -> None:
    """Write what was asked for of one study."""
    from probekit.report.render.trees import save_trees

    if out is not None:
        say(f"report     {probing.report.write(place.of(out))}", quiet=quiet)
    if predictions is not None:
        say(f"predicted  {probing.write_predictions(place.of(predictions))}", quiet=quiet)
    if trees is not None:
        say(f"trees      {save_trees(probing.drawn(), place.of(trees))}", quiet=quiet)
