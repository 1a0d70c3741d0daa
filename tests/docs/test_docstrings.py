"""Whatever has a public name says what it is; what people import says everything about its parameters."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import probekit
import probekit.corpus
import probekit.report

PACKAGE = Path(probekit.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def exported() -> dict[str, Any]:
    """Every function and class of an ``__all__``, by its dotted name."""
    found = {}
    for module in (probekit, probekit.corpus, probekit.report):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                found[f"{module.__name__}.{name}"] = value
    return found


def methods(owner: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(owner).items():
        function = getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def callables() -> dict[str, Any]:
    """The exported functions, and the public methods of the exported classes."""
    found = {}
    for name, value in exported().items():
        if inspect.isfunction(value):
            found[name] = value
        else:
            found |= {f"{name}.{method}": function for method, function in methods(value)}
    return found


def sections(value: Any) -> dict[str, list[str]]:
    """The numpydoc sections of a docstring: the lines under each underlined title."""
    lines = inspect.cleandoc(value.__doc__ or "").split("\n")
    found: dict[str, list[str]] = {}
    title = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch("-{3,}", below):
            title = line
            found[title] = []
        elif title and not re.fullmatch("-{3,}", line):
            found[title].append(line)
    return found


def described(lines: list[str]) -> list[str]:
    """The names that a section describes, ``low, high : float`` being two."""
    heads = [line.partition(" : ")[0] for line in lines if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def test_the_exported_names_are_there() -> None:
    for name in probekit.__all__:
        assert getattr(probekit, name) is not None
    assert set(probekit.__all__) <= set(dir(probekit))
    for home in set(probekit._HOMES.values()):
        importlib.import_module(home)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_docstring_begins_with_one_sentence(path: Path) -> None:
    """One line that ends like a sentence, then a blank one: what lists of functions show."""
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        doc = ast.get_docstring(node)
        if doc is None:
            continue
        first, _, rest = doc.partition("\n")
        if not first.endswith((".", "?", "``")) or not first or (rest and not rest.startswith("\n")):
            wrong.append(f"{path.name}:{node.lineno} {node.name}: {first!r}")
    assert wrong == []


@pytest.mark.parametrize("name", exported())
def test_an_exported_name_has_a_docstring(name: str) -> None:
    value = exported()[name]
    assert value.__doc__
    if inspect.isclass(value):
        for method, function in methods(value):
            assert function.__doc__, f"{name}.{method}"


@pytest.mark.parametrize("name", ["extract", "probe", "open_corpus"])
def test_an_entry_point_says_what_goes_in_comes_out_and_is_raised(name: str) -> None:
    function = getattr(probekit, name)
    found = sections(function)
    assert described(found["Parameters"]) == parameters(function)
    assert found["Returns"]
    assert found["Raises"]


@pytest.mark.parametrize("name", callables())
def test_parameters_are_described_all_or_none(name: str) -> None:
    """A helper of one parameter may say all in its sentence; whoever lists parameters lists each."""
    function = callables()[name]
    found = sections(function)
    is_method = name.split(".")[-2][:1].isupper()
    if "Parameters" in found:
        assert described(found["Parameters"]) == parameters(function)
    elif not is_method:
        assert len(parameters(function)) < 2
    if "Parameters" in found and not is_method:
        assert inspect.signature(function).return_annotation in ("None", None) or {"Returns", "Yields"} & set(found)


@pytest.mark.parametrize("name", [name for name, value in exported().items() if dataclasses.is_dataclass(value)])
def test_fields_are_described(name: str) -> None:
    value = exported()[name]
    fields = [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
    found = sections(value)
    assert described([*found.get("Attributes", []), *found.get("Parameters", [])])[: len(fields)] == fields


def test_the_reading_of_docstrings_sees_what_is_missing() -> None:
    def documented(low: int, high: int, other: int) -> None:
        """Do it.

        Parameters
        ----------
        low, high : int
            Ends.

        Returns
        -------
        int
        """

    found = sections(documented)
    assert set(found) == {"Parameters", "Returns"}
    assert described(found["Parameters"]) == ["low", "high"] != parameters(documented)
