"""From a cache with attention weights to the picture of one sentence: :func:`view_attention`.

Enters: a cache, a sentence, heads. Leaves: an :class:`~probekit.viewing.attention.report.AttentionMap`. Pieces of
a word are merged as everywhere: what goes to them adds up, what they take is their mean. A special token stands by
itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import __version__, plain
from probekit.attention.reading import heads_of
from probekit.attention.source import special_names
from probekit.attention.words import Floats, word_attention
from probekit.cache.format.names import model_name
from probekit.cache.reader import ActivationCache
from probekit.errors import InputError
from probekit.example import Example
from probekit.probing.cache_selection import open_cache
from probekit.report import LayerReport, Measurement
from probekit.viewing.attention.choosing import Head, choose_heads, choose_stack, find_sentence
from probekit.viewing.attention.report import STAGE, AttentionMap

DIGITS = 6


def view_attention(
    on: str | os.PathLike[str] | ActivationCache | LayerReport | None = None,
    *,
    sentence: int | str = 0,
    layers: str | int | Iterable[int | str] = "all",
    heads: str | Iterable[str] | None = None,
    special: bool = False,
    stack: str | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> AttentionMap:
    """Read what the heads of a model give from word to word in one sentence.

    Parameters
    ----------
    on : path, ActivationCache, Extraction or LayerReport, optional
        A cache with attention weights (``extract --sites weights``); by default the newest complete one.
    sentence : int or str
        Its number in the corpus, from 0, or its id.
    layers : "all", str, int or iterable
        Blocks whose heads are shown, from 1.
    heads : str or iterable of str, optional
        Heads, block and number: ``3-8,3-0``; instead of `layers`.
    special : bool
        Show special tokens beside the words; else how much goes to them is said.
    stack : {"encoder", "decoder"}, optional
        Of an encoder-decoder; by default the first whose weights are kept.
    cache : path, optional
        Folder of caches.

    Returns
    -------
    AttentionMap

    Raises
    ------
    UsageError
        The cache holds no attention weights, or no such sentence or head.
    InputError
        No token covers a word of the sentence.
    CacheError

    References
    ----------
    Clark et al. 2019, https://arxiv.org/abs/1906.04341, section 4.1; Vig 2019, https://arxiv.org/abs/1906.05714
    """
    shown = plain.flag(special, "special")
    opened = open_cache(on, None, None, cache)
    chosen = choose_stack(opened, stack)
    wanted = choose_heads(opened, chosen, layers=layers, heads=heads)
    ordinal, example = find_sentence(opened, sentence)
    views = {site: opened.attention(site.place, chosen) for site, _ in wanted}
    index, rows = opened.index(chosen), next(iter(views.values())).rows(ordinal)
    units, firsts = units_of_tokens(index.word[rows])
    words = index.word[rows][firsts]  # of each unit; -1: a special token
    if not (words >= 0).any():
        raise InputError(f"No token covers a word of the sentence '{example.id}'. Name another.")
    tables = {
        site: word_attention(view[ordinal][[head for other, head in wanted if other == site]], units, len(firsts))
        for site, view in views.items()
    }
    weights = np.concatenate(list(tables.values()))  # [heads, units, units]
    names = special_names(opened) if (words < 0).any() else {}
    tokens = [int(token) for token in index.token[rows][firsts]]
    provenance = {
        "model": dict(opened.model),
        "corpus": dict(opened.corpus),
        "cache": str(opened.path),
        "settings": {
            "sentence": ordinal, "special": shown, "stack": chosen,
            "heads": None if wanted == heads_of(opened, chosen) else [f"{s.number}-{h}" for s, h in wanted],
            "reference": "Clark et al. 2019", "probekit": __version__,
        },
        "sentence": {"id": example.id, "split": example.split, "document": example.group},
        **_seen(example, wanted, weights, words, [names.get(token, f"token {token}") for token in tokens]),
        "notes": _notes(opened, example, words, names, [tokens[place] for place in np.flatnonzero(words < 0)]),
    }  # fmt: skip
    return AttentionMap(tuple(_rows(opened, example, wanted, weights, words)), provenance)


def _seen(
    example: Example, wanted: Sequence[Head], weights: Floats, words: NDArray[np.integer], special: Sequence[str]
) -> dict[str, Any]:
    """Return units and weights as they are written."""
    return {
        "units": [
            {"text": example.words[word] if word >= 0 else name, "word": int(word)}
            for word, name in zip(words.tolist(), special, strict=True)
        ],
        "weights": [
            {"layer": site.label, "head": head, "weights": np.round(matrix.astype(np.float64), DIGITS).tolist()}
            for (site, head), matrix in zip(wanted, weights, strict=True)
        ],
    }


def units_of_tokens(words: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the unit of each token, and the first token of each unit: a word, or a special token by itself.

    Parameters
    ----------
    words : int array [tokens]
        Word of each token; -1: a special one.

    Returns
    -------
    units : int64 array [tokens]
    firsts : int64 array [units]
    """
    # Special tokens get numbers of their own, behind those of words.
    apart = np.where(words >= 0, words, len(words) + int(words.max(initial=0)) + np.arange(len(words)))
    _, firsts, units = np.unique(apart, return_index=True, return_inverse=True)
    order = np.argsort(firsts, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[units], firsts[order].astype(np.int64)


def _rows(
    cache: ActivationCache, example: Example, wanted: Sequence[Head], weights: Floats, words: NDArray[np.integer]
) -> list[Measurement]:
    """Return of each head the share that the words give to special tokens."""
    blank = Measurement(
        stage=STAGE, task="sentence", model=model_name(cache.model), corpus=cache.corpus["name"],
        split=example.split or "", layer=None, method="", role="companion", metric="special", value=None,
        n=int((words >= 0).sum()), note="mean over words of what goes to special tokens",
    )  # fmt: skip
    shares = weights[:, words >= 0][:, :, words < 0].sum(axis=2).mean(axis=1)
    return [
        replace(blank, layer=site.label, method=f"head {head}", value=float(share))
        for (site, head), share in zip(wanted, shares, strict=True)
    ]


def _notes(
    cache: ActivationCache, example: Example, words: NDArray[np.integer], names: Any, special: list[int]
) -> list[str]:
    notes = []
    missing = [word for place, word in enumerate(example.words) if place not in set(words.tolist())]
    if missing:
        named = ", ".join(f"'{word}'" for word in missing[:20])
        notes.append(f"{len(missing):,} words that no token covers are left out: {named}.")
    if unknown := sorted(set(special) - set(names)):
        told = ", ".join(map(str, unknown))
        notes.append(f"Special tokens are called by their ids ({told}): the tokenizer is no more where it was read.")
    if len(cache.stacks) > 1:
        notes.append("The model has two stacks; the other one's heads are seen with --stack.")
    return notes
