"""What ``probekit extract`` shows: its result, what it would cost, and which ways would fit on the disk.

Enters: results and costs. Leaves: lines; and of several ways the one that a person at a terminal has chosen.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from probekit.amounts import human_bytes
from probekit.cli.output import counted, describe_corpus, human_time, say, show_sites

if TYPE_CHECKING:
    from probekit.extraction.cost import Cost
    from probekit.extraction.fitting import Excess, Way
    from probekit.extraction.result import Extraction


def choose_way(excess: Excess) -> Way:
    """Ask a person which way to take.

    Raises
    ------
    ResourceError
        There is nobody to ask, nothing to choose, or none is wanted; the ways are listed.
    """
    from probekit.extraction.fitting import refuse

    if not excess.ways or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return refuse(excess)
    say(excess.said)
    for line in _listed(excess):
        say(line)
    while not (number := typer.prompt("Which of them? 0: none, and nothing is extracted", type=int, err=True)) >= 0:
        pass
    return excess.ways[number - 1] if 0 < number <= len(excess.ways) else refuse(excess)


def _listed(excess: Excess) -> list[str]:
    return [f"  {number}  {way.name}: {way.size}; {way.loses}" for number, way in enumerate(excess.ways, 1)]


def print_result(result: Extraction) -> None:
    """Print where the cache is and what it holds."""
    shape = f"{result.rows:,} rows x {len(result.layers)} layers x {result.width}"
    typer.echo(f"cache      {result.cache}")
    for line in describe_corpus(result.corpus):
        typer.echo(line)
    typer.echo(f"vectors    {shape}, {result.store} ({human_bytes(result.bytes)})")
    if result.keep.pooled:
        typer.echo(f"keeps      {result.keep.said}; the model read {result.tokens:,} tokens")
    show_sites(result.sites)
    if result.reused:
        typer.echo("state      complete before; nothing was computed")
    else:
        done = "complete" if result.complete else f"{result.shards_done} of {counted(result.shards, 'shard')} done"
        took = f" in {human_time(result.seconds)}, {result.tokens_per_second:,.0f} tokens/s"
        typer.echo(f"state      {done}{took if result.seconds else ''}")
    typer.echo(f"alignment  {result.alignment_line}")


def print_cost(cost: Cost, excess: Excess | None) -> None:
    """Print what an extraction would take, and if that is too much how it would fit."""
    size = f"{counted(cost.examples, 'example')}, {counted(cost.words, 'word')} in {counted(cost.shards, 'shard')}"
    typer.echo(f"corpus     {size}; splits: {cost.split_rule}")
    about = "" if cost.exact else "about "
    typer.echo(f"vectors    {about}{cost.rows:,} rows x {cost.layers} layers x {cost.width}, {cost.store}")
    if cost.rows != cost.tokens:
        typer.echo(f"keeps      {cost.keep}; the model reads {about}{cost.tokens:,} tokens")
    show_sites(cost.sites)
    typer.echo(f"bytes      {about}{human_bytes(cost.bytes)}; free on {cost.root}: {human_bytes(cost.free_bytes)}")
    for store, count in cost.bytes_by_store.items():
        typer.echo(f"           with --store {store}: {about}{human_bytes(count)}")
    typer.echo(
        f"time       about {human_time(cost.seconds)} on {cost.device} at {cost.tokens_per_second:,.0f} tokens/s"
    )
    for note in cost.notes:
        say(note)
    if excess is not None:
        say("\n".join([excess.said, *(_listed(excess) or ["Nothing would fit: allow more."])]))
    elif cost.bytes > cost.free_bytes:
        say("It does not fit. Take fewer layers (--layers), --store bfloat16, --keep words, or --subsample.")
