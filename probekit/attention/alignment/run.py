"""Attention of an encoder-decoder as word alignment: :func:`align`.

Enters: sentence pairs with links drawn by people, and a model. Leaves: an :class:`AlignmentReport`: the error rate of
the head that half of the pairs chose on the other half, of each block's mean, of the diagonal, and of random weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit import plain
from probekit.attention.alignment.links import counts_of, diagonal, halves_of, numbered
from probekit.attention.alignment.pairs import AlignedPair, read_aligned
from probekit.attention.alignment.report import RATE, STAGE, AlignmentReport
from probekit.attention.alignment.rows import Halves, measured
from probekit.attention.alignment.ways import Progress, Way, aligned, grid_of
from probekit.errors import InputError, UsageError
from probekit.report import Measurement

if TYPE_CHECKING:
    from probekit.models.runtime.cross_attention import Crossed
    from probekit.models.sources.load import LoadedModel

FEWEST_PAIRS = 4
"""Two choose and two are shown, at least."""


def align(
    corpus: str | os.PathLike[str],
    model: str | os.PathLike[str],
    *,
    limit: int | None = None,
    first_word: int = 1,
    languages: Sequence[str] | None = None,
    prefix: str = "",
    grids: int = 20,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> AlignmentReport:
    """Align words by the attention of a decoder over its encoder, and score it against links drawn by people.

    Every word of the target is linked with the word of the source at which a head looks most, in the row that reads it
    or in that which predicts it. The decoder reads the true target.

    Parameters
    ----------
    corpus : path
        ``NAME.src-tgt``, with ``NAME.gold`` beside it.
    model : str or path
        An encoder-decoder with its head.
    limit : int, optional
        Use the first so many pairs alone.
    first_word : {1, 0}
        The number that the links give to the first word of a sentence.
    languages : (str, str), optional
        Codes of source and target, of a tokenizer that writes them around a text (mBART, M2M-100).
    prefix : str
        What the model reads before every source, of which no word is linked (``translate English to German:``).
    grids : int
        Of how many shown pairs the weights between words are kept, to look at.
    device : {"auto", "cpu", "cuda", "mps"}
    seed : int
        Of the halves, the random weights and the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    AlignmentReport

    Raises
    ------
    UsageError, InputError

    References
    ----------
    Och & Ney 2003, https://aclanthology.org/J03-1002; Chen et al. 2020, https://arxiv.org/abs/2004.14837 (rows that
    read a word align better than rows that predict it)
    """
    from probekit.models.runtime.cross_attention import cross_attention
    from probekit.models.sources.find import find_model, shadowing_note
    from probekit.models.sources.headed import check_head, load_with_head

    path, seed = plain.path(corpus, "corpus"), plain.whole(seed, "seed", least=0)
    first_word = plain.whole(first_word, "first_word", least=0, most=1)
    grids, reading = plain.whole(grids, "grids", least=0), _reading(languages, prefix)
    limit = None if limit is None else plain.whole(limit, "limit", least=FEWEST_PAIRS)
    pairs, lost, total = read_aligned(path, first_word=first_word, limit=limit)
    source = find_model(str(model))
    if (head := check_head(source, "auto")) != "seq2seq":
        raise UsageError(
            f"The model '{source.name}' has no attention of a decoder over an encoder, which is what aligns words. "
            "Use an encoder-decoder."
        )

    def crossed(loaded: LoadedModel, places: Sequence[int]) -> Iterator[Crossed | None]:
        return cross_attention(loaded, [(pairs[place].source, pairs[place].target) for place in places], **reading)

    every = range(len(pairs))
    loaded = load_with_head(source, head, device=device, attention="eager")
    own = aligned(crossed(loaded, every), pairs, _part(progress, 0))
    halves = _halves(own.read, pairs, seed, f"{path}: '{source.name}'")
    shown, chosen = halves.test[:grids], own.ways[own.best(halves.dev)]
    ways = (chosen, Way(chosen.block, None, chosen.rows), Way(0, None, chosen.rows))
    drawn = [
        grid_of(place + 1, pairs[place], seen, ways)
        for place, seen in zip(shown, crossed(loaded, shown), strict=True)
        if seen is not None
    ]
    loaded = load_with_head(source, head, device=device, random_weights=seed, attention="eager")
    untrained = aligned(crossed(loaded, every), pairs, _part(progress, 1))
    level = np.stack([counts_of(diagonal(len(pair.source), len(pair.target)), pair) for pair in pairs])
    rows = measured(own, untrained, level, halves, _blank(path.name, source.name, seed))
    left = len(pairs) - int(own.read.sum())
    notes = [
        f"The head, and whether rows read or predict, are chosen on {len(halves.dev):,} pairs and shown on "
        f"{len(halves.test):,}; random weights choose a head of their own.",
        "The decoder reads the true target, shifted as the model shifts its labels.",
        *([f"Only the first {len(pairs):,} of {total:,} pairs are read."] if len(pairs) < total else []),
        *([f"{lost:,} links that run past the end of a sentence are left out."] if lost else []),
        *([f"{left:,} pairs are left out: a side without a token, or longer than the model."] if left else []),
        *shadowing_note(str(model)),
    ]
    provenance = {
        "task": STAGE,
        "model": {"name": source.name, **source.digests()},
        "corpus": {"name": path.name},
        "settings": {
            "limit": limit, "first_word": first_word, "languages": languages and list(languages), "prefix": prefix,
            "grids": grids, "seed": seed, "device": str(loaded.device), "dtype": str(loaded.dtype),
        },
        "references": ["Och & Ney 2003", "Chen et al. 2020"],
        "ways": [_said(way) for way in ways],
        "grids": drawn,
        "notes": notes,
    }  # fmt: skip
    return AlignmentReport(tuple(rows), provenance)


def _reading(languages: Sequence[str] | None, prefix: str) -> dict[str, Any]:
    """Return how the model reads a pair, as :func:`cross_attention` takes it.

    Raises
    ------
    UsageError
        Languages are not two codes.
    """
    prefixed = plain.text(prefix, "prefix").split()
    if languages is None:
        return {"languages": None, "prefix": prefixed}
    wanted = "two codes, of source and target, like en_XX,ro_RO"
    codes = [plain.text(code, "languages", wanted) for code in plain.listed(languages, "languages", wanted)]
    if len(codes) != 2:
        raise plain.refused("languages", wanted, languages)
    return {"languages": tuple(codes), "prefix": prefixed}


def _said(way: Way) -> str:
    return f"{way.named} of block {way.block}" if way.block else way.named


def _part(progress: Progress | None, turn: int) -> Callable[[float, str], object] | None:
    return None if progress is None else lambda done, note: progress((turn + done) / 2, note)


def _halves(read: Any, pairs: list[AlignedPair], seed: int, what: str) -> Halves:
    """Return the halves of the pairs that were read.

    Raises
    ------
    InputError
        Too few pairs that differ.
    """
    kept = np.flatnonzero(read)
    units = numbered([pairs[place] for place in kept])
    if len(set(units.tolist())) < FEWEST_PAIRS:
        raise InputError(f"{what} can read only {len(set(units.tolist())):,} pairs that differ. Give {FEWEST_PAIRS}.")
    dev, test = halves_of(units, seed)
    return Halves(kept[dev].tolist(), kept[test].tolist(), np.unique(units[test], return_inverse=True)[1])


def _blank(corpus: str, model: str, seed: int) -> Measurement:
    return Measurement(
        stage=STAGE, task=STAGE, model=model, corpus=corpus, split="test", layer=None, method="", role="estimator",
        metric=RATE, value=None, unit="sentence", seed=seed,
    )  # fmt: skip
