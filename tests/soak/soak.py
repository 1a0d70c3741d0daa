"""Kill an extraction at random moments, resume it, and look for a byte that differs.

A real model over a small corpus, cut into many small shards. Each cycle starts ``extract`` in a child
that kills itself (SIGKILL) some batches and a part of a batch's time later; the next cycle resumes. Moments are drawn
within the work that is left, so that four cycles of five end in a kill. They are counted in batches: a machine may be
tens of times busier than it was a moment ago. A cache that has become complete
is compared, file by file, with an undisturbed run, and the next one is begun. After every
kill the cache must open as complete or refuse as resumable, and published shards stay as they are.

Surprise: this process imports torch but never runs it. Its threads do not survive a fork, and
importing it in every child would take longer than the extraction.

    python tests/soak/soak.py --minutes 10 --cycles 200

Exit code 1: a byte was lost or differs, fewer cycles were done than asked for, or fewer were killed than
``--kills`` (a share of the cycles).
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import argparse
import contextlib
import hashlib
import importlib
import itertools
import math
import random
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # noqa: F401 (imported once, run never)
import transformers  # noqa: F401

import probekit.cache.write.staging
from probekit.cache.manage.verify import verify
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, ProbekitError, ResourceError
from probekit.extraction.forward_pass import ModelPass
from probekit.extraction.run import extract

SHARD_WORDS = 250
"""Words of a shard here: many kills then fall on writing, publishing and receipts."""
BATCH_TOKENS = 256
KILLED_WITHIN, FINISHED = 0.6, 0.4
"""A kill falls within this share of the work that is left; once a shard or less is left, this share of runs may end."""
PATIENCE = 600.0
"""Seconds until a child that has not shown its first batch is taken for hung."""


@dataclass
class Tally:
    """What happened so far."""

    cycles: int = 0
    kills: int = 0
    refusals: int = 0
    """Runs that declined a shard over which too many before had been killed; the next tries it again."""
    runs_compared: int = 0
    shards_rewritten: int = 0
    published_rewritten: int = 0
    bytes_lost: int = 0
    bytes_compared: int = 0
    receipts_caught_up: int = 0


class Difference(Exception):
    """A byte differs from the undisturbed run, or a cache is neither complete nor resumable."""


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    draw = random.Random(options.seed)
    started = time.monotonic()
    deadline = started + 60 * options.minutes
    tally = Tally()
    probekit.cache.write.staging.SHARD_WORDS = SHARD_WORDS
    with tempfile.TemporaryDirectory(prefix="probekit-soak-", dir=options.folder) as place:
        try:
            sound, batches = _undisturbed(Path(place) / "sound", options)
            print(f"undisturbed: {batches} batches, {len(sound)} files", flush=True)
            root = Path(place) / "killed"
            while tally.cycles < options.cycles and time.monotonic() < deadline:
                _cycle(root, options, tally, _moment(root, draw, batches, sound), sound)
                if tally.cycles % 20 == 0:
                    print(_line(tally, started), flush=True)
            _finish(root, options, tally, sound)
        except Difference as difference:
            print(f"{_line(tally, started)}\nFAILED (seed {options.seed}): {difference}", flush=True)
            return 1
    print(_line(tally, started))
    short = []
    if tally.cycles < options.cycles:
        short.append(f"the {options.minutes:g} minutes were over before the {options.cycles} cycles")
    if tally.kills < options.kills * options.cycles:
        short.append(f"{tally.kills} kills, where {options.kills:g} of {options.cycles} cycles were asked for")
    for reason in short:
        print(f"FAILED (seed {options.seed}): {reason}")
    return 1 if short else 0


def _moment(root: Path, draw: random.Random, batches: int, sound: dict[str, str]) -> float:
    """Batches, and a part of one, after the first at which to kill; without end where the run may finish."""
    shards = sum(name.endswith(".safetensors") for name in sound)
    left = shards - len(_published(root))
    if left <= 1 and draw.random() < FINISHED:
        return math.inf
    return draw.uniform(0, KILLED_WITHIN * batches * left / shards)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--kills", type=float, default=0.8, help="share of the cycles that must end in a kill")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments of the kills")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--corpus", default="grammar:n=250")
    parser.add_argument("--folder", default=None, help="where the caches are written, for a look at another disk")
    return parser.parse_args(argv)


def _line(tally: Tally, started: float) -> str:
    return (
        f"{tally.cycles} cycles, {tally.kills} kills, {tally.refusals} refusals, "
        f"{tally.shards_rewritten} shards rewritten ({tally.published_rewritten} of them published before), "
        f"{tally.receipts_caught_up} receipts caught up, "
        f"{tally.runs_compared} caches compared ({tally.bytes_compared / 1e6:,.0f} MB), "
        f"bytes lost {tally.bytes_lost}, {time.monotonic() - started:.0f} s"
    )


# The child.


def _start(
    root: Path, options: argparse.Namespace, listing: Path | None = None, *, moment: float = math.inf
) -> tuple[int, int]:
    """Fork a child that extracts; return its id and a pipe that becomes readable at the first batch or its end.

    It kills itself at `moment`, of :func:`_moment`. With `listing`, it writes there which modules it has imported.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 99
    try:
        os.close(reading)
        run, batch = ModelPass.run, itertools.count()

        def announced(self: ModelPass, pieces: Any) -> Any:
            began = time.monotonic()
            blocks = run(self, pieces)
            os.write(writing, b".")
            behind = next(batch) - moment
            if behind > 0:  # this batch was faster than the part of one that was drawn
                _kill()
            elif behind > -1:
                threading.Timer(moment % 1 * (time.monotonic() - began), _kill).start()
            return blocks

        ModelPass.run = announced  # type: ignore[method-assign]
        extract(options.model, options.corpus, batch_tokens=BATCH_TOKENS, cache=root)
        code = 0
        if listing is not None:
            listing.write_text("\n".join(sorted(sys.modules)))
    except ProbekitError as error:
        traceback.print_exc()
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _first_batch(child: int, reading: int) -> None:
    if not select.select([reading], [], [], PATIENCE)[0]:
        os.kill(child, signal.SIGKILL)
        raise Difference(f"a child showed no first batch within {PATIENCE:g} s")
    os.read(reading, 1)


