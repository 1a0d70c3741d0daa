"""Every fault that probekit must survive has a test that injects it, and says so in its name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
FAULTS = 30
"""Kills, full disks, damage, concurrency, hostile files, bad input and bad numbers, numbered once and for all."""


def named() -> set[int]:
    """The numbers in the names ``test_fault_<number>[_<number>]_...`` of all test functions."""
    found: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (numbers := re.match(r"test_fault((?:_\d\d)+)_", node.name)):
                found |= {int(number) for number in numbers[1].strip("_").split("_")}
    return found


def test_every_fault_has_a_test() -> None:
    assert named() == set(range(1, FAULTS + 1))
