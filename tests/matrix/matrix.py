"""The core of the tests under other versions of what the package stands on: ``make matrix``.

Enters: names of rows, or none for all. Leaves: a line of a table a row, with the tests that failed; exit code 1 where
one did, or where a row cannot be installed. A row is an environment of its own under ``--home`` that lies over
``.venv``: it holds what differs, pip leaves the rest where it is. Surprise: torch of the package index brings CUDA
libraries on Linux, gigabytes a row, unless ``PIP_FLAGS`` names an index of CPU builds as the Makefile shows.

    python tests/matrix/matrix.py torch-lowest torch-newest --home .venv-matrix
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("hub", "tune", "lora")
"""Extras whose bounds count, beside those of the package itself."""
BOUND_TOGETHER = ("tokenizers", "huggingface-hub", "datasets")
"""Of a transformers these are whatever it takes."""
SHOWN = ("torch", "transformers", "numpy", "scikit-learn", "pandas")
PINNED = "pinned"
OF_OTHERS = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
"""What packages warn of that call each other in ways that are going out of use."""
PLUGINS = ("xdist.plugin", "_hypothesis_pytestplugin")
"""Of pytest, named: it would look for those of every version that lies below, too."""
CORE = (
    "tests/test_members.py",
    "tests/statistics",
    "tests/cache/test_cache_round_trip.py",
    "tests/cache/test_cache_text.py",
    "tests/models",
    "tests/extraction",
    "tests/features/test_features.py",
    "tests/features/test_places.py",
    *(
        f"tests/probing/test_{name}.py"
        for name in (
            "logistic", "solver", "ridge", "scikit", "metrics", "scalarmix", "structural", "study", "online_code",
        )
    ),
    *(
        f"tests/tuning/test_{name}.py"
        for name in (
            "plan", "plans", "steps", "freezing", "certificate", "from_cache", "saved_runs", "head_conformance",
            "schedules", "modules", "signals", "closeness", "trainer", "language_modelling", "token_pooling",
            "drawn_plans", "weighting",
        )
    ),
)  # fmt: skip
"""What reads models, keeps states, probes and tunes; without tests that are marked slow or kill processes."""


@dataclass(frozen=True)
class Row:
    """A set of versions.

    Attributes
    ----------
    about : str
    versions : callable
        Of the pins and of the lowest versions that ``pyproject.toml`` promises, by name: the versions that are held.
    newer : bool
        What is not held is upgraded to the newest.
    """

    about: str
    versions: Callable[[Mapping[str, str], Mapping[str, str]], Mapping[str, str]]
    newer: bool = False


def without(versions: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return versions less those of some names."""
    return {name: version for name, version in versions.items() if name not in names}


ROWS = {
    "lowest": Row("every dependency at its lower bound", lambda pins, least: least),
    "torch-lowest": Row(
        "torch at its lower bound, the rest as pinned", lambda pins, least: {**pins, "torch": least["torch"]}
    ),
    "transformers-lowest": Row(
        "transformers at its lower bound, the rest as pinned",
        lambda pins, least: {**without(pins, *BOUND_TOGETHER), "transformers": least["transformers"]},
    ),
    PINNED: Row("as constraints.txt has them", lambda pins, least: pins),
    "torch-newest": Row("the newest torch, the rest as pinned", lambda pins, least: without(pins, "torch"), newer=True),
    "newest": Row("the newest of every dependency", lambda pins, least: {}, newer=True),
}


LEFT_OUT = "tests/models/test_quantised.py"
"""It needs compressed-tensors, which asks for a torch of its own and lies below every row."""


def canonical(name: str) -> str:
    """Return the name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lowest_versions() -> dict[str, str]:
    """Return the lower bound of every dependency by its name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in EXTRAS for one in project["optional-dependencies"][extra])]
    return {canonical(name): version for name, _, version in (one.partition(">=") for one in asked)}


