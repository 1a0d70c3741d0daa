"""Log-probability of every token of a cache: a column beside its layers.

Enters: a complete cache, and the model with its head. Leaves: :class:`TokenScores`, a number a row. The texts are those
that the model read for the layers; their scores are kept in the folder of caches (``scores/``), one file a model and
convention, so that the second call reads them. The folder of the cache stays as it was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.behaviour.scoring.readings import Reading
from probekit.cache.index import CacheIndex
from probekit.cache.keep import need_tokens
from probekit.cache.reader import ActivationCache
from probekit.corpus.notes import list_names
from probekit.devices import DeviceMap
from probekit.errors import UsageError
from probekit.models.sources.find import find_model

if TYPE_CHECKING:
    import pandas as pd

    from probekit.example import Example

AT_ONCE = 2048
"""Examples whose texts are scored together: beginnings are shared among them, and memory is theirs."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What a model says of each row of a cache.

    Attributes
    ----------
    logprob : float64 array [rows]
        Nats; NaN of special tokens, of a token with nothing before it, and of examples in `notes`.
    example, word : int32 arrays [rows]
        Those of the cache: a mask or a group-by aligns scores with layers and with labels.
    method, conventions : str
        How it was scored.
    kept : Path
        The file of the kept scores.
    notes : tuple of str
        What was left out, and why.
    """

    logprob: NDArray[np.float64]
    example: NDArray[np.int32]
    word: NDArray[np.int32]
    method: str
    conventions: str
    kept: Path
    notes: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One line a word: ``example``, ``word`` (ordinals), ``logprob`` (its sum), ``tokens``; NaN if one lacks."""
        import pandas as pd

        inside = self.word >= 0
        rows = pd.DataFrame({name: getattr(self, name)[inside] for name in ("example", "word", "logprob")})
        words = rows.groupby(["example", "word"], sort=True)["logprob"]
        found = words.agg(logprob=lambda values: values.sum(skipna=False), tokens="size")
        return found.reset_index()

    def to_json(self) -> dict[str, Any]:
        """Return what ``extract --json`` says of them."""
        return {
            "rows": len(self.logprob),
            "scored": int(np.isfinite(self.logprob).sum()),
            "method": self.method,
            "conventions": self.conventions,
            "kept": str(self.kept),
            "notes": list(self.notes),
        }


def score_tokens(
    cache: ActivationCache | str | os.PathLike[str],
    model: str | os.PathLike[str],
    *,
    score: str = "auto",
    begin: str = "auto",
    device: str | DeviceMap = "auto",
    batch_tokens: int | None = None,
    revision: str | None = None,
    progress: Progress | None = None,
) -> TokenScores:
    """Score every token of a cache under its model's own head.

    Parameters
    ----------
    cache : ActivationCache or path
        Complete, of a causal or a masked model.
    model : str or path
        The one the cache was made by, with its head.
    score, begin, device, batch_tokens, revision
        As of :func:`~probekit.behave`; the precision is that of the cache.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    TokenScores

    Raises
    ------
    UsageError
        The model has no such head, or is not the cache's.
    CacheError, ResourceError, NetworkError
    """
    opened = cache if isinstance(cache, ActivationCache) else ActivationCache.open(cache)
    if opened.stacks != ("",):
        raise UsageError(
            f"{opened.path} is of an encoder-decoder, which scores a text given another. Score pairs of them with "
            "probekit behave."
        )
    need_tokens(opened, "A log-probability of every token")
    progress = None if progress is None else plain.called(progress, "progress")
    name = str(plain.location(model, "model", "the name or the folder of a model"))
    source = find_model(name, revision=revision)
    spec = ScoringSpec(score, begin, "auto", opened.identity["dtype"], device, batch_tokens)
    with Session(source, spec, root=opened.path.parent) as session:
        _check_model(opened, session)
        index = opened.index()
        rows = _Rows(index, session)
        total, done = opened.corpus["examples"], 0
        examples = opened.examples()
        while part := list(islice(examples, AT_ONCE)):
            told = _share(progress, done / total, len(part) / total)
            rows.fill(session, [_text(example, opened.identity["input"]) for example in part], part, told)
            done += len(part)
        assert session.store is not None
        notes = (*session.notes, *rows.notes())
        return TokenScores(
            rows.logprob, index.example, index.word, session.method, session.ends.said, session.store.path, notes
        )


class _Rows:
    """Puts scores where the rows of the cache are."""

    def __init__(self, index: CacheIndex, session: Session) -> None:
        self.token = index.token
        self.logprob = np.full(len(index.token), np.nan)
        # In a shard longer examples stand first; the rows of one keep their order.
        self.order = np.argsort(index.example, kind="stable")
        numbers = np.arange(int(index.example.max(initial=-1)) + 2)
        self.starts = np.searchsorted(index.example, numbers, sorter=self.order)
        self.around = len(session.backend.prefix), len(session.backend.suffix)
        self.limit = session.limit
        self.long: list[str] = []
        self.other: list[str] = []
        self.example = 0

    def fill(self, session: Session, texts: Sequence[str], examples: Sequence[Example], told: Any) -> None:
        readings, places = [], []
        for reading, example in zip(session.read(texts), examples, strict=True):
            place = self._place(reading)
            if not session.fits(reading):
                self.long.append(example.id)
            elif place is None:
                self.other.append(example.id)
            elif reading.last:
                readings.append(reading)
                places.append(place)
            self.example += 1
        for place, scores in zip(places, session.score(readings, told), strict=True):
            self.logprob[place] = scores.logprob

    def _place(self, reading: Reading) -> NDArray[np.int64] | None:
        """Return the rows of the next example's text, if they are of the tokens that are scored."""
        start = int(self.starts[self.example]) + self.around[0]
        stop = int(self.starts[self.example + 1]) - self.around[1]
        rows = self.order[start:stop]
        return rows if np.array_equal(self.token[rows], reading.ids) else None

    def notes(self) -> list[str]:
        said = []
        for names, why in (
            (self.long, f"longer, with what stands around them, than the {self.limit} tokens that the model reads"),
            (self.other, "whose rows in the cache are other tokens (cut, or in windows)"),
        ):
            if names:
                said.append(f"{len(names):,} examples without scores, {why}: {list_names(names)}.")
        return said


def _text(example: Example, how: str) -> str:
    """Return what the model read for the layers."""
    return example.text if how == "text" and example.text is not None else " ".join(example.words)


def _check_model(cache: ActivationCache, session: Session) -> None:
    if cache.identity["input"] == "chat":
        raise UsageError(
            f"{cache.path.name} holds chats, whose tokens are mostly their template's: they are not scored as texts. "
            "Extract without --chat to score the words of the messages."
        )
    if cache.identity.get("edits"):
        raise UsageError(
            f"{cache.path} is of a model that was edited while it read, and would be scored without the edits. Name a "
            "cache without edits."
        )
    now, before = session.identity()["model"], cache.model
    for part in ("weights", "tokenizer"):
        if now[part] != before[part]:
            raise UsageError(
                f"{cache.path} was made by '{before['name']}' with other {part} than those of '{now['name']}'. Name "
                "the model that it was made by, or extract again."
            )


def _share(progress: Progress | None, before: float, part: float) -> Progress | None:
    if progress is None:
        return None
    return lambda done, note: progress(before + done * part, note)
