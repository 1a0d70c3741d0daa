"""A planted language in a real cache: what each layer knows is known.

Layer 0 holds the form of each word, layer 1 its tag and some of its form, layer 2 its tag alone, faintly, ``final``
noise. Enters: a folder. Leaves: a cache and its examples. Surprise: forms are ambiguous, so that neither form nor
tag says the other.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from cache import planted

from probekit import ActivationCache
from probekit.corpus import Example

TAGS = ("DET", "NOUN", "VERB", "X")
FORMS, SENTENCES = 60, 700
SHARES = {0: (1.6, 0.0), 1: (0.7, 0.35), 2: (0.0, 0.25), "final": (0.0, 0.0)}
"""How loud form and tag are in each layer, beside noise of size 1."""
SPLITS = ("train", "train", "train", "dev", "test")


class Language:
    """As much of a Corpus as the cache asks for."""

    source = None
    licence = ""
    split_rule = "column 'split'"
    remarks: tuple[str, ...] = ()
    name = "planted-language"

    def __init__(self) -> None:
        self.notes = SimpleNamespace(counts={}, places={})
        rng = np.random.default_rng(0)
        habits = rng.dirichlet([0.4, 0.8, 0.6, 0.1], size=FORMS)
        chances = 1 / np.arange(2, FORMS + 2)
        self.examples = []
        for number in range(SENTENCES):
            forms = rng.choice(FORMS, size=rng.integers(4, 12), p=chances / chances.sum())
            tags = [TAGS[rng.choice(4, p=habits[form])] for form in forms]
            self.examples.append(
                Example(
                    f"s{number}",
                    tuple(f"w{form}" for form in forms),
                    annotations={"upos": tuple(tags)},
                    split=SPLITS[number % 5],
                    group=f"d{number // 5}",
                )
            )

    def __iter__(self) -> Any:
        return iter(self.examples)

    def rows_of(self, example: Example, ordinal: int, *, dtype: str = "float32") -> dict[str, np.ndarray]:
        """A special token before and behind; words of one to three tokens."""
        fixed = np.random.default_rng(1)
        of_form, of_tag = (fixed.standard_normal((count, planted.WIDTH)) for count in (FORMS, len(TAGS)))
        rng = np.random.default_rng((2, ordinal))
        forms = [int(word[1:]) for word in example.words]
        words = np.array([-1, *(place for place, form in enumerate(forms) for _ in range(1 + form % 3)), -1], np.int32)
        inside = words >= 0
        form = np.array(forms)[words] * inside
        tag = np.array([TAGS.index(tag) for tag in self.examples[ordinal].annotations["upos"]])[words]
        arrays = {
            "index.example": np.full(len(words), ordinal, np.int32),
            "index.word": words,
            "index.token": (form * 3).astype(np.int32),
        }
        for layer, (loud_form, loud_tag) in SHARES.items():
            signal = (loud_form * of_form[form] + loud_tag * of_tag[tag]) * inside[:, None]
            noise = rng.standard_normal((len(words), planted.WIDTH))
            arrays[planted.tensor_name(layer)] = (3 + 2 * (signal + noise)).astype(dtype)
        return arrays


def planted_language(root: Path) -> tuple[ActivationCache, list[Example]]:
    """Write the cache as an extraction would, and open it."""
    language = Language()
    identity_of = planted.identity_of
    with (
        mock.patch.object(planted, "identity_of", lambda staged: identity_of(staged) | {"store": "float32"}),
        mock.patch.object(planted, "rows_of", language.rows_of),
        mock.patch.object(planted, "SHARD_WORDS", 3000),
    ):
        folder = planted.extract(root, language)  # type: ignore[arg-type]
    return ActivationCache.open(folder), language.examples
