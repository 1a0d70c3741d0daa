"""Make the pictures of these pages again, by the commands that stand beside them: ``python docs/gallery.py``.

Enters: the console blocks of ``docs/**/*.md`` that name a picture which their page shows, so that page and picture
cannot disagree. Leaves: these pictures, where a pixel changed. A block runs in a folder and with a cache of its own,
below ``docs/_gallery``, and is not run again until its text or the package changes. What is left out is said by name
and why: data that is not there, more minutes than ``--minutes`` (the page says how many), a program in ``tests/bench``
that makes it. Surprise: any change of the package makes all anew, since nobody knows which change moves a picture.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
WORK = DOCS / "_gallery"
MINUTES = 5
"""Of a block that runs without being asked for."""
VARIABLES = ("PROBEKIT_DATA", "PROBEKIT_MODELS")
BY_HAND = {"architecture.svg"}

PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:)([^)\s]+\.(?:png|svg))\)")
BLOCK = re.compile(r"(?:^(?P<before>\S.*)\n\n?)?^```console\n(?P<text>(?s:.*?))^```$", re.MULTILINE)
NOT_RUN = re.compile(r"\*Not run: .*\*")
COST = re.compile(r"(\d+) minutes")
PROGRAM = re.compile(r"`(python tests/bench/\w+\.py[^`]*)`")
INPUT = re.compile(rf"\$(?:{'|'.join(VARIABLES)})\b(?:/[\w./*?-]+)?")


@dataclass(frozen=True)
class Recipe:
    """A block of commands, and the pictures of its page that it writes."""

    page: Path
    script: str
    pictures: tuple[str, ...]
    minutes: int
    """What the page says that it takes; 0 where it says nothing."""
    elsewhere: bool
    """Whether it needs more than the package brings: data, models."""

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return Path(self.pictures[0]).stem

    def lacks(self) -> str | None:
        """Say what is not there, or nothing."""
        if not self.elsewhere:
            return None
        for name in VARIABLES:
            if not os.environ.get(name):
                return f"{name} is not set"
        for needed in INPUT.findall(self.script):
            if not glob.glob(os.path.expandvars(needed)):
                return f"{needed} is not there"
        return None


def shown_on(page: Path) -> list[str]:
    """Return the names of the pictures that a page shows, from the page's folder, in its order."""
    return list(dict.fromkeys(PICTURE.findall(page.read_text(encoding="utf-8"))))


def recipes(page: Path) -> Iterator[Recipe]:
    """Yield the blocks of a page that write pictures which it shows."""
    shown = shown_on(page)
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        lines = block["text"].replace("\\\n", "").split("\n")
        script = "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
        written = tuple(name for name in shown if re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w./-])", script))
        if written:
            marker = NOT_RUN.fullmatch((block["before"] or "").strip())
            cost = COST.search(marker[0]) if marker else None
            yield Recipe(page, script, written, int(cost[1]) if cost else 0, marker is not None)


def programs(page: Path) -> list[str]:
    """Return the command lines of programs that a page names as what makes its pictures."""
    return PROGRAM.findall(" ".join(page.read_text(encoding="utf-8").split()))


def code() -> str:
    """Return a fingerprint of whatever can move a picture from this side: the package and its tasks."""
    digest = hashlib.sha256()
    for folder in ("probekit", "probes"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def made(recipe: Recipe, work: Path, fingerprint: str) -> str:
    """Run a block unless it was run as it is now; copy what changed, and say what was done."""
    folder = work / recipe.folder
    stamp, now = folder / "made", hashlib.sha256(f"{fingerprint}\n{recipe.script}".encode()).hexdigest()
    began = time.monotonic()
    if not stamp.exists() or stamp.read_text() != now:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        with (folder / "log").open("w") as log:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", recipe.script],
                cwd=folder,
                env={**os.environ, "PATH": path, "PROBEKIT_CACHE": str(folder / "cache")},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            last = (folder / "log").read_text().strip().split("\n")[-1]
            return f"FAILED with exit code {done.returncode}: {last} (all of it: {folder / 'log'})"
        shutil.rmtree(folder / "cache", ignore_errors=True)  # may be gigabytes; numbers and pictures are kept
        stamp.write_text(now)
        said = f"made in {time.monotonic() - began:.0f} s"
    else:
        said = "made before, by the same commands and code"
    lost = [name for name in recipe.pictures if not (folder / name).exists()]
    if lost:
        stamp.unlink()
        return f"FAILED: the commands do not write {', '.join(lost)}"
    changed = [name for name in recipe.pictures if not same(folder / name, recipe.page.parent / name)]
    for name in changed:
        shutil.copyfile(folder / name, recipe.page.parent / name)
    return f"{said}; {'changed' if changed else 'as it was'}"


def same(new: Path, old: Path) -> bool:
    """Whether two pictures are the same, pixel by pixel: how they are packed is the library's."""
    if not old.exists() or new.suffix != ".png":
        return old.exists() and new.read_bytes() == old.read_bytes()
    from PIL import Image, ImageChops

    with Image.open(new) as one, Image.open(old) as other:
        if one.size != other.size:
            return False
        return ImageChops.difference(one.convert("RGBA"), other.convert("RGBA")).getbbox(alpha_only=False) is None


def main(words: Sequence[str] | None = None, docs: Path = DOCS) -> int:
    """Make what is asked for, and say of every picture what became of it; 1 where a block failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", help="names; default: all")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="leave out what takes longer (%(default)s)")
    parser.add_argument("--work", type=Path, default=docs / "_gallery", help="where blocks run")
    asked = parser.parse_args(words)
    pages = [page for page in sorted(docs.rglob("*.md")) if not {"_build", "_gallery"} & set(page.parts)]
    pages = [page for page in pages if shown_on(page)]
    known = {Path(name).name for page in pages for name in shown_on(page)}
    if unknown := sorted(set(asked.pictures) - known):
        parser.error(f"no page shows {', '.join(unknown)}; they show {', '.join(sorted(known))}")
    failed, fingerprint = False, code()
    for page in pages:
        found = list(recipes(page))
        for recipe in found:
            if asked.pictures and not {Path(name).name for name in recipe.pictures} & set(asked.pictures):
                continue
            if (lacking := recipe.lacks()) is not None:
                said = f"left: {lacking}"
            elif recipe.minutes > asked.minutes and not asked.pictures:
                said = f"left: {recipe.minutes} minutes; --minutes {recipe.minutes}, or its name, makes it"
            else:
                said = made(recipe, asked.work.resolve(), fingerprint)
            failed |= said.startswith("FAILED")
            print(f"{', '.join(recipe.pictures)}: {said}", flush=True)
        for name in sorted(set(shown_on(page)) - {name for recipe in found for name in recipe.pictures} - BY_HAND):
            if not asked.pictures or Path(name).name in asked.pictures:
                print(f"{name}: left: {' or '.join(programs(page)) or 'no command of its page'} makes it", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
