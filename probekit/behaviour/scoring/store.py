"""Kept scores: a text that was scored under a model and a convention is not scored again.

Enters: what decides scores besides the text (digest of the weights, convention), and scores as they are made. Leaves:
a JSONL file that grows, ``<root>/scores/<model>--<key12>.jsonl``, its first line what it is of, then a line a text. A
line is written behind the last whole one: what a killed run left half written at the end is cut off by the next, which
says so. One process writes at a time; a second one reads what there is and keeps nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from probekit.behaviour.scoring.readings import Reading, Scores
from probekit.cache.location import cache_root, slug
from probekit.errors import CacheError
from probekit.storage.files import CACHE_OPTIONS, disk_errors, lock, open_regular
from probekit.storage.strict import canonical, decode, dump

FORMAT = 1
FOLDER = "scores"
OPTIONS = f"{CACHE_OPTIONS}, or keep none with --no-keep"
AT_ONCE = 256
"""Lines that are written together."""

Key = tuple[str, str, int, int]


class ScoreStore:
    """Scores on disk, of one model under one convention.

    Attributes
    ----------
    path : Path
    notes : list of str
        What must be said of it.
    """

    def __init__(
        self, path: Path, kept: dict[Key, Mapping[str, Any]], descriptor: int | None, notes: list[str]
    ) -> None:
        self.path, self.notes = path, notes
        self._kept, self._fd = kept, descriptor
        self._waiting: list[str] = []

    @classmethod
    def open(cls, root: Any, identity: Mapping[str, Any]) -> ScoreStore:
        """Open the scores of a model, or begin them.

        Raises
        ------
        CacheError
            The file is damaged, or of something else.
        ResourceError
            It cannot be written.
        """
        key = hashlib.sha256(canonical({"format": FORMAT, **identity})).hexdigest()
        folder = cache_root(root) / FOLDER
        path = folder / f"{slug(identity['model']['name'])}--{key[:12]}.jsonl"
        head = dump({"schema": f"probekit.scores/{FORMAT}", "key": key, **identity}) + "\n"
        with disk_errors(folder, "kept scores", put="them", options=OPTIONS):
            folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            if not lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
                os.close(fd)
                kept, _, _ = _read(path, head)
                return cls(path, kept, None, [f"Another process writes {path}: what is scored now is not kept."])
            try:
                kept, whole, size = _read(path, head)
                notes = []
                if whole == 0:
                    os.ftruncate(fd, 0)
                    os.pwrite(fd, head.encode(), 0)
                elif whole < size:
                    os.ftruncate(fd, whole)
                    notes.append(
                        f"{path}: the last line was cut short, by a run that was killed; its text is scored again."
                    )
            except BaseException:
                os.close(fd)
                raise
        return cls(path, kept, fd, notes)

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, reading: Reading) -> Scores | None:
        """Return the scores of a reading, if they are kept."""
        line = self._kept.get(reading.key)
        if line is None:
            return None
        if line["ids"] != reading.ids.tolist():
            raise CacheError(
                f"{self.path} is damaged: its tokens of '{reading.text[:60]}' are others. Remove the file."
            )
        logprob = np.array([math.nan if value is None else value for value in line["logprob"]], np.float64)
        best = np.array([char == "1" for char in line["best"]], bool)
        return Scores(reading, logprob, best, line["end"])

    def add(self, scores: Scores) -> None:
        """Keep scores."""
        if self._fd is None:
            return
        text, source, first, last = scores.reading.key
        values = [None if math.isnan(value) else value for value in scores.logprob.tolist()]
        line = {
            "text": text,
            "source": source,
            "span": [first, last],
            "ids": scores.reading.ids.tolist(),
            "logprob": values,
            "best": "".join("1" if likeliest else "0" for likeliest in scores.best),
            "end": scores.end,
        }
        self._waiting.append(dump(line) + "\n")
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._fd is None or not self._waiting:
            return
        data, self._waiting = "".join(self._waiting).encode(), []
        with disk_errors(self.path.parent, "kept scores", needed=len(data), put="them", options=OPTIONS):
            os.lseek(self._fd, 0, os.SEEK_END)
            while data:
                data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Write what waits and let others write."""
        if self._fd is not None:
            try:
                self.flush()
            finally:
                os.close(self._fd)
                self._fd = None


def _read(path: Path, head: str) -> tuple[dict[Key, Mapping[str, Any]], int, int]:
    """Return the lines of a file by their text, the bytes of its whole lines, and all its bytes."""
    fd = open_regular(path)
    with os.fdopen(fd, "rb") as stream:
        data = stream.read()
    whole = data.rfind(b"\n") + 1
    if whole == 0:
        return {}, 0, len(data)
    lines = data[:whole].split(b"\n")[:-1]
    if lines[0] != head.encode().rstrip(b"\n"):
        raise CacheError(f"{path}:1: these are scores of something else, or damaged. Move the file away.")
    kept: dict[Key, Mapping[str, Any]] = {}
    for number, raw in enumerate(lines[1:], start=2):
        try:
            line = decode(raw.decode("utf-8"))
            if not (len(line["ids"]) == len(line["logprob"]) == len(line["best"])):
                raise ValueError("its lists differ in length")
            kept[(line["text"], line["source"], *line["span"])] = line
        except (ValueError, KeyError, TypeError) as error:
            raise CacheError(
                f"{path}:{number} is damaged ({error}). Move the file away; its texts are scored again."
            ) from None
    return kept, whole, len(data)
