"""``probekit predict``: what a tuned model says of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.options import (
    Debug,
    Device,
    Json,
    MaxLength,
    OverflowAsBefore,
    Probes,
    Quiet,
    Verbose,
    check_writable,
    examples,
)
from probekit.cli.output import say, show_json

EXAMPLES = examples(
    "probekit predict runs/pos news.txt",
    "probekit predict runs/pos-together news.txt",
    "probekit predict runs/pos en_ewt-ud-test.conllu --out predicted.jsonl",
)


def predict_command(
    run: Annotated[
        Path, typer.Argument(help="The folder of a run of `probekit tune`, or of an ensemble.", metavar="RUN")
    ],
    corpus: Annotated[str, typer.Argument(help="A file, a folder, or what `extract` takes.", metavar="CORPUS")],
    model: Annotated[
        str | None,
        typer.Option("--model", help="The model that a run of differences came from.", metavar="MODEL"),
    ] = None,
    head_of: Annotated[
        Path | None,
        typer.Option(
            "--head-of",
            help="Answer the task of this other run, with its head on RUN's model: what is left of it.",
            metavar="RUN",
        ),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            "--vectors", help="Where the word vectors are that the run reads beside its model.", metavar="FILE"
        ),
    ] = None,
    probes: Probes = None,
    max_length: MaxLength = None,
    overflow: OverflowAsBefore = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the predictions here, not to stdout (JSONL).", metavar="FILE")
    ] = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Predict every target of a corpus, one JSON line each, and score them where it is labelled.

    Texts are read as the run read its own, longer ones too, unless --max-length or --overflow say otherwise.
    """
    from probekit.errors import UsageError
    from probekit.storage.files import replace_bytes
    from probekit.storage.strict import dump
    from probekit.tuning.combined import TunedEnsemble, is_ensemble
    from probekit.tuning.predict import TunedModel

    check_writable(out, "out")
    tuned: TunedModel | TunedEnsemble
    if is_ensemble(run):
        given = {"--model": model, "--head-of": head_of, "--vectors": vectors}
        if odd := [name for name, value in given.items() if value is not None]:
            raise UsageError(f"{run} is an ensemble, whose members say themselves what they are. Leave out {odd[0]}.")
        tuned = TunedEnsemble.open(run, probes=probes or [], device=device)
    else:
        tuned = TunedModel.open(run, model=model, beside=vectors, probes=probes or [], device=device, head_of=head_of)
    predicted = tuned.predict(corpus, max_length=max_length, overflow=overflow)
    for note in predicted.data.notes:
        say(note, quiet=quiet or json)
    if json:
        scores = predicted.report.to_json() if predicted.report is not None else None
        show_json({"schema": "probekit.predictions/1", "scores": scores, "predictions": list(predicted.lines())})
        return
    lines = "".join(dump(line) + "\n" for line in predicted.lines())
    if out is None:
        typer.echo(lines, nl=False)
    else:
        replace_bytes(out, lines.encode())
        say(f"predicted  {out}", quiet=quiet)
    if predicted.report is not None:
        say(str(predicted.report.table()), quiet=quiet)
