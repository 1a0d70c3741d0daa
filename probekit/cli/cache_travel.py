"""``probekit cache import``, ``push`` and ``pull``: caches that come from elsewhere, and that go there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.amounts import human_bytes
from probekit.cli.maintenance import find_folder
from probekit.cli.options import CacheRoot, Debug, Json, Quiet, Verbose, examples
from probekit.cli.output import counted, progress_bar, say, show_json

IMPORT_EXAMPLES = examples(
    "probekit cache import /mnt/shared/minilm--ewt--0123456789ab",
    "probekit cache import ./minilm--ewt--0123456789ab --cache ./caches",
)
PUSH_EXAMPLES = examples(
    "probekit cache push s3://bucket/caches",
    "probekit cache push s3://bucket/caches minilm--ewt--0123456789ab",
    "probekit cache push hf://datasets/me/minilm-ewt",
)
PULL_EXAMPLES = examples(
    "probekit cache pull s3://bucket/caches/minilm--ewt--0123456789ab --cache ./caches",
    "probekit cache pull hf://datasets/me/minilm-ewt/minilm--ewt--0123456789ab",
)


def import_command(
    source: Annotated[Path, typer.Argument(help="A complete cache folder from elsewhere.", metavar="FOLDER")],
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Copy a cache under the root, hashing every file on arrival; a damaged one is refused."""
    from probekit.cache.location import cache_root
    from probekit.cache.manage.arrival import import_cache
    from probekit.cache.manage.leftovers import size_of

    target = import_cache(source, cache_root(cache))
    size = size_of(target)
    if json:
        show_json({"schema": "probekit.import/1", "cache": str(target), "bytes": size})
    else:
        typer.echo(f"{target}: imported whole, {human_bytes(size)}")


def push_command(
    url: Annotated[
        str,
        typer.Argument(
            help="Where to: s3://BUCKET/PREFIX, or another URL that fsspec knows; hf://datasets/USER/NAME.",
            metavar="URL",
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="A cache folder, or its name under the root. Default: the newest complete one.", metavar="CACHE"
        ),
    ] = None,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Put a cache into an object store, or a dataset repository of the Hub; what is there is not sent again."""
    from probekit.cache.format.plan import read_plan
    from probekit.cache.manage.push import push

    path = find_folder(folder, cache)
    corpus = read_plan(path).corpus
    licence = corpus.get("licence") or "not recorded"
    say(f"The words of the corpus go with the cache (licence: {licence}).", quiet=json)
    with progress_bar("pushing", 1.0, quiet=quiet or json) as advance:
        done = push(path, url, progress=advance)
    for name in done.replaced:
        say(f"{name} was there, half or without its receipt, and was sent again.", quiet=json)
    if json:
        show_json({"schema": "probekit.push/1", "cache": str(path), **done.to_json()})
        return
    found = f"; {counted(done.found, 'file')} were there" if done.found else ""
    typer.echo(f"{done.url}: {counted(done.files, 'file')} sent, {human_bytes(done.nbytes)}{found}")
    say(f"Pull it with: probekit cache pull {done.url}")


def pull_command(
    url: Annotated[str, typer.Argument(help="Of the cache itself, as `cache push` prints it.", metavar="URL")],
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Fetch a cache that was pushed, hashing every file on arrival; interrupted, it goes on."""
    from probekit.cache.location import cache_root
    from probekit.cache.manage.pull import pull

    with progress_bar("pulling", 1.0, quiet=quiet or json) as advance:
        done = pull(url, cache_root(cache), progress=advance)
    if json:
        show_json({"schema": "probekit.pull/1", "url": url, **done.to_json()})
        return
    found = f"; {counted(done.found, 'file')} were here" if done.found else ""
    typer.echo(f"{done.path}: whole, {counted(done.files, 'file')} fetched, {human_bytes(done.nbytes)}{found}")
