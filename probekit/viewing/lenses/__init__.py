"""What the states of a layer become before the model's own head reads them: one file of this folder a lens.

A file sets ``LENS = Lens(...)``. What it gives is a :class:`Translator` a layer, and None where the states are read as
they are; the final norm and the head above are the model's own, and the same for every lens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.registry import Registry

if TYPE_CHECKING:
    from probekit.models.runtime.ending import Ending
    from probekit.viewing.predictions.tokens import Part

Arrays = NDArray[np.float32]
Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True, eq=False)
class Translator:
    """An affine map of the states of a layer, laid on top of them: h becomes ``h + h @ weight.T + bias``.

    Attributes
    ----------
    weight : float32 array [width, width]
        Zero where nothing changes: a translator begins as the identity.
    bias : float32 array [width]
    fitted : mapping
        How it was found: what was chosen on dev, and what that scored.
    """

    weight: Arrays
    bias: Arrays
    fitted: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Materials:
    """What a lens is fitted on.

    Attributes
    ----------
    ending : Ending
        The final norm and the head of the model.
    layers : tuple of int
        Below the last one, whose distribution is the aim.
    train, dev : Part
        Predicted tokens; rates and steps are chosen on dev.
    steps, seed : int
    at_once : int
        States that are read together, so that their logits fit into memory.
    progress : callable
        Called with the share done (0..1) and a note.
    """

    ending: Ending
    layers: tuple[int, ...]
    train: Part
    dev: Part
    steps: int
    seed: int
    at_once: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Lens:
    """A way to read a layer by the head of the model.

    Attributes
    ----------
    name : str
    fit : callable or None
        ``fit(materials)`` gives a translator a layer; None: states are read as they are.
    said : str
        For the report: what stands between a layer and the final norm.
    reference : str
    """

    name: str
    fit: Callable[[Materials], Mapping[int, Translator]] | None
    said: str
    reference: str


LENSES = Registry("lens", Lens, attribute="LENS", group="probekit.lenses", home=__name__)
