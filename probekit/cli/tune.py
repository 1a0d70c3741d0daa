"""``probekit tune``: from a task and a report to a tuned model and its bill."""

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
    Overflow,
    Probes,
    Quiet,
    Revision,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import say, show_json

if TYPE_CHECKING:
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.training.run import Tuned
    from probekit.tuning.verdict.bill import Entry

EXAMPLES = examples(
    "probekit tune --task pos --corpus grammar:n=2000",
    "probekit tune --report pos.jsonl --plan-only > plan.json",
    "probekit tune plan.json --report pos.jsonl --set keep=3 --out runs/pos",
    "probekit tune --task pos --plan head-only --on CACHE",
    "probekit tune --report pos.jsonl --verify cells.jsonl --examples 1500 --seeds 3",
    "probekit tune --report pos.jsonl --beside full --beside head-only --seeds 3 --bill bill.png",
)


def tune_command(
    plan_file: Annotated[
        Path | None, typer.Argument(help="A plan that --plan-only wrote, edited or not.", metavar="PLAN")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            help="What to tune for; by default the task of the plan or report. text: go on with language modelling.",
            metavar="TASK",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="A report of `probe --out`: it says model, corpus and cache, and advises.", metavar="FILE"
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            help=f"A plan of the catalogue instead of advice, with its options (top:2): {names_in('tuning', 'plans')}.",
            metavar="NAME",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a field of the plan: keep=3, rate.peak=2e-5; may be repeated.", metavar="F=V"),
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", help=f"The head: {names_in('tuning', 'heads')}.", metavar="NAME")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option("--schedule", help=f"What trains when: {names_in('tuning', 'schedules')}.", metavar="NAME"),
    ] = None,
    module: Annotated[
        list[str] | None,
        typer.Option(
            "--module",
            help="Put modules into blocks, which then stay frozen (NAME:OPTIONS@BLOCKS); may be repeated: "
            f"{names_in('tuning', 'modules')}.",
            metavar="NAME",
        ),
    ] = None,
    close: Annotated[
        list[str] | None,
        typer.Option(
            "--close",
            help="Stay close to the model as it was (NAME:STRENGTH); of several strengths one is chosen on dev; may be "
            f"repeated: {names_in('tuning', 'closeness')}.",
            metavar="NAME",
        ),
    ] = None,
    signals: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Learn from these beside the task, each with its weight or its first and last (NAME:0.2..0.1): "
            f"{names_in('tuning', 'signals')}.",
            metavar="NAMES",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Hub name or folder; by default the report's.", metavar="MODEL")
    ] = None,
    revision: Revision = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="What to train on; by default the report's.", metavar="CORPUS")
    ] = None,
    annotations: Annotations = None,
    on: Annotated[
        Path | None,
        typer.Option("--on", help="A cache of the same model and corpus: frozen layers are read.", metavar="CACHE"),
    ] = None,
    probes: Probes = None,
    targets: Annotated[
        str | None, typer.Option("--targets", help="Predict labels (the default) or numbers.", metavar="NAME")
    ] = None,
    train_examples: Annotated[
        int | None,
        typer.Option("--examples", help="Train on so many examples, drawn by the seed.", min=1, metavar="N"),
    ] = None,
    max_length: MaxLength = None,
    overflow: Overflow = "error",
    seeds: Annotated[
        int, typer.Option("--seeds", help="Train so many times, with seeds one after the other.", min=1, metavar="N")
    ] = 1,
    beside: Annotated[
        list[str] | None,
        typer.Option("--beside", help="Run this plan of the catalogue too; may be repeated.", metavar="NAME"),
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify",
            help="Was the report right? Run every depth and rival beside the plan, one line each in this file (JSONL).",
            metavar="FILE",
        ),
    ] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Print the plan and do nothing.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            help="Draw which depth trains when, at which rate; with --verify, the plan beside its rivals "
            "(.png, .svg, .pdf).",
            metavar="FILE",
        ),
    ] = None,
    bill: Annotated[
        Path | None,
        typer.Option("--bill", help="Draw scores against parameters that train (.png, .svg, .pdf).", metavar="FILE"),
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(
            "--save",
            help="whole: a folder transformers loads, the default; delta: what differs, the default with modules.",
            metavar="NAME",
        ),
    ] = None,
    report_to: Annotated[
        list[str] | None,
        typer.Option("--report-to", help="Tell trackio, wandb or tensorboard every step.", metavar="NAME"),
    ] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="Between checkpoints.", min=0.0, metavar="MINUTES")] = 5.0,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder of the run; by default one in ./runs. The same plan goes on.", metavar="DIR"
        ),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Fine-tune a model by a plan, from a report or of the catalogue, and say what it cost."""
    from probekit.cli.tune_close import hold, strengths_asked
    from probekit.cli.tune_run import run_shown
    from probekit.cli.tune_verify import verify_plan
    from probekit.errors import UsageError
    from probekit.extraction.spec import ExtractionSpec
    from probekit.tuning.data.materials import gather
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.planning.adding import added_fields
    from probekit.tuning.planning.draw import save_plan
    from probekit.tuning.runs.saving import way_of_saving
    from probekit.tuning.training.trackers import check_trackers
    from probekit.tuning.tune import digest_of_report, plan_for
    from probekit.tuning.verdict.bill import Bill, Entry

    if plan_file is not None and plan is not None:
        raise UsageError("Give a plan as a file or by a name (--plan), not both.")
    check_trackers(report_to or [])
    check_figure(plot)
    check_figure(bill, "bill")
    check_writable(verify, "verify")
    check_writable(None if out is None else out / "run.json", "out")
    given = TunePlan.read_file(plan_file) if plan_file is not None else None
    materials = gather(
        task,
        plan=given,
        report=report,
        model=model,
        corpus=corpus,
        annotations=annotations or [],
        on=on,
        probes=probes or [],
        targets=targets,
        spec=ExtractionSpec(max_length=max_length, overflow=overflow),
        device=device,
        revision=revision,
        cache=cache,
    )
    held, strengths = strengths_asked(close or [], runs=not plan_only and verify is None)
    asked = [
        *(changes or []),
        *(f"{field}={value}" for field, value in (("head", head), ("schedule", schedule)) if value),
        *added_fields(module or (), held, signals or ()),
    ]
    chosen = plan_for(materials, given or plan, changes=asked, examples=train_examples, digest=digest_of_report(report))
    way_of_saving(save, chosen)
    if plot is not None and (verify is None or plan_only):
        say(f"plot       {save_plan(chosen, plot)}", quiet=quiet or json)
    if plan_only:
        typer.echo(chosen.text(), nl=False)
        return
    if verify is not None:
        verify_plan(
            materials,
            chosen,
            verify,
            seeds=range(chosen.loop.seed, chosen.loop.seed + seeds),
            examples=train_examples,
            plot=plot,
            json=json,
            quiet=quiet,
        )
        return
    chosen = hold(materials, chosen, strengths, examples=train_examples, minutes=minutes, quiet=quiet or json)
    strategies = {"+".join([_strategy(given, plan, report), *(one.name for one in chosen.modules)]): chosen}
    for name in beside or []:
        strategies.setdefault(name, plan_for(materials, name, examples=train_examples))
    for reason in chosen.why:
        say(f"{reason.field:10} {reason.text}", quiet=quiet or json)
    for note in materials.data.notes:
        say(note, quiet=quiet or json)
    entries: list[Entry] = []
    runs: list[Tuned] = []
    for strategy, base in strategies.items():
        for number in range(seeds):
            seeded = base.with_set(f"loop.seed={base.loop.seed + number}") if number else base
            several = len(strategies) * seeds > 1
            folder = (
                None
                if out is None
                else (out / strategy.replace(":", "-") / f"seed-{seeded.loop.seed}" if several else out)
            )
            tuned = run_shown(
                materials,
                seeded,
                folder,
                title=f"{strategy}, seed {seeded.loop.seed}",
                examples=train_examples,
                minutes=minutes,
                save=save,
                report_to=report_to or [],
                quiet=quiet or json,
            )
            entries.append(Entry.of(strategy, tuned))
            runs.append(tuned)
    whole = Bill(entries, probing_seconds=materials.probing_seconds)
    if bill is not None:
        say(f"bill       {whole.save_plot(bill)}", quiet=quiet or json)
    if json:
        show_json({**whole.to_json(), "folders": [str(tuned.folder) for tuned in runs]})
        return
    typer.echo(str(runs[0].report.table()))
    typer.echo(f"\n{whole}")
    for tuned in runs:
        typer.echo(f"run        {tuned.folder}")


def _strategy(given: TunePlan | None, plan: str | None, report: Path | None) -> str:
    """Return what the plan is called on the bill."""
    if given is not None:
        return "plan"
    return plan or ("report" if report is not None else "full")
