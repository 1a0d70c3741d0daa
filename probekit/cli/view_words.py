"""``probekit view analogy`` and ``probekit view word-similarity``: what word vectors say of words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from probekit.cli.modes import check_options
from probekit.cli.options import (
    CacheRoot,
    Debug,
    Json,
    Layers,
    Out,
    Quiet,
    Seed,
    Verbose,
    check_figure,
    check_writable,
    examples,
    names_in,
)
from probekit.cli.output import keep_report, print_report, progress_bar, say

if TYPE_CHECKING:
    from probekit.viewing.words.report import WordReport

ANALOGY_EXAMPLES = examples(
    "probekit view analogy known --model static:glove.txt --vocabulary 50000 --plot analogies.png",
    "probekit view analogy known --model minilm --layers 0,3,6 --template 'I said {} .'",
    "probekit view analogy questions.txt --on CACHE --layers 3 --plane family.png --section family",
)
SIMILARITY_EXAMPLES = examples(
    "probekit view word-similarity known --model static:glove.txt --plot similarity.png",
    "probekit view word-similarity EN-SIMLEX-999 --model minilm --layers 0,3,6",
)

On = Annotated[
    str | None,
    typer.Option("--on", help="A cache: each form is averaged over its uses in the corpus.", metavar="CACHE"),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", help="static:FILE (word vectors), static:MODEL (its input embeddings), or a model.", metavar="MODEL"
    ),
]
Template = Annotated[
    str,
    typer.Option(
        "--template", help="What a model reads, with {} for the word; it is the word alone by default.", metavar="TEXT"
    ),
]
Vocabulary = Annotated[
    int | None, typer.Option("--vocabulary", help="Candidates: the first N words of a file.", min=1, metavar="N")
]
Drawn = Annotated[
    Path | None, typer.Option("--plot", help="Draw the scores by section or set (.png, .svg or .pdf).", metavar="FILE")
]


def analogy_command(
    questions: Annotated[
        str, typer.Argument(help="A file of questions, or known: that of word2vec.", metavar="FILE")
    ] = "known",
    on: On = None,
    model: Model = None,
    layers: Layers = "",
    template: Template = "{}",
    vocabulary: Vocabulary = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods", help=f"A list of {names_in('viewing', 'words', 'methods')}. Default: all.", metavar="LIST"
        ),
    ] = None,
    section: Annotated[
        str | None, typer.Option("--section", help="Of --plane. Default: the first one.", metavar="NAME")
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    plot: Drawn = None,
    plane: Annotated[
        Path | None,
        typer.Option("--plane", help="Draw the pairs of a section as arrows (.png, .svg or .pdf).", metavar="FILE"),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Answer analogies with word vectors, against the nearest neighbour of the word asked about.

    By default of the last layer.
    """
    from probekit.report.render.drawing import save_figure
    from probekit.viewing.words.questions import check_section
    from probekit.viewing.words.run import Vectors, view_analogies

    check_figure(plane, "plane")
    check_options("plane", given=plane is not None, own={"section": section})
    if section is not None:
        check_section(questions, section)
    vectors = Vectors(on, model, layers, template, vocabulary, cache)
    wanted = None if methods is None else [name.strip() for name in methods.split(",")]
    with _progress(plot, out, quiet=quiet or json) as advance:
        report = view_analogies(questions, vectors, methods=wanted, seed=seed, progress=advance)
    _finish(report, out, plot, json=json, quiet=quiet)
    if plane is not None:
        named = section or next(name for name in report.select(report.layers[-1]) if name)
        say(f"plane      {save_figure(plane, lambda ax: report.plot_plane(named, ax))}", quiet=quiet or json)


def similarity_command(
    pairs: Annotated[
        str,
        typer.Argument(help="A file of rated pairs, the name of a known one, or known: all of them.", metavar="FILE"),
    ] = "known",
    on: On = None,
    model: Model = None,
    layers: Layers = "",
    template: Template = "{}",
    vocabulary: Vocabulary = None,
    seed: Seed = 0,
    out: Out = None,
    plot: Drawn = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Correlate cosines of word vectors with the similarities that people gave.

    By default of the last layer.
    """
    from probekit.viewing.words.run import Vectors, view_word_similarity

    vectors = Vectors(on, model, layers, template, vocabulary, cache)
    with _progress(plot, out, quiet=quiet or json) as advance:
        report = view_word_similarity(pairs, vectors, seed=seed, progress=advance)
    _finish(report, out, plot, json=json, quiet=quiet)


def _progress(plot: Path | None, out: Path | None, *, quiet: bool) -> Any:
    check_figure(plot)
    check_writable(out, "out")
    return progress_bar("reading words", 1.0, quiet=quiet)


def _finish(report: WordReport, out: Path | None, plot: Path | None, *, json: bool, quiet: bool) -> None:
    keep_report(report, out=out, plot=plot, quiet=quiet or json)
    print_report(report, json=json)
