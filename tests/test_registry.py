"""One way a folder becomes a catalogue: built-in, a user's, an installed package's."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from plugins import install

from probekit.errors import UsageError
from probekit.registry import Registry


@dataclass(frozen=True)
class Tool:
    name: str


GROUP = "probekit.tools"
FILE = '"""About {0}."""\nfrom test_registry import Tool\nTOOL = Tool("{0}")\n'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    folder.mkdir()
    for name in ("saw", "axe"):
        (folder / f"{name}.py").write_text(FILE.format(name))
    (folder / "_wood.py").write_text("WOOD = 1\n")
    return folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty place for installed packages; what is imported from it is forgotten."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(place)
    before = set(sys.modules)
    yield place
    for name in set(sys.modules) - before:
        del sys.modules[name]


def registry(home: Path) -> Registry[Tool]:
    return Registry("tool", Tool, attribute="TOOL", group=GROUP, home=lambda: home)


def test_a_folder_is_a_catalogue_in_the_order_of_its_files(built: Path) -> None:
    tools = registry(built)
    assert dict(tools.members()) == {"axe": Tool("axe"), "saw": Tool("saw")}
    assert tools.members() is tools.members()
    entry = tools.entries()["saw"]
    assert (entry.place, entry.doc, entry.package) == (str(built / "saw.py"), "About saw.", "")
    with pytest.raises(UsageError, match=r"`tool` option must be one of axe, saw. Got 'swa'. Did you mean 'saw'"):
        tools.get("swa", "tool")


def test_threads_load_once(built: Path) -> None:
    (built / "_wood.py").write_text("import time\ntime.sleep(0.05)\n")
    (built / "saw.py").write_text("from . import _wood\n" + FILE.format("saw"))
    tools, together = registry(built), threading.Barrier(4)

    def load(_: int) -> int:
        together.wait()
        return id(tools.members()["saw"])

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(load, range(4)))) == 1


def test_a_users_folder_works_like_the_built_in_one(built: Path, tmp_path: Path) -> None:
    tools, mine = registry(built), tmp_path / "mine"
    mine.mkdir()
    with pytest.raises(UsageError, match="holds no tool file"):
        tools.entries(mine)
    (mine / "plane.py").write_text(FILE.format("plane"))
    assert list(tools.entries(mine)) == ["axe", "saw", "plane"]
    (mine / "plane.py").write_text(FILE.format("saw"))
    with pytest.raises(UsageError, match=r"mine/plane\.py: the tool name 'saw' is taken by .*built/saw\.py"):
        tools.entries(mine)
    (mine / "plane.py").write_text("TOOL = 'plane'\n")
    with pytest.raises(UsageError, match=r"mine/plane\.py: a tool file must set TOOL = Tool"):
        tools.entries(mine)


def test_an_installed_package_gives_objects_modules_and_folders(built: Path, site: Path) -> None:
    files = {"shed/__init__.py": "", "shed/_help.py": "1 / 0\n", "shed/rasp.py": FILE.format("rasp")}
    files |= {"hammer.py": FILE.format("hammer"), "pliers.py": FILE.format("pliers").replace("TOOL", "MINE")}
    points = {GROUP: ["a = shed", "b = hammer", "c = pliers:MINE"]}
    install(site, "tool-shed", files, points)
    entries = registry(built).entries()
    assert list(entries) == ["axe", "saw", "rasp", "hammer", "pliers"]
    assert {entry.package for name, entry in entries.items() if name not in ("axe", "saw")} == {"tool-shed"}
    assert entries["pliers"].doc == "About pliers."
    assert entries["rasp"].place == f"the installed package tool-shed ({GROUP}: a = shed), shed.rasp"


def test_a_broken_package_is_named_and_takes_nobody_down(
    built: Path, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"shed/__init__.py": "", "shed/bad.py": "\nx = 1 / 0\n", "shed/rasp.py": FILE.format("rasp")}
    files |= {"quits.py": "raise SystemExit(3)\n", "typo.py": "def (\n", "none.py": "X = 1\n"}
    files |= {"again.py": FILE.format("saw"), "sound.py": FILE.format("sound")}
    points = ["a = shed", "b = quits", "c = typo", "d = none", "e = no_such_module", "f = again", "g = sound"]
    install(site, "tool-shed", files, {GROUP: [*points, "h = sound:OTHER"]})
    tools = registry(built)
    with caplog.at_level(logging.WARNING):
        assert list(tools.members()) == ["axe", "saw", "rasp", "sound"]
        tools.entries()
    said = [record.getMessage() for record in caplog.records]
    expected = {
        "'a' (probekit.tools), which fails at": "shed/bad.py:2: ZeroDivisionError",
        "'b'": "quits.py:1: SystemExit: 3",
        "'c'": "typo.py:1: SyntaxError",
        "'d'": "a tool file must set TOOL = Tool(...)",
        "'e'": "fails at no_such_module: ModuleNotFoundError",
        "f = again": "the tool name 'saw' is taken by",
        "'h'": "fails at sound:OTHER: AttributeError",
    }
    assert len(said) == len(expected), said
    for start, cause in expected.items():
        assert any(start in line and cause in line and "left out" in line for line in said), (start, said)
        assert all("tool-shed" in line for line in said)
    assert set(tools.faults()) == set(said)
    with pytest.raises(UsageError, match=r"Got 'bad'\..*shed/bad\.py:2"):
        tools.get("bad", "tool")
