"""The last token before the answer: of a chat the one after which the assistant's last message begins.

Where the last message is not the assistant's, and of a text that is no chat, all of it is the prompt. An encoder has
read the answer there too; a causal model has not.
"""

from __future__ import annotations

from probekit.example import Example
from probekit.tasks.positions import Found, Position
from probekit.tasks.positions._messages import answer


def find(example: Example, option: str) -> Found:
    """Return the words before the answer."""
    said = answer(example)
    if said is None:
        return 0, len(example.words)
    return (0, said.start) if said.start else "no word before the answer"


POSITION = Position("last-prompt", find, "the last token before the answer", closing=True)
