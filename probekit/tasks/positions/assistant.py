"""The words of the answer: the assistant's last message, where a chat ends with one."""

from __future__ import annotations

from probekit.example import Example
from probekit.tasks.positions import Found, Position
from probekit.tasks.positions._messages import answer


def find(example: Example, option: str) -> Found:
    """Return the words of the answer."""
    said = answer(example)
    return "no answer of the assistant at its end" if said is None else (said.start, said.stop)


POSITION = Position("assistant", find, "the words of the assistant's answer")
