"""The model that a cache was made by, with its own head; whatever else would say nothing of its layers is refused.

Enters: a cache, perhaps where its model is. Leaves: the loaded model and its :class:`~.ending.Ending`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.controls import control_of
from probekit.errors import UsageError
from probekit.models.sources.find import check_unchanged, find_model, find_of_cache, stamps
from probekit.sites import FINAL

if TYPE_CHECKING:
    from probekit.models.runtime.ending import Ending
    from probekit.models.sources.load import LoadedModel


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A cache and its model.

    Attributes
    ----------
    cache : ActivationCache
    loaded : LoadedModel
    ending : Ending
    head : {"causal", "masked"}
    notes : tuple of str
    """

    cache: ActivationCache
    loaded: LoadedModel
    ending: Ending
    head: str
    notes: tuple[str, ...]


def open_model(cache: ActivationCache, model: str | os.PathLike[str] | None, device: str) -> Opened:
    """Load the model of a cache with its head.

    Raises
    ------
    UsageError
        An encoder-decoder, a control model, a model without a head, or another one than the cache was made by; or a
        cache without the last layer of a causal model.
    """
    from probekit.models.runtime.ending import Ending
    from probekit.models.sources.headed import head_of, load_with_head

    _refuse(cache)
    if model is None:
        source, notes = find_of_cache(cache)
    else:
        source, notes = find_model(str(plain.location(model, "model", "the name or the folder of a model"))), []
    head = head_of(source)
    if head == "seq2seq":
        raise _two_stacks(cache)
    before = stamps(source)
    digests = source.digests()
    for part in ("weights", "tokenizer"):
        if digests[part] != cache.model[part]:
            raise UsageError(
                f"{cache.path.name} was made by '{cache.model['name']}' with other {part} than those of "
                f"'{source.name}', so their head does not belong to its layers. Name the model it was made by "
                "(--model), or extract again."
            )
    loaded = load_with_head(source, head, dtype=cache.identity["dtype"], device=device, stacks=True)
    check_unchanged(source, before)
    ending = Ending(loaded)
    if head == "causal" and ending.layer not in cache.layers():
        raise UsageError(
            f"{cache.path.name} has no layer {ending.layer}, the last one, which every other is compared with. Extract "
            "with --layers all."
        )
    return Opened(cache, loaded, ending, head, tuple(notes))


def layers_of(opened: Opened, wanted: str | list[int | str]) -> tuple[tuple[int, ...], list[str]]:
    """Return the numbered layers to read, bottom to top, and what is said of those left out.

    Raises
    ------
    UsageError
        The cache has no such layer, or it is none that the norm and the head can read.
    """
    from probekit.probing.dataset import choose_layers

    places = [place for _, place in choose_layers(opened.cache, wanted)]
    inside = [place for place in places if not isinstance(place, int) and place != FINAL]
    if inside:
        raise UsageError(
            f"A lens reads what passes between blocks: numbered layers. Got '{inside[0]}', which is inside of one."
        )
    layers = tuple(sorted({place for place in places if isinstance(place, int)}))
    last, widths = opened.ending.layer, opened.loaded.stacks[0].widths
    if not layers:
        raise UsageError(
            f"'{FINAL}' is layer {last} behind the final norm; read by the head it is layer {last}. Name it."
        )
    from probekit.sites import tensor_name

    other = [layer for layer in layers if widths[tensor_name(layer)] != opened.ending.width]
    if other:
        raise UsageError(
            f"Layer {other[0]} of '{opened.loaded.source.name}' is {widths[tensor_name(other[0])]} wide, the last one "
            f"{opened.ending.width}: the head cannot read it. Name others with --layers."
        )
    said = f"'{FINAL}' is layer {last} behind the final norm: its reading is that of layer {last}, and is not repeated."
    return layers, [said] if FINAL in places else []


def _refuse(cache: ActivationCache) -> None:
    if cache.stacks != ("",):
        raise _two_stacks(cache)
    control = control_of(cache.model)
    if control is not None:
        raise UsageError(
            f"{cache.path.name} is of a control model, its weights {control.done}: the head above them was never drawn "
            "with them. A lens has controls of its own (shuffled tokens, frequencies); name a cache of trained weights."
        )
    if cache.identity["edits"]:
        raise UsageError(
            f"{cache.path.name} is of a model that was edited while it read, whose own predictions are others. Name a "
            "cache without edits."
        )


def _two_stacks(cache: ActivationCache) -> UsageError:
    return UsageError(
        f"{cache.path.name} is of an encoder-decoder: its encoder predicts no token, and what its decoder predicts "
        "depends on another text. Lenses are for causal and masked models."
    )
