"""``probekit generate``: a model's own continuations of prompts, kept with what they were drawn by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.options import (
    Chat,
    ChatTemplate,
    Debug,
    Device,
    Dtype,
    Json,
    MaxMemory,
    Offload,
    Quiet,
    Revision,
    Seed,
    Spread,
    Verbose,
    check_writable,
    examples,
)
from probekit.cli.output import counted, progress_bar, say, show_json
from probekit.devices import place_of

if TYPE_CHECKING:
    from probekit.behaviour.generating.run import Generated

EXAMPLES = examples(
    "probekit generate ./my-chat-model questions.jsonl --chat --out answers.jsonl",
    "probekit generate ./my-model prompts.jsonl --n 4 --temperature 0.8 --seed 1 --out drawn.jsonl",
)


def generate_command(
    model: Annotated[str, typer.Argument(help="Hub name or local folder of a causal model.", metavar="MODEL")],
    prompts: Annotated[
        str,
        typer.Argument(
            help="Rows of messages or prompts (.jsonl, .csv, hf:), or texts, a line each.", metavar="PROMPTS"
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the rows, JSON lines that extract reads.", metavar="FILE")
    ] = None,
    chat: Chat = False,
    chat_template: ChatTemplate = None,
    n: Annotated[int, typer.Option("--n", help="Continuations of each prompt.", min=1, metavar="N")] = 1,
    temperature: Annotated[
        float,
        typer.Option("--temperature", help="Draw tokens at this temperature; 0: always the most probable.", min=0.0),
    ] = 0.0,
    top_p: Annotated[
        float,
        typer.Option("--top-p", help="Draw from the most probable tokens that have this much together.", max=1.0),
    ] = 1.0,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", help="Tokens of a continuation at most.", min=1, metavar="N")
    ] = 64,
    batch_size: Annotated[
        int,
        typer.Option("--batch-size", help="Continuations at once; the first batch is checked row by row.", min=1),
    ] = 8,
    seed: Seed = 0,
    dtype: Dtype = "float32",
    device: Device = "auto",
    device_map: Spread = None,
    max_memory: MaxMemory = None,
    offload: Offload = None,
    revision: Revision = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Have a model continue prompts, and keep what it wrote with seed, decoding and the model's digest."""
    from probekit.behaviour.generating.decoding import Decoding
    from probekit.behaviour.generating.run import generate
    from probekit.errors import UsageError

    if out is None and not json:
        raise UsageError("Say where the continuations go: --out FILE.jsonl, or print them with --json.")
    check_writable(out, "out")
    place = place_of(device, device_map, max_memory, offload)
    decoding = Decoding(seed=seed, n=n, temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens)
    with progress_bar("generating", 1.0, quiet=quiet or json) as advance:
        made = generate(
            model,
            prompts,
            decoding=decoding,
            chat=chat,
            chat_template=chat_template,
            dtype=dtype,
            device=place,
            batch_size=batch_size,
            revision=revision,
            progress=advance,
        )
    if out is not None:
        made.write(out)
    if json:
        show_json(made.to_json())
        return
    for note in made.notes:
        say(note, quiet=quiet)
    if verbose:
        for row in made.rows:
            said = row["completion"] if "completion" in row else row["messages"][-1]["content"]
            say(f"  {row['id']}: {said!r}", quiet=quiet)
    _print(made, out)


def _print(made: Generated, out: Path | None) -> None:
    ended, cut = made.finished.get("stop", 0), made.finished.get("length", 0)
    typer.echo(f"prompts    {made.prompts:,}")
    typer.echo(f"written    {counted(len(made.rows), 'continuation')}: the model ended {ended:,}, {cut:,} were cut off")
    typer.echo(f"rows       {out}")
