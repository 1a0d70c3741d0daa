"""Sentences of the built-in language with every annotation that any reader gives, in that reader's form.

The values are drawn from the words, so that a task finds several labels; they mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from probekit.example import Example, Span
from probekit.tasks import load_catalogue

PARSED = ("lemma", "upos", "xpos", "feats", "head", "deprel")
"""Annotations of every treebank."""

PROPERTIES = load_catalogue()["genericity"].choices
ROLES = load_catalogue()["proto-role"].choices


def rich(example: Example) -> Example:
    """Add to a parsed sentence what only other corpora carry."""
    words, n = example.words, len(example.words)
    size = [len(word) for word in words]
    tags: dict[str, Any] = {
        name: tuple(f"{name}-{length % 3}" for length in size) for name in ("ccg", "chunk", "ner", "semtag")
    }
    tags["supersense"] = tuple((f"n.{length % 2}", f"v.{length % 2}", f"p.{length % 2}")[length % 3] for length in size)
    tags["function"] = tuple(f"p.f{length % 2}" for length in size)
    tags["factuality"] = tuple(length / 7 for length in size)
    tags["genericity"] = tuple(MappingProxyType(dict.fromkeys(PROPERTIES, length / 5)) for length in size)
    found = dict.fromkeys(ROLES, n / 3)
    tags["protoroles"] = tuple(((((i + 1) % n), MappingProxyType(found)),) if i + 1 < n else () for i in range(n))
    tags["roles"] = example.annotations.get("roles", ((),) * n)
    for name in ("coherence", "order", "place", "section", "relation"):
        tags[name] = f"{name}-{n % 3}"
    half = max(1, n // 2)
    whole = (Span(0, half, "a"), Span(half, n, "b")) if n > 1 else (Span(0, n, "a"),)
    spans = {
        "constituents": example.spans.get("constituents", (Span(0, n, "S"),)),
        "entities": whole,
        "mentions": tuple(Span(i, i + 1, f"e{i % 2}") for i in range(n)),
        "sentences": whole,
        "e1": (Span(0, 1, "e1"),) if n > 1 else (),
        "e2": (Span(n - 1, n, "e2"),) if n > 1 else (),
        "pronoun": (Span(n - 1, n, "pronoun"),) if n > 1 else (),
        "candidates": (Span(0, 1, "same"), Span(0, half, "other")) if n > 1 else (),
    }
    return with_notes(example, {**example.annotations, **tags}, spans)


def with_notes(example: Example, annotations: Mapping[str, Any], spans: Mapping[str, tuple[Span, ...]]) -> Example:
    """Return the example with other annotations and spans."""
    return Example(example.id, example.words, example.text, annotations, spans, example.group, example.split)


def bare(example: Example) -> Example:
    """Return the same sentence without a single value of its annotations (as ``_`` leaves them)."""
    nothing: dict[str, Any] = {}
    for name, column in example.annotations.items():
        nothing[name] = (None,) * len(example.words) if isinstance(column, tuple) else None
    nothing["feats"] = (MappingProxyType({}),) * len(example.words)
    return with_notes(example, nothing, dict.fromkeys(example.spans, ()))


def columns(example: Example) -> Iterator[tuple[str, str]]:
    """Yield every annotation as text, to be compared."""
    for name, values in [*example.annotations.items(), *example.spans.items()]:
        yield name, str(values)