# The cycles.


def _undisturbed(root: Path, options: argparse.Namespace) -> tuple[dict[str, str], int]:
    """Extract once without a kill; return the digests, and how many batches came after the first."""
    listing = root.with_name("modules")
    child, reading = _start(root, options, listing)
    batches = 0
    while more := len(os.read(reading, 1 << 16)):
        batches += more
    os.close(reading)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        raise Difference(f"the undisturbed run ended with {code}")
    for name in listing.read_text().split("\n"):
        # What the first child has imported for itself, its successors need not.
        if name.startswith(("torch", "transformers", "tokenizers", "probekit", "sklearn", "scipy")):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    (cache,) = _caches(root)
    return dict(_digests(cache)), batches


def _cycle(root: Path, options: argparse.Namespace, tally: Tally, moment: float, sound: dict[str, str]) -> None:
    """Resume (or begin) the cache, and let the run be killed `moment` batches after its first."""
    tally.cycles += 1
    before = _published(root)
    child, reading = _start(root, options, moment=moment)
    _first_batch(child, reading)
    # The pipe stays open: a child that cannot announce its batches would die of it.
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(reading)
    if code not in (0, -signal.SIGKILL, ResourceError.exit_code):
        raise Difference(f"a run ended with {code}")
    tally.kills += code == -signal.SIGKILL
    tally.refusals += code == ResourceError.exit_code
    _check_published(root, before, tally)
    tally.shards_rewritten += len(_temporary(root)) if code else 0
    cache = _caches(root)[0]
    try:
        ActivationCache.open(cache)
    except CacheError as error:
        if code == 0 or "is incomplete" not in str(error):
            raise Difference(f"after {'a kill' if code else 'the end'}: {error}") from None
        tally.receipts_caught_up += len(_published(root)) - len(list((cache / "receipts").glob("[0-9]*.json")))
        return
    _compare(cache, tally, sound)
    shutil.rmtree(cache)


def _finish(root: Path, options: argparse.Namespace, tally: Tally, sound: dict[str, str]) -> None:
    """Complete and compare what the last cycle has left."""
    for cache in _caches(root):
        before = _published(root)
        for _ in sound:  # each shard may be refused once
            child, reading = _start(root, options)
            _first_batch(child, reading)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            os.close(reading)
            if code != ResourceError.exit_code:
                break
            tally.refusals += 1
        if code != 0:
            raise Difference(f"the last run ended with {code}")
        _check_published(root, before, tally)
        if left := _temporary(root):
            raise Difference(f"temporary files are left: {left}")
        _compare(cache, tally, sound)


# What must hold.


def _check_published(root: Path, before: dict[str, tuple[int, int, str]], tally: Tally) -> None:
    """Shards that were published before are the same files with the same bytes."""
    after = _published(root)
    for name, (inode, size, digest) in before.items():
        if name not in after or after[name][2] != digest:
            tally.bytes_lost += size
            raise Difference(f"{name} was published, and has {'changed' if name in after else 'gone'}")
        tally.published_rewritten += after[name][0] != inode


def _compare(cache: Path, tally: Tally, sound: dict[str, str]) -> None:
    found = dict(_digests(cache))
    wrong = sorted(name for name in {*sound, *found} if sound.get(name) != found.get(name))
    # A run that was killed behind its manifest may leave a temporary file; the next run removes it.
    wrong = [name for name in wrong if not name.endswith(".tmp")]
    if wrong:
        tally.bytes_lost += sum((cache / name).stat().st_size for name in wrong if (cache / name).exists())
        raise Difference(f"differs from the undisturbed run: {', '.join(wrong)}")
    result = verify(cache)
    if not result.ok:
        raise Difference(f"does not verify: {result.problems[0].what}")
    tally.runs_compared += 1
    tally.bytes_compared += result.nbytes


def _caches(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if (path / "plan.json").exists()] if root.is_dir() else []


def _temporary(root: Path) -> list[Path]:
    return [path for cache in _caches(root) for path in (cache / "shards").glob(".*.tmp")]


def _published(root: Path) -> dict[str, tuple[int, int, str]]:
    """Inode, size and digest of every shard under its final name."""
    shards = [path for cache in _caches(root) for path in sorted((cache / "shards").glob("*.safetensors"))]
    return {path.name: (path.stat().st_ino, path.stat().st_size, _sha256(path)) for path in shards}


def _digests(cache: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(cache.rglob("*")):
        if path.is_file() and "runs" not in path.relative_to(cache).parts:
            yield str(path.relative_to(cache)), _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
