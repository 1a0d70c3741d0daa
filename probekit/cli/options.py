"""Every option and argument that several commands take, declared once, in groups; and what a command line may name.

A command takes them as ``layers: Layers = "all"``: the default is its own, name and help are the same everywhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.output import report_cost, set_quiet
from probekit.errors import ResourceError, UsageError

LISTED: set[str] = set()
"""What :func:`names_in` returned; it changes with every new file, so a page that is kept leaves it out."""


def names_in(*folder: str, dash: str = "-") -> str:
    """Return the names of what a folder of the package registers, read from its files: nothing is imported.

    Each file of such a folder is named as what it registers, with ``_`` for `dash`.
    """
    files = Path(__file__).parents[1].joinpath(*folder).glob("*.py")
    names = ", ".join(sorted(path.stem.replace("_", dash) for path in files if not path.stem.startswith("_")))
    names = names or "there are none yet"
    LISTED.add(names)
    return names


# What a command is about.
Layers = Annotated[
    str,
    typer.Option(
        "--layers", help="all, or a list like 0,3,6 or 0-3,final; of a cache with sites 3.heads, too.", metavar="LIST"
    ),
]
Probes = Annotated[
    list[Path] | None, typer.Option("--probes", help="A folder of your own task files; may be repeated.", metavar="DIR")
]
Moved = Annotated[
    str | None,
    typer.Option("--corpus", help="Where the annotations are now, if they moved.", metavar="CORPUS"),
]
Pool = Annotated[
    str,
    typer.Option(
        "--pool", help="How tokens become one vector: mean, first (with text), last or endpoints.", metavar="NAME"
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.", metavar="NAME")]
Spread = Annotated[
    str | None,
    typer.Option(
        "--device-map",
        help="Spread a model that does not fit over GPUs, CPU and disk: auto (evenly) or sequential.",
        metavar="NAME",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option("--max-memory", help="Weights that a device may hold, like 0=20GB,cpu=8GB.", metavar="LIST"),
]
Offload = Annotated[
    Path | None, typer.Option("--offload", help="Where a temporary folder of weights may lie.", metavar="DIR")
]

Pair = Annotated[
    str,
    typer.Option(
        "--pair",
        help="How two vectors become one: concat, product or difference (see also --estimator bilinear).",
        metavar="NAME",
    ),
]
Annotations = Annotated[
    list[str] | None,
    typer.Option(
        "--annotations",
        help="A file or folder with more annotations of the corpus, joined by sentence id; may be repeated.",
        metavar="FILE",
    ),
]

EstimatorName = Annotated[
    str | None,
    typer.Option(
        "--estimator",
        help=f"One of {names_in('probing', 'estimators')}, or a file of your own (lda.py); by default logistic, "
        "of trees the structural probe.",
        metavar="NAME",
    ),
]

# What a probe of a live model is fitted on.
ProbedCorpus = Annotated[
    str | None,
    typer.Option("--corpus", help="What a probe is fitted and measured on, or a run is measured on.", metavar="CORPUS"),
]
ReadLayer = Annotated[
    int | None,
    typer.Option(
        "--layer", help="Of probe:TASK: the layer that the probe reads. Default: the last.", min=0, metavar="N"
    ),
]

# How a model is found, and how it reads.
Revision = Annotated[
    str | None, typer.Option("--revision", help="Of a hub model: a commit, tag or branch.", metavar="REVISION")
]
Chat = Annotated[
    bool,
    typer.Option("--chat", help="Read chats (rows of messages, prompts) by the template of the model's own tokenizer."),
]
ChatTemplate = Annotated[
    Path | None,
    typer.Option(
        "--chat-template", help="Read chats by a template of your own, in place of the model's (Jinja).", metavar="FILE"
    ),
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        "--max-length", help="Tokens the model may read at once. Default: the model's limit.", min=1, metavar="N"
    ),
]
_OVERFLOW = typer.Option(
    "--overflow",
    help="For longer examples: error, truncate, or (to extract) window, overlapping windows.",
    metavar="NAME",
)
Overflow = Annotated[str, _OVERFLOW]
OverflowAsBefore = Annotated[str | None, _OVERFLOW]
"""By default as a run or a cache read its texts."""
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        help="Where a question about a whole example is read, by default in all of its words: "
        f"{names_in('tasks', 'positions')} (mark:NAME, sentence:K).",
        metavar="POSITION",
    ),
]

# How a model computes.
Dtype = Annotated[
    str, typer.Option("--dtype", help="Precision of computing: float32, bfloat16 or float16.", metavar="NAME")
]
BatchTokens = Annotated[
    int | None,
    typer.Option(
        "--batch-tokens", help="Tokens of a batch, padding included. Default: by device and dtype.", min=1, metavar="N"
    ),
]
RandomWeights = Annotated[
    int | None,
    typer.Option(
        "--random-weights", help="Draw the weights at random from this seed: a control model.", min=0, metavar="SEED"
    ),
]

ShuffledWeights = Annotated[
    int | None,
    typer.Option(
        "--shuffled-weights",
        help="Shuffle the numbers inside of every parameter from this seed: a control model.",
        min=0,
        metavar="SEED",
    ),
]
ShuffledLayers = Annotated[
    int | None,
    typer.Option(
        "--shuffled-layers",
        help="Exchange the parameters of whole blocks from this seed: a control model.",
        min=0,
        metavar="SEED",
    ),
]

# What a model with its head scores.
Begin = Annotated[
    str, typer.Option("--begin", help="Before each text: token, none, or auto: one if there is.", metavar="NAME")
]
End = Annotated[
    str,
    typer.Option(
        "--end",
        help="Behind each text: token, and score it, or none; auto: none, but of masked models.",
        metavar="NAME",
    ),
]
HeadScore = Annotated[
    str,
    typer.Option(
        "--score",
        help="auto (what the head does), causal, masked (within-word left-to-right) or masked-original.",
        metavar="NAME",
    ),
]
Classes = Annotated[
    str, typer.Option("--classes", help="The fact of a suite's items that is their class.", metavar="FACT")
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        help="Use N items of each phenomenon, every template in turn; of a concept N sentences of dev and of test, of "
        "a lens of each part.",
        min=1,
        metavar="N",
    ),
]

# Where caches are, and which one is meant.
CacheRoot = Annotated[
    Path | None,
    typer.Option(
        "--cache", help="Folder of caches. Default: PROBEKIT_CACHE, else the user's cache folder.", metavar="ROOT"
    ),
]
CacheFolder = Annotated[
    Path | None,
    typer.Argument(
        help="A cache folder, or its name under the root. Default: the newest complete one.", metavar="CACHE"
    ),
]

# What is drawn, and where a report goes.
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.", min=0, metavar="N")]
Out = Annotated[Path | None, typer.Option("--out", help="Write the report (JSONL).", metavar="FILE")]

# How alike two representations are.
Measure = Annotated[
    str,
    typer.Option("--measure", help=f"A list of {names_in('statistics', 'similarity')}, with commas.", metavar="LIST"),
]

# Figures of reports.
Curves = Annotated[Path | None, typer.Option("--plot", help="Draw the curves (.png, .svg or .pdf).", metavar="FILE")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Draw the layer curve (.png, .svg or .pdf).", metavar="FILE")]

# Pictures to look into.
Page = Annotated[
    Path | None, typer.Option("--html", help="Write one page to look into; it needs no network.", metavar="FILE")
]

Lines = Annotated[
    Path | None, typer.Option("--csv", help="Write what is drawn, a line each point or weight (CSV).", metavar="FILE")
]
SENTENCE = "The sentence to show: its number in the corpus, from 0."

# Before anything is done, or lost.
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would cost or free, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

# What it says: every command takes these four.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; errors are JSON on stderr.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no messages on stderr.", callback=set_quiet)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more on stderr, also time and memory.", callback=report_cost)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

FIGURES = (".pdf", ".png", ".svg")


def examples(*commands: str) -> str:
    """Return the end of a help text; ``\\b`` keeps its lines as they are."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {command}" for command in commands)])


def numbers_in(text: str, option: str) -> list[float]:
    """Return the numbers of an option like ``0.1,0.5``.

    Raises
    ------
    UsageError
        One of them is none.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"The `{option}` option must be numbers like 0.1,0.5. Got '{text}'.") from None


def check_writable(path: Path | None, option: str) -> None:
    """Refuse a place that cannot be written before the work that should end there.

    Raises
    ------
    UsageError
        It is a folder.
    ResourceError
        Its folder cannot be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"The `{option}` option must name a file; '{path}' is a folder.")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "it cannot be written" if folder.is_dir() else "it is no folder"
        raise ResourceError(f"'{path}' cannot be written to '{folder}': {reason}. Give another place with --{option}.")


def check_figure(path: Path | None, option: str = "plot") -> None:
    """Refuse a figure that cannot be drawn or written, before the work that it should show."""
    check_writable(path, option)
    if path is not None and path.suffix.lower() not in FIGURES:
        raise UsageError(f"The `{option}` option must end in one of {', '.join(FIGURES)}. Got '{path}'.")
