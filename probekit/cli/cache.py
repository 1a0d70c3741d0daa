"""``probekit cache``: what is kept, whether it is whole, and how to get it out."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from probekit.amounts import human_bytes
from probekit.cli import cache_travel as travel
from probekit.cli import maintenance
from probekit.cli.maintenance import find_folder
from probekit.cli.options import CacheFolder, CacheRoot, Debug, Json, Layers, Quiet, Verbose, examples
from probekit.cli.output import counted, describe_corpus, human_age, say, show_json, show_sites

if TYPE_CHECKING:
    from probekit.cache.location import CacheEntry

app = typer.Typer(
    help="List, describe, verify, repair, tidy, move and export caches.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples("probekit cache ls", "probekit cache verify --repair CACHE", "probekit cache export vectors.npz"),
)


@app.command("ls", epilog=examples("probekit cache ls", "probekit cache ls --cache ./caches --json"))
def ls_command(
    cache: CacheRoot = None, json: Json = False, quiet: Quiet = False, verbose: Verbose = False, debug: Debug = False
) -> None:
    """List caches: complete ones first, the newest first."""
    from probekit.cache.location import cache_root, list_caches
    from probekit.model_names import same_weights

    root = cache_root(cache)
    rows = [row for entry in list_caches(root) if (row := _row(entry)) is not None]
    alike = same_weights({"name": row["model"], "weights": row["weights"]} for row in rows)
    if json:
        show_json({"schema": "probekit.caches/1", "root": str(root), "caches": rows, "same_weights": alike})
        return
    if not rows:
        say(f"There is no cache in {root}. Run `probekit extract`.")
        return
    now = time.time()
    table = [("SIZE", "AGE", "STATE", "KEEPS", "MODEL", "CORPUS", "CACHE")]
    for row in rows:
        state = "complete" if row["complete"] else f"{row['shards_done']} of {counted(row['shards'], 'shard')}"
        age = human_age(now - datetime.datetime.fromisoformat(row["written"]).timestamp())
        if row["problem"]:
            say(row["problem"])
            state = "other version" if row["other_version"] else "damaged"
        shown = (state, row["keep"] or "?", row["model"] or "?", row["corpus"] or "?")
        table.append((human_bytes(row["bytes"]), age, *shown, row["cache"]))
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        cells = [line[i].rjust(widths[i]) if i < 2 else line[i].ljust(widths[i]) for i in range(len(line))]
        typer.echo("  ".join(cells).rstrip())
    total = human_bytes(sum(row["bytes"] for row in rows))
    say(f"{counted(len(rows), 'cache')}, {total} in {root}")
    for told in alike:
        say(f"note       {told}")


def _row(entry: CacheEntry) -> dict[str, Any] | None:
    """Describe a cache; None where it was removed since it was found."""
    from probekit.cache.keep import KEEP, TOKENS
    from probekit.cache.manage.folders import shards_done
    from probekit.cache.manage.leftovers import size_of

    if not entry.path.exists():
        return None
    shards = entry.shards
    return {
        "cache": str(entry.path),
        "complete": entry.complete,
        "shards": shards,
        "shards_done": shards if entry.complete else shards_done(entry.path),
        "model": entry.model,
        "weights": (entry.identity or {}).get("model", {}).get("weights"),
        "corpus": entry.corpus,
        "keep": None if entry.identity is None else entry.identity.get(KEEP, TOKENS),
        "bytes": size_of(entry.path),
        "written": datetime.datetime.fromtimestamp(entry.written, datetime.UTC).isoformat(timespec="seconds"),
        "problem": entry.problem,
        "other_version": entry.other_version,
    }


@app.command(
    "info", short_help="Describe a cache.", epilog=examples("probekit cache info", "probekit cache info CACHE --json")
)
def info_command(
    folder: CacheFolder = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Describe a cache: model, corpus, layers, alignment, what was checked, what it was made with."""
    from probekit.cache.format.certificate import (
        CHATS,
        NOT_READ,
        PLACEMENT,
        QUANTISED,
        certificate_line,
        chat_notes,
        placement_line,
        quantised_line,
        unread_line,
    )
    from probekit.cache.keep import Keep
    from probekit.cache.manage.folders import info
    from probekit.cache.notes import truncated_line
    from probekit.controls import control_of, edits_line
    from probekit.sites import read_tensor

    found = info(find_folder(folder, cache))
    if json:
        show_json({"schema": "probekit.cache-info/1", **found})
        return
    model, corpus, identity = found["model"], found["corpus"], found["identity"]
    control = control_of(model)
    weights = f"weights {model['weights'][:12]}" + ("" if control is None else f", {control.done}")
    typer.echo(f"cache      {found['cache']}")
    typer.echo(f"model      {model['name']} ({weights})")
    for line in describe_corpus(corpus):
        typer.echo(line)
    for remark in corpus.get("remarks", ()):
        typer.echo(f"remark     {remark}")
    typer.echo(f"annotated  {', '.join(corpus['annotations']) or 'nothing'}")
    named = sorted((name, value) for name, value in identity.items() if name not in _OWN_LINE and _is_setting(value))
    settings = [f"{name.replace('_', ' ')} {value}" for name, value in named]
    typer.echo(f"settings   {', '.join(settings)}")
    if identity.get("edits"):
        typer.echo(f"edits      {edits_line(identity['edits'])}")
    if found["complete"]:
        places = [(site, tensor) for tensor in found["tensors"] if (site := read_tensor(tensor["name"])) is not None]
        layers = [f"{tensor['name']} {tensor['width']}" for site, tensor in places if not site.inside]
        rows = ", ".join(f"{stack}: {count:,}" if stack else f"{count:,}" for stack, count in _row_counts(found))
        typer.echo(f"rows       {rows}")
        if (keep := Keep.of(identity)).pooled:
            read = f"; the model read {found['findings']['tokens_read']:,} tokens"
            typer.echo(f"keeps      {keep.name}: {keep.said}{read}")
        if cut := truncated_line(found["findings"]):
            typer.echo(f"cut        {cut}")
        typer.echo(f"layers     {', '.join(layers)}")
        show_sites({str(site.label): tensor["width"] for site, tensor in places if site.inside})
        typer.echo(f"checked    {certificate_line(found['certificate'])}")
    state = "complete" if found["complete"] else f"{found['shards_done']} of {counted(found['shards'], 'shard')} done"
    typer.echo(f"state      {state}, {human_bytes(found['bytes'])}")
    if left := unread_line(found["plan"]):
        typer.echo(f"not read   {left}")
    for name, told in (("placed", placement_line(found["plan"])), ("weights", quantised_line(found["plan"]))):
        if told:
            typer.echo(f"{name:10} {told}")
    for told in chat_notes(found["plan"]):
        typer.echo(f"chats      {told.removeprefix('Chats: ')}")
    apart = (CHATS, NOT_READ, PLACEMENT, QUANTISED)
    made_with = {name: value for name, value in found["plan"].items() if name not in apart}
    typer.echo(f"made with  {', '.join(_setting(name, value) for name, value in made_with.items())}")
    if not found["complete"]:
        say(f"Resume with: {found['resume']}")


