"""What a view of predictions was asked for, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from probekit import plain

LIMIT, MASKS, STEPS = 500, 4, 200


@dataclass(frozen=True, slots=True)
class LensSettings:
    """Options of :func:`~probekit.viewing.predictions.run.view_lens`, checked.

    Attributes
    ----------
    lenses : tuple of str
        What reads the layers.
    layers : str, int, or list of layers
    limit : int or None
        Sentences of each part, drawn by the seed; None: all.
    masks : int
        Tokens of a sentence that a masked model fills in, one at a time, drawn by the seed.
    sentence : int or None
        Number in the cache, from 0, of the one that is shown; None: the first of test that is used.
    device : str
    batch_tokens : int or None
        Of a pass of a masked model.
    steps : int
        Of the training of a lens that is fitted, at each rate.
    seed : int
    """

    lenses: tuple[str, ...] = ("logit",)
    layers: Any = "all"
    limit: int | None = LIMIT
    masks: int = MASKS
    sentence: int | None = None
    device: str = "auto"
    batch_tokens: int | None = None
    steps: int = STEPS
    seed: int = 0

    def __post_init__(self) -> None:
        self._set("lenses", plain.texts(self.lenses, "lenses"))
        for name, least in (
            ("limit", 1),
            ("masks", 1),
            ("sentence", 0),
            ("batch_tokens", 4),
            ("steps", 1),
            ("seed", 0),
        ):
            if (value := getattr(self, name)) is not None:
                self._set(name, plain.whole(value, name, least=least))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
