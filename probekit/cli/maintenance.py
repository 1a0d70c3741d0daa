"""The verbs of ``probekit cache`` that look after caches: verify and repair, gc, rm.

Whatever deletes says first what, and asks; where nobody can be asked it needs ``--yes``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probekit.amounts import human_bytes
from probekit.cli.options import CacheFolder, CacheRoot, Debug, DryRun, Json, Quiet, Verbose, Yes, examples
from probekit.cli.output import confirm, counted, say, show_json

VERIFY_EXAMPLES = examples("probekit cache verify", "probekit cache verify --repair CACHE")
GC_EXAMPLES = examples("probekit cache gc", "probekit cache gc --dry-run --json", "probekit cache gc --yes")
RM_EXAMPLES = examples("probekit cache rm CACHE", "probekit cache rm CACHE1 CACHE2 --yes")


def find_folder(folder: Path | None, root: Path | None, *, opens: bool = True) -> Path:
    """Return the cache that is meant: a path, a name under the root, or the newest complete one (that `opens`)."""
    from probekit.cache.location import cache_root, named_cache, newest_complete
    from probekit.errors import UsageError

    if folder is not None:
        return named_cache(folder, cache_root(root))
    newest = newest_complete(cache_root(root), opens=opens, notify=say)
    if newest is None:
        raise UsageError(f"There is no complete cache in {cache_root(root)}. Run `probekit extract`, or name a cache.")
    return newest


def verify_command(
    folder: CacheFolder = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged shards aside, so that extract recomputes only them.")
    ] = False,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Hash every file of a cache and say what is wrong; exit code 4 if anything is."""
    from probekit.cache.format.plan import resume_command
    from probekit.cache.manage import verify
    from probekit.errors import CacheError

    path = find_folder(folder, cache, opens=False)
    result = verify.repair(path) if repair else verify.verify(path)
    if json:
        show_json({"schema": "probekit.verify/1", **result.to_json(), "repaired": repair})
    else:
        for problem in result.problems:
            typer.echo(problem.what)
        state = "whole" if result.ok else counted(len(result.problems), "problem")
        done = f"{result.shards_done} of {counted(result.shards, 'shard')}, {human_bytes(result.nbytes)} hashed"
        typer.echo(f"{path}: {state}; {done}")
    if result.ok:
        if not result.complete:
            say(f"It is incomplete. Resume with: {resume_command(path)}", quiet=json)
        return
    if repair:
        say(f"What is damaged was set aside. To compute it again: {resume_command(path)}", quiet=json)
    else:
        say(f"To set aside what is damaged, and only that: probekit cache verify --repair {path}", quiet=json)
    if json:  # the findings are the document, and the error is an error of every command's form
        raise CacheError(
            f"{path} is damaged ({counted(len(result.problems), 'problem')}): {result.problems[0].what} "
            + (f"Compute it again: {resume_command(path)}" if repair else f"probekit cache verify --repair {path}")
        )
    raise typer.Exit(4)


def gc_command(
    dry_run: DryRun = False,
    yes: Yes = False,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Free what no result needs: leftovers of dead processes, damaged files that were set aside."""
    from probekit.cache.location import cache_root
    from probekit.cache.manage.leftovers import collect, garbage

    root = cache_root(cache)
    found = garbage(root)
    total = sum(item.nbytes for item in found)
    if found and not dry_run:
        if not (yes or json):
            for item in found:
                say(f"{human_bytes(item.nbytes):>8}  {item.path}  ({item.why})")
        if not confirm(f"Delete {human_bytes(total)} in {counted(len(found), 'place')} under {root}?", yes=yes):
            return
        found = collect(found)
        total = sum(item.nbytes for item in found)
    if json:
        places = [{"path": str(item.path), "bytes": item.nbytes, "why": item.why} for item in found]
        document = {"schema": "probekit.gc/1", "root": str(root), "deleted": not dry_run, "bytes": total}
        show_json({**document, "found": places})
        return
    for item in found if dry_run or yes else ():
        typer.echo(f"{human_bytes(item.nbytes):>8}  {item.path}  ({item.why})")
    verb = "can be freed" if dry_run else "freed"
    typer.echo(f"{human_bytes(total)} {verb} in {root}" if found else f"nothing to free in {root}")


def rm_command(
    folders: Annotated[
        list[Path], typer.Argument(help="Cache folders, or their names under the root.", metavar="CACHE")
    ],
    yes: Yes = False,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Delete caches; what they hold must be extracted again."""
    from probekit.cache.manage.folders import removable, remove_all
    from probekit.cache.manage.leftovers import size_of

    paths = removable([find_folder(folder, cache) for folder in folders])
    sizes = {path: size_of(path) for path in paths}
    if not (yes or json):
        for path, size in sizes.items():
            say(f"{human_bytes(size):>8}  {path}")
    if not confirm(f"Delete {human_bytes(sum(sizes.values()))} in {counted(len(paths), 'cache')}?", yes=yes):
        return
    freed = {str(path): size for path, size in remove_all(paths).items()}
    if json:
        rows = [{"cache": path, "bytes": size} for path, size in freed.items()]
        show_json({"schema": "probekit.removed/1", "removed": rows, "bytes": sum(freed.values())})
        return
    typer.echo(f"{human_bytes(sum(freed.values()))} freed, {counted(len(freed), 'cache')} deleted")
