"""What positions know of chats: the words of the last answer."""

from __future__ import annotations

from probekit.example import Example, Span


def answer(example: Example) -> Span | None:
    """Return the words of the last message, if it is the assistant's."""
    messages = example.spans.get("messages", ())
    return messages[-1] if messages and messages[-1].label == "assistant" else None
