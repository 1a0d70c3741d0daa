"""What is shipped works where there is no checkout: the wheel's files, its tasks, its two commands.

Nothing is downloaded. The environment of the wheel is new and borrows only the dependencies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import probekit

ROOT = Path(__file__).resolve().parents[2]
PROBES = {f"probekit/probes/{path.name}" for path in (ROOT / "probes").glob("*.py")}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command that finds no probekit but the installed one; return what it printed."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**kept, "OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def build_wheel(source: Path, folder: Path) -> Path:
    run(
        *(sys.executable, "-m", "pip", "wheel", source),
        *("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder),
        cwd=folder,
    )
    return next(folder.glob("probekit_nlp-*.whl"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, and this one's dependencies behind it; returns its ``bin``."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--quiet", "--no-deps", "--no-index", wheel),
        cwd=folder,
    )
    # Behind, and without their own .pth files: an editable probekit there stays unseen.
    behind = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (own / "dependencies.pth").write_text("\n".join(behind) + "\n", encoding="utf-8")
    return folder / "bin"


def test_the_wheel_holds_the_package_and_its_tasks(wheel: Path) -> None:
    held = names(wheel)
    assert held >= PROBES
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "probekit").rglob("*.py")}
    assert held >= sources
    assert {"probekit/py.typed", "probekit/cli/__init__.py"} <= held
    metadata = f"probekit_nlp-{probekit.__version__}.dist-info"
    assert {name.split("/")[0] for name in held} == {"probekit", metadata}
    assert f"{metadata}/licenses/LICENSE" in held


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    package = {name for name in names(wheel) if name.startswith("probekit/")}
    assert {name.removeprefix("probekit/") for name in package if Path(name).suffix != ".py"} == {
        "py.typed", "report/page/page.css", "report/page/page.html.jinja", "viewing/alignment/grid.html",
        "viewing/attention/sentence.html.jinja", "viewing/maps/map.html"
    }  # fmt: skip
    assert not [name for name in package if "test" in name or "__pycache__" in name]


def test_the_source_distribution_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=ROOT)
    source = next(tmp_path.glob("probekit_nlp-*.tar.gz"))
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "probes/pos.py", "tests/conftest.py"} <= held
    assert not [name for name in held if ".venv" in name or "__pycache__" in name]
    assert names(build_wheel(source, tmp_path)) == names(wheel)


def test_tasks_come_from_inside_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = "import probekit.tasks as t; print(t.__file__); print(t.catalogue_folder()); print(*t.load_catalogue())"
    home, catalogue, found = run(installed / "python", "-c", script, cwd=tmp_path).splitlines()
    assert home.startswith(str(installed.parent))
    assert catalogue.startswith(str(installed.parent))
    tasks = [Path(name).stem for name in PROBES if not Path(name).name.startswith("_")]
    assert len(found.split()) == len(tasks)
    listed = json.loads(run(installed / "probekit", "tasks", "--json", cwd=tmp_path))
    assert len(listed["tasks"]) == len(tasks)


@pytest.mark.slow
def test_the_two_commands_work_far_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    extract = ("extract", "minilm", "grammar:n=60", "--json", "--quiet")
    extracted = json.loads(run(installed / "probekit", *extract, cwd=tmp_path, PROBEKIT_CACHE=cache))
    assert extracted["cache"].startswith(cache)
    probed = run(
        installed / "probekit",
        "probe",
        "--task",
        "pos",
        "--layers",
        "0,3",
        "--quiet",
        cwd=tmp_path,
        PROBEKIT_CACHE=cache,
    )
    assert "chosen on dev" in probed
    assert "word type" in probed