def pinned_versions(names: Sequence[str]) -> dict[str, str]:
    """Return what ``constraints.txt`` pins of some names."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonical(name): version for name, sign, version in (line.partition("==") for line in lines) if sign}
    return {name: pins[name] for name in names}


def install(row: Row, folder: Path) -> Path:
    """Make or renew the environment of a row over the one that this runs in; return its Python.

    Raises
    ------
    subprocess.CalledProcessError
        pip found no such set of versions.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=False, symlinks=True)
        own = sysconfig.get_path("purelib", vars={"base": str(folder)})
        Path(own, "below.pth").write_text(sysconfig.get_path("purelib") + "\n")
    least = lowest_versions()
    held = row.versions(pinned_versions(list(least)), least)
    wanted = [f"{name}=={held[name]}" if name in held else f"{name}>={low}" for name, low in least.items()]
    flags = [*(["--upgrade"] if row.newer else []), *shlex.split(os.environ.get("PIP_FLAGS", ""))]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", *flags, *wanted], check=True)
    return python


def versions_in(python: Path) -> list[str]:
    """Return the versions that a table line shows, as they are installed."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "print(json.dumps([*map(m.version, sys.argv[1:]), platform.python_version()]))"
    )
    asked = subprocess.run([str(python), "-c", code, *SHOWN], check=True, capture_output=True, text=True)
    return list(json.loads(asked.stdout))


def tested(python: Path, folder: Path, paths: Sequence[str], *, strict: bool) -> tuple[dict[str, int], list[str], Path]:
    """Run tests; return how many did what, the names of those that failed, and where everything stands.

    Parameters
    ----------
    python, folder : Path
    paths : sequence of str
    strict : bool
        What packages say of each other's age fails a test too, as it does under the pinned versions.
    """
    record, log = folder / "tests.xml", folder / "tests.log"
    record.unlink(missing_ok=True)
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    lenient = [word for kind in (() if strict else OF_OTHERS) for word in ("-W", f"default::{kind}")]
    asked = [str(python), "-m", "pytest", *plugins, *lenient, "-n", "2", "--dist", "loadscope", "-m", "not slow"]
    own = {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    with log.open("w") as stream:
        subprocess.run(
            [*asked, f"--junitxml={record}", f"--ignore={LEFT_OUT}", *paths],
            cwd=ROOT,
            env={**os.environ, **own, **path},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    if not record.exists():
        return {"passed": 0, "failed": 1, "skipped": 0}, ["pytest ended without a result"], log
    counts, failed = {"passed": 0, "failed": 0, "skipped": 0}, []
    for case in ElementTree.parse(record).iter("testcase"):
        said = next((name for tag, name in _SAID.items() if case.find(tag) is not None), "passed")
        counts[said] += 1
        if said == "failed":
            failed.append(f"{case.get('classname')}::{case.get('name')}")
    return counts, failed, log


_SAID = {"failure": "failed", "error": "failed", "skipped": "skipped"}


def table(names: Sequence[str], home: Path, paths: Sequence[str]) -> Iterator[bool]:
    """Print the line of each row once it is done; yield whether it is sound."""
    print(
        f"{'':20}",
        *(f"{name:>13}" for name in (*SHOWN, "python", "passed", "failed", "skipped", "seconds")),
        flush=True,
    )
    for name in names:
        folder, began = home / name, time.perf_counter()
        try:
            python = install(ROWS[name], folder)
        except subprocess.CalledProcessError:
            print(f"{name:20} cannot be installed: {ROWS[name].about}; pip says why above.", flush=True)
            yield False
            continue
        counts, failed, log = tested(python, folder, paths, strict=name == PINNED)
        cells = [*versions_in(python), *map(str, counts.values()), f"{time.perf_counter() - began:,.0f}"]
        print(f"{name:20}", *(f"{cell:>13}" for cell in cells), flush=True)
        for test in failed:
            print(f"    failed: {test}  ({log})", flush=True)
        yield not failed


def main() -> None:
    """Run what is named, or all."""
    about = "; ".join(f"{name}: {row.about}" for name, row in ROWS.items())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=about)
    parser.add_argument("names", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--home", type=Path, default=ROOT / ".venv-matrix", help="folder of the environments")
    parser.add_argument("--tests", nargs="+", default=CORE, help="other tests than the core")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in ROWS]:
        sys.exit(f"There is no row '{unknown[0]}'. There are: {', '.join(ROWS)}.")
    sys.exit(not all([*table(asked.names or list(ROWS), asked.home.resolve(), asked.tests)]))


if __name__ == "__main__":
    main()
