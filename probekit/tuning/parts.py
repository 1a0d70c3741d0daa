"""The parts of a plan: what is read, the head, the schedule, the rate and the loop.

Enters: plain values, of a file or of a caller. Leaves: frozen parts whose every field was checked when it was made.
Surprise: options of a schedule or a rate stand beside its name (``{"name": "gradual", "epochs_each": 1}``), those of a
head under ``options``, since heads of other packages may call an option what they like.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from probekit import plain
from probekit.errors import InputError, UsageError
from probekit.storage.files import digest_of
from probekit.tasks.positions import place_of
from probekit.tuning.checking import Option, depths, named, optional, options_of, read_part, real, sha256
from probekit.tuning.heads import POOLS

PRECISIONS = ("float32", "bfloat16")
MOST = {"epochs": 10_000, "seed": 2**63 - 1}
"""What is laid out before the first step, and what generators of random numbers take."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """The model that a plan is for.

    Attributes
    ----------
    name : str
    digest : str
        Of its weights.
    folder : str or None
        Where its files were when the plan was made, of a model that has one name everywhere None; no part of what makes
        two plans equal.
    """

    name: str
    digest: str
    folder: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", plain.text(self.name, "model.name"))
        object.__setattr__(self, "digest", named(self.digest, "model.digest"))
        object.__setattr__(self, "folder", optional(named, self.folder, "model.folder"))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "digest": self.digest, "folder": self.folder}


@dataclass(frozen=True, slots=True)
class ReportDigest:
    """The report that a plan was made from, as its JSON has it.

    Attributes
    ----------
    sha256 : str
    """

    sha256: str


@dataclass(frozen=True, slots=True)
class WordFile:
    """A file of word vectors, in the format of GloVe or word2vec.

    Attributes
    ----------
    file : str
        Its place.
    sha256 : str
        Of its bytes; another file is refused.
    """

    file: str
    sha256: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", named(self.file, "read.beside.file"))
        object.__setattr__(self, "sha256", sha256(self.sha256, "read.beside.sha256"))

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> WordFile:
        """Name a file that is there.

        Raises
        ------
        InputError
            It cannot be read.
        """
        place = plain.path(path, "read.beside").absolute()
        try:
            return cls(str(place), digest_of(place))
        except OSError as error:
            raise InputError(f"The word vectors '{place}' (read.beside) cannot be read: {error.strerror}.") from error

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"file": self.file, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Read:
    """What the head reads.

    Attributes
    ----------
    layers : tuple of int
        Raw outputs of blocks (0: embeddings), ascending.
    mix : tuple of float or None
        Where several layers are read, the weights at which their learned mix starts, adding up to 1; None: they stand
        one behind the other.
    pool : str
        How the tokens of a span become one vector.
    beside : WordFile or None
        Word vectors that stand behind the states of every word.
    at : str or None
        The position of every example that is read (:mod:`probekit.tasks.positions`); None: its targets.
    """

    layers: tuple[int, ...]
    mix: tuple[float, ...] | None = None
    pool: str = "mean"
    beside: WordFile | None = None
    at: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", depths(self.layers, "read.layers"))
        if not self.layers:
            raise plain.refused("read.layers", "one layer or more", [])
        object.__setattr__(self, "mix", optional(_weights, self.mix, "read.mix"))
        if self.mix is not None and len(self.mix) != len(self.layers):
            raise UsageError(
                f"The plan's read.mix has {len(self.mix)} weights for {len(self.layers)} layers (read.layers "
                f"{list(self.layers)}): give one a layer, or null for none."
            )
        object.__setattr__(self, "pool", plain.choice(self.pool, "read.pool", tuple(POOLS)))
        object.__setattr__(self, "beside", optional(_word_file, self.beside, "read.beside"))
        object.__setattr__(self, "at", optional(_position, self.at, "read.at"))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "layers": list(self.layers),
            "mix": None if self.mix is None else list(self.mix),
            "pool": self.pool,
            "beside": None if self.beside is None else self.beside.to_json(),
            **({} if self.at is None else {"at": self.at}),
        }


def _position(value: Any, name: str) -> str:
    return place_of(plain.text(value, name), name).name


def _word_file(value: Any, name: str) -> WordFile:
    return value if isinstance(value, WordFile) else read_part(WordFile, value, name)


def _weights(value: Any, name: str) -> tuple[float, ...]:
    wanted = "weights from 0 to 1 that add up to 1, one a layer, or null"
    found = tuple(real(one, name, "from 0 to 1", lambda x: 0 <= x <= 1) for one in plain.listed(value, name, wanted))
    if abs(sum(found) - 1) > 1e-3:
        raise plain.refused(name, wanted, list(found))
    return found


@dataclass(frozen=True, slots=True)
class HeadChoice:
    """The head, by its name in the catalogue.

    Attributes
    ----------
    name : str
    options : mapping
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", named(self.name, "head.name"))
        object.__setattr__(self, "options", options_of(self.options, "head.options"))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "options": dict(self.options)}


