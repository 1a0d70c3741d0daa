"""The changelog keeps its form, the version is one, and the commands are documented where people look."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import probekit
from probekit.cli import doctor
from probekit.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def faults(text: str) -> list[str]:
    """What of Keep a Changelog's form a text does not keep."""
    found = []
    if not text.startswith("# Changelog\n") or "keepachangelog.com" not in text:
        found.append("the head")
    releases = re.findall(r"^## (.*)$", text, re.MULTILINE)
    if releases[:1] != ["[Unreleased]"]:
        found.append("the first section is Unreleased")
    dates = []
    for release in releases[1:]:
        match = re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", release)
        if match is None:
            found.append(release)
        else:
            dates.append(match[1])
    if dates != sorted(dates, reverse=True):
        found.append("the newest first")
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        kind, _, body = part.partition("\n")
        if kind not in KINDS or not body.strip().startswith("- "):
            found.append(kind)
    return found


def test_the_changelog_keeps_its_form() -> None:
    assert faults(CHANGELOG) == []


@pytest.mark.parametrize(
    "broken",
    [
        CHANGELOG.replace("# Changelog", "# News", 1),
        CHANGELOG.replace("[Unreleased]", "[0.2.0]"),
        CHANGELOG.replace("### Added", "### New", 1),
        CHANGELOG + "\n## 0.1.0\n",
        CHANGELOG
        + "\n## [0.1.0] - 2026-01-01\n\n### Added\n- This.\n\n## [0.2.0] - 2026-02-01\n\n### Added\n- That.\n",
        CHANGELOG + "\n### Fixed\n",
    ],
)
def test_another_form_is_seen(broken: str) -> None:
    assert faults(broken)


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == probekit.__version__


def test_the_distribution_is_not_called_as_a_strangers_is() -> None:
    """`probekit` on the package index is somebody else's: whoever is told to install it gets another program."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == doctor.DISTRIBUTION != doctor.NAMESAKE
    extras = {extra for names in project["optional-dependencies"].values() for extra in names}
    assert not [name for name in extras if re.match(r"probekit(?!-nlp)", name)]
    sources = [*(ROOT / "probekit").rglob("*.py"), *ROOT.glob("*.md"), ROOT / "Makefile"]
    told = re.compile(r"pip install [^\n`]*\bprobekit(?!-nlp)")
    assert [str(path) for path in sources if told.search(path.read_text(encoding="utf-8"))] == []


def test_the_readme_shows_the_two_commands_and_some_page_every_verb() -> None:
    shown = re.findall(r"^(?:\$ )?probekit (\w+)", README, re.MULTILINE)
    assert {"extract", "probe"} <= set(shown)
    written = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "commands.md"]
    pages = README + "".join(path.read_text(encoding="utf-8") for path in written)
    assert [verb for verb in verbs() if f"probekit {verb}" not in pages] == []


def commands() -> dict[str, Any]:
    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if hasattr(command, "commands"):
            for name, below in command.commands.items():
                yield from walk(below, (*path, name))
        else:
            yield " ".join(path), command

    return dict(walk(typer.main.get_command(app), ()))


def verbs() -> set[str]:
    return {name.split()[0] for name in commands()}


@pytest.mark.parametrize("name", commands())
def test_a_command_says_what_it_does_and_every_option_what_it_means(name: str) -> None:
    command = commands()[name]
    assert (command.help or "").endswith((".", "?"))
    assert [parameter.name for parameter in command.params if not (parameter.help or "").strip()] == []


@pytest.mark.parametrize("name", commands())
def test_a_command_has_two_examples_that_are_its_own(name: str) -> None:
    command = commands()[name]
    lines = [line.strip() for line in command.epilog.split("\n")]
    examples = [line for line in lines if line.startswith(f"probekit {name}")]
    assert len(examples) >= 2
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for example in examples:
        assert {word for word in shlex.split(example) if word.startswith("-")} <= options, example
    assert all(line.startswith("probekit ") for line in lines if line and line not in ("\b", "Examples:"))
