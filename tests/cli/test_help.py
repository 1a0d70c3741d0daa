"""Help is fast, whole and checked in; nothing heavy is loaded before a verb needs it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from children import PATIENCE

from probekit.cli.app import run
from probekit.tasks import load_catalogue

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "pandas", "matplotlib", "sklearn", "scipy", "numpy", "rich")

BLOCKED = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise RuntimeError(f"{name} was imported")
sys.meta_path.insert(0, Wall())
from probekit.cli import main
main(sys.argv[1:])
"""


def _page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("commands_page", ROOT / "docs/commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _commands() -> list[tuple[str, Any]]:
    return list(_page().commands())


LEAVES = [pytest.param(context, id=name) for name, context in _commands() if not hasattr(context.command, "commands")]


def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    """Of processor time: what a machine with nothing else to do takes.

    One that is slower, or whose cores others share, takes half as long again for it as for the libraries alone.
    """
    best = least_seconds("-m", "probekit", "--help")
    assert best < 0.3 or best < 1.5 * least_seconds("-c", "import rich.markdown, rich.table, typer.rich_utils")


def least_seconds(*words: str) -> float:
    """Return the processor time of a command of Python, the least of five."""
    found = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, capture_output=True, timeout=PATIENCE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


@pytest.mark.parametrize(
    "words", [["--help"], ["extract", "--help"], ["cache", "ls"], ["tasks"], ["probe", "--help"], ["behave", "--help"]]
)
def test_what_needs_no_model_loads_no_library(words: list[str], private_cache: Path) -> None:
    code = f"import sys\nfrom probekit.cli.app import run\nrun({words!r})\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    heavy = HEAVY if "--help" in words else HEAVY[:2]
    assert not set(heavy) & set(done.stderr.split())


def test_a_second_run_is_instant_because_it_loads_no_torch(scene: Path, good: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, "extract", "model", "good.conllu", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["reused"]
    assert Path(made["cache"]) == good


def test_the_wall_of_that_test_stands(scene: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, "extract", "model", "other.conllu", "--cache", str(scene / "nothing")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "was imported" in done.stderr


@pytest.mark.parametrize("context", LEAVES)
def test_every_option_and_argument_is_explained(context: Any) -> None:
    for parameter in context.command.params:
        about = getattr(parameter, "help", None)
        assert about, f"{context.command_path} {parameter.name}"
        assert about.endswith("."), about


@pytest.mark.parametrize("context", LEAVES)
def test_every_command_says_what_it_does_and_shows_two_examples(context: Any) -> None:
    command = context.command
    assert command.help
    assert len(command.get_short_help_str(60)) < 60
    shown = [line.strip() for line in (command.epilog or "").splitlines() if "probekit" in line]
    assert sum(context.command_path in line for line in shown) >= 2, command.epilog
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    mine = [line for line in shown if line.startswith(context.command_path)]
    used = {word for line in mine for word in line.split() if word.startswith("-")}
    assert used <= options | {"-q", "--yes"}


@pytest.mark.parametrize("context", LEAVES)
def test_every_command_can_speak_json_and_show_its_faults(context: Any) -> None:
    names = {name for parameter in context.command.params for name in parameter.opts}
    assert {"--json", "--debug"} <= names


OWN = {
    "--task",
    "--on",
    "--model",
    "--corpus",
    "--out",
    "--plot",
    "--save",
    "--score",
    "--metric",
    "--keep",
    "--first",
    "--at",
}
"""What a verb is about, reads and writes is its own, and where; blocks of a model are kept, and a share of a score."""


def test_an_option_says_the_same_of_itself_in_every_command() -> None:
    said: dict[str, set[str]] = {}
    for name, context in _commands():
        for parameter in context.command.params:
            for option in parameter.opts:
                folder = (name, option) == ("probekit extract", "--quiet")  # prints the folder
                if option.startswith("--") and option not in OWN and not folder:
                    said.setdefault(option, set()).add(parameter.help)
    assert {option: helps for option, helps in said.items() if len(helps) > 1} == {}


@pytest.mark.parametrize("context", LEAVES)
def test_every_command_can_be_silent_or_say_more(context: Any) -> None:
    declared = {name for parameter in context.command.params for name in parameter.opts}
    assert {"--quiet", "-q", "--verbose", "-v"} <= declared


def test_silence_lasts_for_its_command_only(capsys: pytest.CaptureFixture[str], private_cache: Path) -> None:
    for words, silent, said in (("-q", True, False), ("", False, False), ("-v", False, True), ("-q -v", True, False)):
        assert run(["cache", "ls", *words.split()]) == 0
        err = capsys.readouterr().err
        assert ("There is no cache" in err) is not silent
        assert ("took " in err and " of memory" in err) is said
    assert run(["report", "show", "nowhere.jsonl", "-q"]) == 3
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_the_page_of_commands_is_up_to_date() -> None:
    pinned = next(
        line.partition("==")[2] for line in (ROOT / "constraints.txt").read_text().split() if line[:7] == "typer=="
    )
    if importlib.metadata.version("typer") != pinned:
        pytest.skip(f"the page is laid out by typer {pinned}")
    page = _page()
    assert page.TARGET.read_text(encoding="utf-8") == page.written(), "run: python docs/commands.py"


def test_every_example_but_its_files_can_be_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each first word of an example is a command that has help."""
    for name, _ in _commands():
        assert run([*name.split()[1:], "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: {name}")


def test_tasks_of_examples_are_in_the_catalogue() -> None:
    """But for the one that an example has a file of the user for."""
    lines = [line for _, context in _commands() for line in (context.command.epilog or "").splitlines()]
    named = {
        name.partition(":")[0]
        for line in lines
        if "--probes" not in line
        for names in re.findall(r"--task (\S+)", line)
        for name in names.split(",")
    }
    assert "pos" in named
    assert named <= set(load_catalogue())


def test_version_and_module_agree() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "probekit", "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert said.stdout == f"probekit {importlib.metadata.version('probekit-nlp')}\n"


@pytest.mark.parametrize("words", [[], ["cache"], ["report"]])
def test_no_command_shows_the_help_on_stderr(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: probekit")
    assert "Examples:" in said.err


def test_columns_are_respected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(os.environ, "COLUMNS", "50")
    run(["cache", "gc", "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 50
    run(["tasks"])
    folded = capsys.readouterr().out.splitlines()
    monkeypatch.delenv("COLUMNS")
    run(["tasks"])
    assert len(capsys.readouterr().out.splitlines()) < len(folded)
