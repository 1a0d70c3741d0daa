"""The command that measures a report again is one: the command line reads it as what the report was measured with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer

from probekit.cli.app import app
from probekit.cli.opened import KINDS
from probekit.report.page.commands import reproduction
from probekit.report.page.recipes import RECIPES, Recipe

NAMES = {
    "{parts}": ("heads", "units", "layers", "dims"),
    "{method}": ("pca", "tsne", "umap"),
    "{view}": ("analogy", "word-similarity"),
    "{questions}": ("my questions.txt",),
}
"""What a placeholder of a command may stand for."""
COMMANDS = [
    (stage, dict(zip(holders, names, strict=True)))
    for stage, recipe in sorted(RECIPES.items())
    for holders in [[word for word in recipe.words if word in NAMES]]
    for names in product(*(NAMES[word] for word in holders))
]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words name, and what it is told."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def planted(parameter: Any) -> Any:
    """Return a value of an option that is not its default, as a report records it."""
    if parameter.is_flag:
        return True
    kind = parameter.type_descriptor.annotation
    for one in (int, float):
        if kind in (one, one | None):
            return one(parameter.max if parameter.max is not None else 7)
    return ["one two", "b=c"] if parameter.multiple else "a value"


def options_of(recipe: Recipe) -> Mapping[str, str]:
    """Return the options of a recipe by the setting that each has."""
    pairs = (given.removeprefix("?").partition(">") for given in recipe.options)
    return {setting: other or setting.replace("_", "-") for setting, _, other in pairs}


def test_every_stage_has_a_command() -> None:
    assert set(KINDS) <= set(RECIPES)
    assert {"probe", "tune"} <= set(RECIPES)


@pytest.mark.parametrize(("stage", "names"), COMMANDS)
def test_a_command_is_read_as_what_was_measured(stage: str, names: Mapping[str, str]) -> None:
    recipe = RECIPES[stage]
    words = [names.get(word, word) for word in recipe.words]
    command, _ = command_of(words)
    known = {option.removeprefix("--"): each for each in command.params for option in each.opts}
    settings: dict[str, Any] = {word[1:-1]: name for word, name in names.items()}
    # Some options are of some commands alone.
    options = {
        setting: option for setting, option in options_of(recipe).items()
        if option in known or f"?{setting}" not in recipe.options
    }  # fmt: skip
    settings |= {setting: planted(known[option]) for setting, option in options.items()}
    provenance = {
        "task": "my task", "model": {"name": "my model"}, "corpus": {"name": "my corpus"}, "cache": "/my cache",
        "settings": settings, "members": [{"folder": "/my run"}, {"folder": "/another"}],
        "caches": ["/my cache", "/another cache"],
    }  # fmt: skip
    again = reproduction(stage, provenance)
    assert again.command.startswith("probekit ")
    named, given = command_of(shlex.split(again.command)[1:])
    assert named.name == command.name
    told = command.make_context("again", given).params
    for setting, option in options.items():
        value = told[str(known[option].name)]
        wanted = settings[setting]
        value = list(value) if known[option].multiple else str(value) if isinstance(value, Path) else value
        assert value == wanted, option
    said = set(map(str, told.values()))
    if recipe.on in ("model", "both", "tuned"):
        assert "my model" in said
    if recipe.on in ("both", "tuned"):
        assert "my corpus" in said
    if recipe.on in ("cache", "argument"):
        assert any("/my cache" in each for each in said)
    if recipe.on == "runs":
        assert any("/my run" in each and "/another" in each for each in said)
    if recipe.of in ("task", "argument", "metric"):
        assert any("my task" in each for each in said)
    # What was recorded is not said to be unknown.
    assert not [each for each in again.unknown if re.fullmatch(r"--[\w-]+", each)]


def test_values_are_written_as_the_command_line_takes_them() -> None:
    settings = {"prompt": "{text} is", "verbaliser": {"a": "good", "b": "bad"}, "calibrate": ["N/A", ""], "seed": 0}
    again = reproduction("behave", {"task": "x.csv", "model": "m", "settings": settings})
    assert "--prompt '{text} is' --verbaliser a=good --verbaliser b=bad --calibrate N/A --calibrate ''" in again.command
    static = {"view": "analogy", "questions": "q.txt", "model": "static:v.txt", "layers": [], "vocabulary": 9}
    assert reproduction("view-words", {"settings": static}).command == (
        "probekit view analogy q.txt --model static:v.txt --vocabulary 9"
    )
    layers = {"view": "word-similarity", "questions": "known", "model": None, "layers": [1, 2], "template": "{}"}
    assert reproduction("view-words", {"cache": "/c", "settings": layers}).command == (
        "probekit view word-similarity known --on /c --layers 1,2 --template '{}'"
    )