@dataclass(frozen=True, slots=True)
class ScheduleChoice:
    """When each depth trains, by the name of a schedule.

    Attributes
    ----------
    name : str
    options : mapping
        Of that schedule; in JSON beside the name.
    """

    name: str = "full"
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", named(self.name, "schedule.name"))
        object.__setattr__(self, "options", options_of(self.options, "schedule"))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, **self.options}


@dataclass(frozen=True, slots=True)
class RateChoice:
    """How hard training pulls: a shape over the steps, and its fall with depth.

    Attributes
    ----------
    name : str
        Of the shape.
    peak : float
        Of the highest block kept.
    head_peak : float or None
        Of what is new; None: as the highest block.
    depth_factor : float
        Each depth has so many times the rate of the one above it.
    options : mapping
        Of the shape; in JSON beside the name.
    """

    name: str
    peak: float
    head_peak: float | None = None
    depth_factor: float = 1.0
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", named(self.name, "rate.name"))
        object.__setattr__(self, "peak", _rate(self.peak, "rate.peak"))
        object.__setattr__(self, "head_peak", optional(_rate, self.head_peak, "rate.head_peak"))
        factor = real(self.depth_factor, "rate.depth_factor", "over 0 and at most 1", lambda x: 0 < x <= 1)
        object.__setattr__(self, "depth_factor", factor)
        object.__setattr__(self, "options", options_of(self.options, "rate"))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        own = {"name": self.name, "peak": self.peak, "head_peak": self.head_peak, "depth_factor": self.depth_factor}
        return {**own, **self.options}


def _rate(value: Any, name: str) -> float:
    return real(value, name, "over 0 and at most 1", lambda x: 0 < x <= 1)


@dataclass(frozen=True, slots=True)
class Loop:
    """How training runs.

    Attributes
    ----------
    epochs : int
    batch_tokens : int
        Tokens of a micro-batch, pads among them.
    accumulate : int
        Micro-batches a step.
    clip : float or None
        Greatest norm of a gradient; None: it is not clipped.
    patience : int or None
        Epochs without a better dev score before it stops; None: it never stops early.
    seed : int
    weight_decay : float
        Of the matrices; biases and norms have none.
    precision : {"float32", "bfloat16"}
    """

    epochs: int = 5
    batch_tokens: int = 1024
    accumulate: int = 1
    clip: float | None = 1.0
    patience: int | None = 3
    seed: int = 0
    weight_decay: float = 0.01
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_tokens", 1), ("accumulate", 1), ("seed", 0)):
            number = plain.whole(getattr(self, name), f"loop.{name}", least=least, most=MOST.get(name))
            object.__setattr__(self, name, number)
        object.__setattr__(self, "clip", optional(_positive, self.clip, "loop.clip"))
        object.__setattr__(self, "patience", optional(_some, self.patience, "loop.patience"))
        decay = real(self.weight_decay, "loop.weight_decay", "from 0 to 1", lambda x: 0 <= x <= 1)
        object.__setattr__(self, "weight_decay", decay)
        object.__setattr__(self, "precision", plain.choice(self.precision, "loop.precision", PRECISIONS))

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {own.name: getattr(self, own.name) for own in fields(self)}


def _positive(value: Any, name: str) -> float:
    return real(value, name, "over 0", lambda x: x > 0)


def _some(value: Any, name: str) -> int:
    return plain.whole(value, name, least=1)