_OWN_LINE = ("edits", "keep", "kept_places")


def _is_setting(value: object) -> bool:
    return value is not None and value != [] and not isinstance(value, dict)


def _row_counts(found: dict[str, Any]) -> list[tuple[str, int]]:
    return sorted(found["totals"]["rows"].items())


@app.command(
    "export",
    short_help="Write vectors for use elsewhere.",
    epilog=examples(
        "probekit cache export vectors.npz --layers 0,6",
        "probekit cache export words.parquet CACHE --layers 3 --words",
        "probekit cache export layer6.npy --layers 6",
    ),
)
def export_command(
    file: Annotated[Path, typer.Argument(help="What to write: .npz, .npy, .csv or .parquet.", metavar="FILE")],
    folder: CacheFolder = None,
    layers: Layers = "all",
    words: Annotated[
        bool, typer.Option("--words", help="One row a word (mean of its tokens) in place of one a token.")
    ] = False,
    stack: Annotated[
        str | None,
        typer.Option("--stack", help="Of an encoder-decoder: encoder (the default) or decoder.", metavar="NAME"),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write vectors with their example, word and token for use elsewhere."""
    from probekit.cache.export import export
    from probekit.cache.reader import ActivationCache
    from probekit.errors import UsageError

    opened = ActivationCache.open(find_folder(folder, cache))
    if stack is not None and stack not in opened.stacks:
        has = " or ".join(opened.stacks)
        reason = f"must be {has}" if has else "is for encoder-decoders, and this model has one stack: leave it out"
        raise UsageError(f"The `stack` option {reason}. Got '{stack}'.")
    written = export(opened, file, layers=layers, words=words, stack=stack)
    if json:
        show_json({"schema": "probekit.export/1", "cache": str(opened.path), **written})
        return
    shape = f"{counted(written['rows'], 'row')} x {counted(written['columns'], 'column')}"
    typer.echo(f"{written['file']}: {shape}, {human_bytes(written['bytes'])}")


app.command("verify", short_help="Hash every file; repair what is damaged.", epilog=maintenance.VERIFY_EXAMPLES)(
    maintenance.verify_command
)
app.command("gc", short_help="Free what no result needs.", epilog=maintenance.GC_EXAMPLES)(maintenance.gc_command)
app.command("rm", epilog=maintenance.RM_EXAMPLES)(maintenance.rm_command)
app.command("import", short_help="Copy a cache from elsewhere, and check it.", epilog=travel.IMPORT_EXAMPLES)(
    travel.import_command
)
app.command("push", short_help="Put a cache into an object store.", epilog=travel.PUSH_EXAMPLES)(travel.push_command)
app.command("pull", short_help="Fetch a cache that was pushed.", epilog=travel.PULL_EXAMPLES)(travel.pull_command)


def _setting(name: str, value: object) -> str:
    """Write what a cache was made with; of a list how much there is in it."""
    return f"{name} {len(value) if isinstance(value, list) else value}"
