"""The options that ``probekit tune`` alone has, declared once; those that it shares stand in ``options``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import names_in

PlanFile = Annotated[Path | None, typer.Argument(help="A plan that --plan-only wrote, edited or not.", metavar="PLAN")]
TunedTask = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="What to tune for; by default the task of the plan or report. text: go on with language modelling.",
        metavar="TASK",
    ),
]
AdvisedBy = Annotated[
    Path | None,
    typer.Option(
        "--report", help="A report of `probe --out`: it says model, corpus and cache, and advises.", metavar="FILE"
    ),
]
NamedPlan = Annotated[
    str | None,
    typer.Option(
        "--plan",
        help=f"A plan of the catalogue instead of advice, with its options (top:2): {names_in('tuning', 'plans')}.",
        metavar="NAME",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a field of the plan: keep=3, rate.peak=2e-5; may be repeated.", metavar="F=V"),
]
HeadName = Annotated[
    str | None, typer.Option("--head", help=f"The head: {names_in('tuning', 'heads')}.", metavar="NAME")
]
ScheduleName = Annotated[
    str | None,
    typer.Option("--schedule", help=f"What trains when: {names_in('tuning', 'schedules')}.", metavar="NAME"),
]
PlacedModules = Annotated[
    list[str] | None,
    typer.Option(
        "--module",
        help="Put modules into blocks, which then stay frozen (NAME:OPTIONS@BLOCKS); may be repeated: "
        f"{names_in('tuning', 'modules')}.",
        metavar="NAME",
    ),
]
Closeness = Annotated[
    list[str] | None,
    typer.Option(
        "--close",
        help="Stay close to the model as it was (NAME:STRENGTH); of several strengths one is chosen on dev; may be "
        f"repeated: {names_in('tuning', 'closeness')}.",
        metavar="NAME",
    ),
]
Signals = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="Learn from these beside the task, each with its weight or its first and last (NAME:0.2..0.1): "
        f"{names_in('tuning', 'signals')}.",
        metavar="NAMES",
    ),
]
Slices = Annotated[
    list[str] | None,
    typer.Option(
        "--slices",
        help="Score these targets apart too (length:min=30,column:source=a; both at once: a+b), or find some in what "
        f"a first pass gets wrong (errors, errors:of=train); may be repeated: {names_in('tuning', 'slices')}.",
        metavar="NAMES",
    ),
]
FirstStages = Annotated[
    list[str] | None,
    typer.Option(
        "--first",
        help="Tune for this first, and go on from there (TASK@CORPUS:epochs=3, lm@FILE), in a run of its own whose "
        "head is not taken over; may be repeated, one behind the other.",
        metavar="STAGE",
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        help="Learn beside the labels what these runs say (RUN,RUN or an ensemble); weight, temperature and others by "
        "--with teacher:0.5,of=RUN+RUN,temperature=2.",
        metavar="RUNS",
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start", help="Start with blocks of the teacher's best member: lower, alternate or top.", metavar="NAME"
    ),
]
Keep = Annotated[
    int | None,
    typer.Option(
        "--keep", help="Keep so many blocks; what the plan reads or trains above them is left out.", min=1, metavar="N"
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        help="Train so many times, each time with another part of train and dev held out as dev.",
        min=2,
        metavar="N",
    ),
]
TunedModelName = Annotated[
    str | None, typer.Option("--model", help="Hub name or folder; by default the report's.", metavar="MODEL")
]
TunedCorpus = Annotated[
    str | None, typer.Option("--corpus", help="What to train on; by default the report's.", metavar="CORPUS")
]
StatesOf = Annotated[
    Path | None,
    typer.Option("--on", help="A cache of the same model and corpus: frozen layers are read.", metavar="CACHE"),
]
TargetsName = Annotated[
    str | None, typer.Option("--targets", help="Predict labels (the default) or numbers.", metavar="NAME")
]
TrainExamples = Annotated[
    int | None,
    typer.Option("--examples", help="Train on so many examples, drawn by the seed.", min=1, metavar="N"),
]
Seeds = Annotated[
    int, typer.Option("--seeds", help="Train so many times, with seeds one after the other.", min=1, metavar="N")
]
Beside = Annotated[
    list[str] | None,
    typer.Option("--beside", help="Run this plan of the catalogue too; may be repeated.", metavar="NAME"),
]
VerifyFile = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        help="Was the report right? Run every depth and rival beside the plan, one line each in this file (JSONL).",
        metavar="FILE",
    ),
]
PlanOnly = Annotated[bool, typer.Option("--plan-only", help="Print the plan and do nothing.")]
CoursePlot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        help="Draw which depth trains when, at which rate; with --verify, the plan beside its rivals "
        "(.png, .svg, .pdf).",
        metavar="FILE",
    ),
]
BillFile = Annotated[
    Path | None,
    typer.Option("--bill", help="Draw scores against parameters that train (.png, .svg, .pdf).", metavar="FILE"),
]
SaveWay = Annotated[
    str | None,
    typer.Option(
        "--save",
        help="whole: a folder transformers loads, the default; delta: what differs, the default with modules.",
        metavar="NAME",
    ),
]
ReportTo = Annotated[
    list[str] | None,
    typer.Option("--report-to", help="Tell trackio, wandb or tensorboard every step.", metavar="NAME"),
]
Minutes = Annotated[float, typer.Option("--minutes", help="Between checkpoints.", min=0.0, metavar="MINUTES")]
RunOut = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the run; by default one in ./runs. The same plan goes on.", metavar="DIR"),
]
