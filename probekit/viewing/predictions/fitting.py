"""The lenses of a view with their maps: fitted on train and dev, or read from a file.

Enters: names of lenses, perhaps a file, predicted tokens. Leaves: a :class:`Fitted` each. The last layer has no map: it
is what the others are fitted to, and every lens reads it as the model does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError
from probekit.viewing.lenses import LENSES, Lens, Materials, Translator
from probekit.viewing.predictions.model import Opened
from probekit.viewing.predictions.saved import load_translators, save_translators
from probekit.viewing.predictions.settings import LensSettings

if TYPE_CHECKING:
    from probekit.viewing.predictions.parts import Parts

Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A lens and its maps.

    Attributes
    ----------
    lens : Lens
    translators : mapping of int to Translator
        By layer; a layer without one is read as it is.
    """

    lens: Lens
    translators: Mapping[int, Translator]

    def to_json(self) -> dict[str, Any]:
        """Return what a report says of it."""
        fitted = {str(layer): dict(one.fitted) for layer, one in self.translators.items()}
        return {"between": self.lens.said, "reference": self.lens.reference, "fitted": fitted}


def fit_lenses(
    opened: Opened,
    parts: Parts,
    layers: Sequence[int],
    asked: LensSettings,
    *,
    file: str | os.PathLike[str] | None,
    save: str | os.PathLike[str] | None,
    progress: Progress,
) -> tuple[list[Fitted], list[str]]:
    """Return the lenses that were asked for, and what must be said of them.

    Raises
    ------
    UsageError
        A file of another model or without a layer; nothing to save.
    InputError, CacheError, ResourceError
    """
    from probekit.viewing.predictions.scoring import at_once

    names, notes, read = list(asked.lenses), [], {}
    below = tuple(layer for layer in layers if layer != opened.ending.layer)
    if file is not None:
        name, translators, said = load_translators(file, cache=opened.cache, head=opened.head)
        missing = [layer for layer in below if layer not in translators]
        if missing:
            has = ", ".join(map(str, translators))
            raise UsageError(
                f"The lens in {file} has no map of layer {missing[0]}; it has {has}. Name those (--layers)."
            )
        read[name] = {layer: translators[layer] for layer in below}
        notes.append(said)
        names += [] if name in names else [name]
    lenses = [LENSES.get(name, "lenses") for name in names]
    if save is not None and all(lens.fit is None or lens.name in read for lens in lenses):
        raise UsageError("There is no fitted lens to save: name one that is fitted, --lenses tuned.")
    found = []
    for lens in lenses:
        maps = read.get(lens.name)
        if maps is None and lens.fit is not None:
            materials = Materials(
                opened.ending, below, parts.of["train"], parts.of["dev"], asked.steps, asked.seed,
                at_once(opened.ending.vocabulary), progress,
            )  # fmt: skip
            maps = dict(lens.fit(materials))
            notes.append(_said(lens, maps))
            if save is not None:
                save_translators(save, lens.name, maps, cache=opened.cache, head=opened.head)
                notes.append(f"The lens '{lens.name}' is kept in {save}.")
        found.append(Fitted(lens, maps or {}))
    return found, notes


def _said(lens: Lens, maps: Mapping[int, Translator]) -> str:
    still = [str(layer) for layer, one in maps.items() if one.fitted.get("step") == 0]
    edge = [str(layer) for layer, one in maps.items() if one.fitted.get("step") == one.fitted.get("steps")]
    note = f"The lens '{lens.name}' is {lens.said}; the last layer has no map."
    if still:
        note += f" No step was better on dev than the identity at layer {', '.join(still)}."
    if edge:
        note += f" The last step was the best at layer {', '.join(edge)}: more (--updates) may read it better."
    return note
