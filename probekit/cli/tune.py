"""``probekit tune``: from a task and a report to a tuned model and its bill."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from probekit.cli.options import (
    Annotations,
    At,
    CacheRoot,
    ChatTemplate,
    Debug,
    Device,
    Json,
    MaxLength,
    OverflowAsBefore,
    Probes,
    Quiet,
    Revision,
    Verbose,
    check_figure,
    check_writable,
    examples,
)
from probekit.cli.output import say, show_json
from probekit.cli.tune_beside import OWN
from probekit.cli.tune_options import (
    AdvisedBy,
    Beside,
    BillFile,
    Changes,
    Closeness,
    CoursePlot,
    FirstStages,
    Folds,
    HeadName,
    Keep,
    Minutes,
    NamedPlan,
    PlacedModules,
    PlanFile,
    PlanOnly,
    ReportTo,
    RunOut,
    SaveWay,
    ScheduleName,
    Seeds,
    Signals,
    Slices,
    Start,
    StatesOf,
    TargetsName,
    Teacher,
    TrainExamples,
    TunedCorpus,
    TunedModelName,
    TunedTask,
    VerifyFile,
)

if TYPE_CHECKING:
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.training.run import Tuned
    from probekit.tuning.verdict.entry import Entry

EXAMPLES = examples(
    "probekit tune --task pos --corpus grammar:n=2000",
    "probekit tune --report pos.jsonl --plan-only > plan.json",
    "probekit tune plan.json --report pos.jsonl --set keep=3 --out runs/pos",
    "probekit tune --task pos --plan head-only --on CACHE",
    "probekit tune --report pos.jsonl --seeds 5 --out runs/pos",
    "probekit tune --report pos.jsonl --teacher runs/pos-together --keep 3 --start lower",
    "probekit tune --task pos --corpus grammar:n=2000 --first label@sst2.jsonl:epochs=2 --beside full",
    "probekit tune --report pos.jsonl --verify cells.jsonl --examples 1500 --seeds 3",
    "probekit tune --task label --corpus reviews.jsonl --slices length:min=30,negation --with slices",
    "probekit tune --report pos.jsonl --beside full --beside head-only --seeds 3 --bill bill.png",
)


def tune_command(
    plan_file: PlanFile = None,
    task: TunedTask = None,
    report: AdvisedBy = None,
    plan: NamedPlan = None,
    changes: Changes = None,
    head: HeadName = None,
    schedule: ScheduleName = None,
    module: PlacedModules = None,
    close: Closeness = None,
    signals: Signals = None,
    slices: Slices = None,
    teacher: Teacher = None,
    start: Start = None,
    keep: Keep = None,
    first: FirstStages = None,
    model: TunedModelName = None,
    revision: Revision = None,
    corpus: TunedCorpus = None,
    annotations: Annotations = None,
    on: StatesOf = None,
    probes: Probes = None,
    targets: TargetsName = None,
    train_examples: TrainExamples = None,
    max_length: MaxLength = None,
    overflow: OverflowAsBefore = None,
    at: At = None,
    chat_template: ChatTemplate = None,
    seeds: Seeds = 1,
    folds: Folds = None,
    beside: Beside = None,
    verify: VerifyFile = None,
    plan_only: PlanOnly = False,
    plot: CoursePlot = None,
    bill: BillFile = None,
    save: SaveWay = None,
    report_to: ReportTo = None,
    minutes: Minutes = 5.0,
    device: Device = "auto",
    out: RunOut = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Fine-tune a model by a plan, from a report or of the catalogue, and say what it cost.

    Texts are read as the cache holds them; without one as words, and longer ones are refused. --max-length and
    --overflow must be those of --on, and a report's cache that was read otherwise is left aside.
    """
    from probekit.cli.tune_beside import beside_notes, check_verified_alone, strategies_of
    from probekit.cli.tune_close import hold, strengths_asked
    from probekit.cli.tune_run import run_shown
    from probekit.cli.tune_slices import find, slices_asked
    from probekit.cli.tune_verify import verify_plan
    from probekit.errors import UsageError
    from probekit.tuning.data.materials import gather
    from probekit.tuning.data.reading import AskedReading
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.planning.adding import added_fields, teacher_field
    from probekit.tuning.planning.cutting import cut_to
    from probekit.tuning.planning.draw import save_plan
    from probekit.tuning.runs.identity import FIRST, RUNS
    from probekit.tuning.runs.saving import way_of_saving
    from probekit.tuning.training.trackers import check_trackers
    from probekit.tuning.tune import digest_of_report, plan_for
    from probekit.tuning.verdict.bill import Bill
    from probekit.tuning.verdict.entry import Entry

    if plan_file is not None and plan is not None:
        raise UsageError("Give a plan as a file or by a name (--plan), not both.")
    if verify is not None and not plan_only:
        runs_alone = {"--folds": folds, "--beside": beside, "--bill": bill, "--save": save, "--report-to": report_to}
        check_verified_alone({**runs_alone, "--out": out})
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
        reading=AskedReading(max_length=max_length, overflow=overflow),
        at=at,
        chat_template=chat_template,
        device=device,
        revision=revision,
        cache=cache,
    )
    named, asked_errors = slices_asked(slices or [], plan_only=plan_only, verify=verify is not None)
    held, strengths = strengths_asked(close or [], runs=not plan_only and verify is None)
    asked = [
        *(changes or []),
        *(f"{field}={value}" for field, value in (("head", head), ("schedule", schedule)) if value),
        *added_fields(module or (), held, [*(signals or ()), *teacher_field(teacher, start)], first or (), named),
    ]
    chosen = plan_for(materials, given or plan, changes=asked, examples=train_examples, digest=digest_of_report(report))
    if keep is not None:
        chosen = plan_for(materials, cut_to(chosen, keep))
    rivals = {name: plan_for(materials, name, examples=train_examples) for name in beside or []}
    for name, its in {"": chosen, **rivals}.items():
        way_of_saving(save, its, name)
    chosen = find(materials, chosen, asked_errors, examples=train_examples, quiet=quiet or json)
    parts = [materials.folded(fold, folds) for fold in range(1, folds + 1)] if folds else [materials]
    notes = [*beside_notes(beside or (), changes or ()), *(note for part in parts for note in part.data.notes)]
    for note in dict.fromkeys(notes):
        say(note, quiet=quiet or json)
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
    home = RUNS if out is None else out / FIRST
    chosen = hold(
        materials, chosen, strengths, examples=train_examples, minutes=minutes, home=home, quiet=quiet or json
    )
    own = "+".join([_strategy(given, plan, report), *(one.name for one in chosen.modules)])
    strategies = strategies_of(own, chosen, rivals)
    for reason in chosen.why:
        say(f"{reason.field:10} {reason.text}", quiet=quiet or json)
    entries: list[Entry] = []
    runs: list[Tuned] = []
    several = len(strategies) * seeds * (folds or 1) > 1
    for strategy, base in strategies.items():
        for number, part in product(range(seeds), parts):
            seeded = base.with_set(f"loop.seed={base.loop.seed + number}") if number else base
            one = f"seed-{seeded.loop.seed}" + ("" if part.fold is None else f"-fold-{part.fold[0]}")
            folder = None if out is None else (out / strategy.replace(":", "-") / one if several else out)
            tuned = run_shown(
                part,
                seeded,
                folder,
                title=f"{strategy}, {one.replace('-', ' ', 1).replace('-fold-', ', fold ')}",
                examples=train_examples,
                minutes=minutes,
                save=save,
                report_to=report_to or [],
                home=home,
                quiet=quiet or json,
            )
            entries.append(Entry.of(strategy, tuned))
            runs.append(tuned)
    whole = Bill(entries, probing_seconds=materials.probing_seconds)
    if bill is not None:
        say(f"bill       {whole.save_plot(bill)}", quiet=quiet or json)
    if json:
        said = [stage.to_json() for tuned in runs for stage in tuned.stages]
        stages = {"first": said} if said else {}
        show_json({**whole.to_json(), "folders": [str(tuned.folder) for tuned in runs], **stages})
        return
    typer.echo(str(runs[0].report.table()))
    typer.echo(f"\n{whole}")
    for tuned in runs:
        for stage in tuned.stages:
            typer.echo(f"first      {stage.line()}")
        typer.echo(f"run        {tuned.folder}")


def _strategy(given: TunePlan | None, plan: str | None, report: Path | None) -> str:
    """Return what the plan is called on the bill."""
    if given is not None:
        return OWN
    return plan or ("report" if report is not None else "full")
