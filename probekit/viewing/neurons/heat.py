"""Texts with each word shaded by what a neuron makes of it, as HTML for a browser and as text for a terminal.

Enters: a cache, a layer, a neuron. Leaves: :class:`Heat`. A word's value is the mean over its tokens, in standard
deviations over all words of the cache. Shades have a sign that needs no colour: one mark ``+`` or ``-`` for each whole
deviation, three at most.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from probekit import plain
from probekit.cache.keep import need_words
from probekit.cache.reader import ActivationCache
from probekit.errors import ResourceError, UsageError, did_you_mean
from probekit.sites import split_layer
from probekit.storage.files import replace_bytes

if TYPE_CHECKING:
    import pandas as pd

MOST = 3
"""Marks of a word, and deviations at which its shade is full."""
_RISE, _FALL = "0,114,178", "213,94,0"  # blue and vermilion of Okabe and Ito


@dataclass(frozen=True, slots=True)
class Heat:
    """A neuron over some texts.

    Attributes
    ----------
    title : str
    ids : tuple of str
        Of the examples.
    words : tuple of tuple of str
    values : tuple of tuple of float
        Of every word, in standard deviations; NaN of one that no token covers.
    """

    title: str
    ids: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    values: tuple[tuple[float, ...], ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One line a word: ``example``, ``place`` (from 0), ``word``, ``value``."""
        import pandas as pd

        lines = [
            (name, place, word, value)
            for name, words, values in zip(self.ids, self.words, self.values, strict=True)
            for place, (word, value) in enumerate(zip(words, values, strict=True))
        ]
        return pd.DataFrame(lines, columns=["example", "place", "word", "value"])

    def text(self) -> str:
        """Return the texts with marks behind their words."""
        lines = [self.title, "+ or -: each whole standard deviation above or below the mean, three at most", ""]
        for name, words, values in zip(self.ids, self.words, self.values, strict=True):
            shaded = (word + mark(value) for word, value in zip(words, values, strict=True))
            lines += [f"{name}: {' '.join(shaded)}"]
        return "\n".join(lines)

    def html(self) -> str:
        """Return one page that needs no network; words are escaped."""
        paragraphs = "\n".join(
            f"<p><b>{escape(name)}</b> {' '.join(map(_span, words, values))}</p>"
            for name, words, values in zip(self.ids, self.words, self.values, strict=True)
        )
        return _PAGE.format(title=escape(self.title), paragraphs=paragraphs, rise=_RISE, fall=_FALL)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        place = plain.path(path, "path")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_bytes(place, self.html().encode("utf-8", "replace"))
        except OSError as error:
            raise ResourceError(f"The page cannot be written to '{place}': {error.strerror}. Name another.") from error
        return place


def check_examples(cache: ActivationCache, names: Sequence[str]) -> dict[str, int]:
    """Return the number of every example by its id.

    Raises
    ------
    UsageError
        The cache has no example of one of the names.
    """
    number = {example.id: ordinal for ordinal, example in enumerate(cache.examples())}
    for name in names:
        if name not in number:
            raise UsageError(f"The cache has no example '{name}'.{did_you_mean(name, number)} Name one by its id.")
    return number


def heat(
    cache: ActivationCache | str | os.PathLike[str],
    layer: int | str,
    neuron: int,
    *,
    examples: Sequence[str] = (),
    most: int = 5,
) -> Heat:
    """Shade texts of a cache by a neuron.

    Parameters
    ----------
    cache : ActivationCache or path
    layer : int or str
        A layer or a place inside of a block, ``encoder:3`` of an encoder-decoder.
    neuron : int
    examples : sequence of str
        Ids; by default those with the highest and the lowest words, in turn.
    most : int
        How many, where none is named.

    Returns
    -------
    Heat

    Raises
    ------
    UsageError
        No such layer, neuron or example.
    """
    if not isinstance(cache, ActivationCache):
        cache = ActivationCache.open(cache)
    need_words(cache, "A heat of words")
    stack, place = split_layer(layer)
    view = cache.layer(place if place is not None else layer, stack)
    if not 0 <= neuron < view.shape[1]:
        raise UsageError(f"Neurons of {layer} are numbered 0 to {view.shape[1] - 1}. Got {neuron}.")
    index = cache.index(stack)
    tokens = np.concatenate([np.asarray(block[:, neuron], np.float64) for block in view.float_blocks()])
    inside = index.word >= 0
    # One number a word: example and word, tokens of a word averaged.
    keys = index.example[inside].astype(np.int64) * (1 << 32) + index.word[inside]
    found, of = np.unique(keys, return_inverse=True)
    means = np.bincount(of, weights=tokens[inside]) / np.bincount(of)
    spread = float(means.std())
    standard = (means - means.mean()) / (spread if spread > 0 else 1.0)
    ordinals, places = found >> 32, found & ((1 << 32) - 1)
    stored = list(cache.examples())
    number = check_examples(cache, examples)
    chosen = [number[name] for name in examples] or _peaks(ordinals, standard, most)
    values = []
    for ordinal in chosen:
        line = np.full(len(stored[ordinal].words), np.nan)
        here = ordinals == ordinal
        line[places[here]] = standard[here]
        values.append(tuple(line.tolist()))
    title = f"neuron {neuron} of layer {layer} in {cache.model['name']} on {cache.corpus['name']}"
    return Heat(title, tuple(stored[o].id for o in chosen), tuple(stored[o].words for o in chosen), tuple(values))


def mark(value: float) -> str:
    """Write a value as marks: ``++`` from 2 deviations up; nothing below 1."""
    steps = 0 if np.isnan(value) else min(MOST, int(abs(value)))
    return ("+" if value > 0 else "-") * steps


def _peaks(ordinals: np.ndarray, values: np.ndarray, most: int) -> list[int]:
    """Return examples with the highest and the lowest word in turn, each once."""
    up = ordinals[np.argsort(-values, kind="stable")]
    down = ordinals[np.argsort(values, kind="stable")]
    in_turn = (int(ordinal) for pair in zip(up, down, strict=True) for ordinal in pair)
    return list(dict.fromkeys(in_turn))[:most]


def _span(word: str, value: float) -> str:
    if np.isnan(value):
        return f'<span title="no token">{escape(word)}</span>'
    color = _RISE if value > 0 else _FALL
    shade = min(1.0, abs(value) / MOST) * 0.75
    marks = f"<sup>{mark(value)}</sup>" if mark(value) else ""
    return f'<span title="{value:+.2f}" style="background:rgba({color},{shade:.2f})">{escape(word)}{marks}</span>'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/1.8 sans-serif; max-width: 48em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }}
span {{ padding: 0 2px; border-radius: 3px }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>Each word is shaded by the neuron's value, in standard deviations over all words:
<span style="background:rgba({rise},0.75)">above<sup>+++</sup></span>
<span style="background:rgba({fall},0.75)">below<sup>---</sup></span>; marks count whole deviations, three at most.</p>
{paragraphs}
</body>
</html>
"""
