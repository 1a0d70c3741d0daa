"""``probekit drift``: how far tuning moved each layer, and what its layers know now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.options import (
    Annotations,
    CacheRoot,
    Debug,
    Device,
    Json,
    MaxLength,
    Measure,
    OverflowAsBefore,
    Plot,
    Probes,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    examples,
)
from probekit.cli.output import progress_bar, say, show_json

if TYPE_CHECKING:
    from probekit.report import LayerReport

EXAMPLES = examples(
    "probekit drift runs/pos grammar:n=200",
    "probekit drift runs/pos en_ewt-ud-test.conllu --task pos --task deprel --plot drift.png",
)


def drift_command(
    run: Annotated[Path, typer.Argument(help="The folder of a run of `probekit tune`.", metavar="RUN")],
    corpus: Annotated[str, typer.Argument(help="A file, a folder, or what `extract` takes.", metavar="CORPUS")],
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="Probe this before and after; may be repeated.", metavar="TASK"),
    ] = None,
    annotations: Annotations = None,
    probes: Probes = None,
    measure: Measure = "cka",
    max_length: MaxLength = None,
    overflow: OverflowAsBefore = None,
    seed: Seed = 0,
    plot: Plot = None,
    device: Device = "auto",
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Compare every layer of a tuned model with what it was: its similarity, and the curves of tasks.

    Texts are read as the run read its own, longer ones too, unless --max-length or --overflow say otherwise; chats by
    the template that it kept.
    """
    from probekit.cache.reader import ActivationCache
    from probekit.extraction.run import extract
    from probekit.probing.settings import Settings
    from probekit.probing.studies.study import run_probes
    from probekit.report import compare
    from probekit.tasks import get_task
    from probekit.tuning.data.reading import AskedReading
    from probekit.tuning.drift import drift, reading_before, source_before, template_file

    silent = quiet or json
    check_figure(plot)
    names = [get_task(name, *(probes or [])).name for name in dict.fromkeys(task or [])]
    model, keep, said = source_before(run)
    for note in said:
        say(note, quiet=silent)
    how = reading_before(run, AskedReading(max_length=max_length, overflow=overflow))
    chat = how.input == "chat"
    if chat:
        say("Chats are read by the template that the run read its own by.", quiet=silent)
    caches = []
    for which in (model, str(run)):
        with progress_bar("extracting", 1.0, quiet=silent) as advance, template_file(how) as template:
            made = extract(
                which,
                corpus,
                layers=range(keep + 1),
                input="words" if chat else how.input,
                chat=chat,
                chat_template=template,
                max_length=how.max_length,
                overflow=how.overflow,
                device=device,
                cache=cache,
                progress=advance,
            )
        for note in made.notes:
            say(note, quiet=silent)
        caches.append(ActivationCache.open(made.cache))
    moved = drift(*caches, measure=measure, seed=seed)
    asked = [Settings(task=name, seed=seed, device=device) for name in names]
    studies: list[list[LayerReport]] = []
    for one in caches if asked else []:
        with progress_bar("probing", 1.0, quiet=silent) as advance:
            found = run_probes(one, asked, annotations=annotations or [], probes=probes or [], progress=advance)
            studies.append([study.report for study in found])
    pairs = [list(pair) for pair in zip(*studies, strict=True)]
    if plot is not None:
        say(f"plot       {moved.save_plot(plot)}", quiet=silent)
    if json:
        show_json({**moved.to_json(), "reports": [[one.to_json() for one in pair] for pair in pairs]})
        return
    typer.echo("\n\n".join([str(moved), *(str(compare(pair, ["before", "after"]).table()) for pair in pairs)]))
