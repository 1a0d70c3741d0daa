"""The places in a model where vectors are read, and how they are written.

A place is one of a kind (``layer``, numbered: 0 is the embedding output, i the raw output of block i; ``final``: after
the model's last norm; or one inside of block i, see :data:`INSIDE`) in a stack (encoder-decoders have two). It is
spelled in three ways: as the tensor of a cache, ``layer.03``, ``heads.03`` or ``decoder.final``; as reports write it,
``3``, ``"3.heads"``, ``"final"`` or ``"encoder:3"``; and in options, where one text names several, ``0-3,final``. Every
spelling is read and printed here. A new kind is a name in one of three tuples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from probekit import plain
from probekit.errors import UsageError, did_you_mean

Layer = int | str | None
"""A place as reports write it; None where a number speaks of no place."""
Layers = tuple[int | str, ...]

ENCODER, DECODER = "encoder", "decoder"
STACKS = ("", ENCODER, DECODER)
"""In their order; the empty name is that of a model's only stack."""
LAYER, FINAL = "layer", "final"
WEIGHTS, HEADS, ATTENTION, BETWEEN, ROUTER, MLP = "weights", "heads", "attention", "between", "router", "mlp"
INSIDE = (WEIGHTS, HEADS, ATTENTION, BETWEEN, ROUTER, MLP)
"""Kinds of places inside of a block, in the order in which it comes to them: the attention weights; the heads side by
side, before the output projection of attention; what that projection gives to the stream; the stream between attention
and MLP; the router logits of a mixture of experts; the neurons, before the down projection of the MLP."""
RAGGED = (WEIGHTS,)
"""Of those the kinds where a token has no vector, but of every head one number for each token of its sentence."""
NUMBERED, SINGLE = (*INSIDE, LAYER), (FINAL,)
KINDS = (*NUMBERED, *SINGLE)
"""Kinds of places, in the order of a block and a stack. Layers need no name in reports."""
_WITHIN = {kind: (place + 1) / (len(INSIDE) + 1) for place, kind in enumerate(INSIDE)}
MOST_LAYERS = 10_000
"""Numbers have at most four digits."""

_INSIDE, _NUMBER = "|".join(INSIDE), "[0-9]{1,4}"
_SPELLING = re.compile(
    rf"(?:({ENCODER}|{DECODER})[.:])?"
    rf"(?:(?:({LAYER}|{_INSIDE})\.)?({_NUMBER})|({_NUMBER})\.({_INSIDE})|({'|'.join(SINGLE)}))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a model.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    number : int
        Of a layer, from 0; of the block that a place is inside of, from 1; else 0.
    stack : str
        One of :data:`STACKS`.

    Examples
    --------
    >>> Site("layer", 3, "encoder").tensor, Site("layer", 3, "encoder").label, Site("layer", 3).label
    ('encoder.layer.03', 'encoder:3', 3)
    >>> Site("heads", 3, "encoder").tensor, Site("heads", 3, "encoder").label
    ('encoder.heads.03', 'encoder:3.heads')
    """

    kind: str
    number: int = 0
    stack: str = ""

    @property
    def place(self) -> int | str:
        """The place inside its stack, as reports write it."""
        if self.kind in SINGLE:
            return self.kind
        return self.number if self.kind == LAYER else f"{self.number}.{self.kind}"

    @property
    def label(self) -> int | str:
        """As reports write it: ``3``, ``"3.heads"``, ``"final"``, ``"encoder:3"``."""
        return join_layer(self.stack, self.place)

    @property
    def tensor(self) -> str:
        """As the tensors of a cache are called: ``layer.03``, ``decoder.final``."""
        return of_stack(self.stack, self.kind if self.kind in SINGLE else f"{self.kind}.{self.number:02d}")

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key: stacks in their order, each from bottom to top, ``final`` last."""
        number = MOST_LAYERS if self.kind in SINGLE else self.number
        return STACKS.index(self.stack), number, KINDS.index(self.kind)

    @property
    def depth(self) -> float | None:
        """How far up its stack it stands: a layer's number, inside of block 3 between 2 and 3; None of ``final``."""
        if self.kind in SINGLE:
            return None
        return float(self.number) if self.kind == LAYER else self.number - 1 + _WITHIN[self.kind]

    @property
    def inside(self) -> bool:
        """Whether it stands inside of a block, and not at the end of one."""
        return self.kind in INSIDE

    @property
    def ragged(self) -> bool:
        """Whether tokens have no vectors there, but weights over the tokens of their sentence."""
        return self.kind in RAGGED


def read_site(written: Any) -> Site | None:
    """Return the place that is meant, in the spelling of tensors or of reports, a number as text too; else None."""
    written = plain.scalar(written)
    if (number := plain.as_whole(written)) is not None:
        return Site(LAYER, number) if 0 <= number < MOST_LAYERS else None
    match = _SPELLING.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        return None
    stack, kind, digits, block, inside, single = match.groups()
    site = Site(single or inside or kind or LAYER, int(digits or block or 0), stack or "")
    return None if site.inside and site.number == 0 else site  # layer 0 is the output of no block


def read_tensor(name: str) -> Site | None:
    """Return the place whose tensor has exactly this name; None where there is none."""
    site = read_site(name)
    return site if site is not None and site.tensor == name else None


def read_label(layer: Any) -> Site | None:
    """Return the place that is written exactly so in reports; None where there is none."""
    site = read_site(layer)
    return site if site is not None and site.label == plain.scalar(layer) else None


def site_of(layer: int | str) -> Site:
    """Return the place of a known name, in any spelling.

    Raises
    ------
    UsageError
        It is none.
    """
    site = read_site(layer)
    if site is None:
        raise UsageError(
            "A place in a model is like 3, 'final', '3.heads', 'encoder:3' or 'decoder.final' (inside of a block: "
            f"{', '.join(INSIDE)}). Got {layer!r:.80}."
        )
    return site


def tensor_name(layer: int | str, stack: str = "") -> str:
    """Return the tensor of a place of a stack: ``layer.03``, ``decoder.final``."""
    return site_of(join_layer(stack, layer)).tensor


def of_stack(stack: str, name: str) -> str:
    """Return the name of a tensor of a stack: ``encoder.index.word``."""
    return f"{stack}.{name}" if stack else name


def split_stack(tensor: str) -> tuple[str, str]:
    """Take the stack off the name of a tensor: the inverse of :func:`of_stack`."""
    stack, dot, rest = tensor.partition(".")
    return (stack, rest) if dot and stack in STACKS[1:] else ("", tensor)


def split_layer(layer: Layer) -> tuple[str, int | str | None]:
    """Take a place apart into its stack (``""`` where a model has one) and its number or ``"final"``.

    >>> split_layer("encoder:3"), split_layer(3), split_layer("final")
    (('encoder', 3), ('', 3), ('', 'final'))
    """
    if layer is None:
        return "", None
    site = site_of(layer)
    return site.stack, site.place


def join_layer(stack: str, place: int | str) -> int | str:
    """Write a place of a stack: the inverse of :func:`split_layer`.

    Parameters
    ----------
    stack : str
        ``""`` where a model has one.
    place : int or str
        A number, or ``"final"``.

    Returns
    -------
    int or str
    """
    return f"{stack}:{place}" if stack else place


def layer_order(layer: Layer) -> tuple[int, int, int]:
    """Sort key: floors, then the encoder from bottom to top, then the decoder; ``final`` on top of its stack."""
    return (-1, 0, 0) if layer is None else site_of(layer).order


def parse_kinds(sites: Any) -> tuple[str, ...]:
    """Read ``heads,mlp``, or a list of the same: kinds of places inside of blocks, in their order, each once.

    Raises
    ------
    UsageError
        An entry is none of :data:`INSIDE`, or there is none.
    """
    wanted = f"a list of {', '.join(INSIDE)}"
    entries = sites.split(",") if isinstance(sites, str) else plain.listed(sites, "sites", wanted, ordered=False)
    names = [entry.strip() if isinstance(entry, str) else entry for entry in map(plain.scalar, entries)]
    for name in names:
        if name not in INSIDE:
            raise UsageError(
                f"The `sites` option must be {wanted}. Got {name!r:.60}.{did_you_mean(str(name), INSIDE)} In which "
                "blocks, `layers` says."
            )
    if not names:
        raise UsageError(f"The `sites` option must be {wanted}. Got none.")
    return tuple(kind for kind in INSIDE if kind in names)


def parse_layers(layers: Any, *, inside: bool = False) -> Layers | str:
    """Read ``all``, ``0,3,6``, ``0-3,final``, a number, or a list, range, set or array of the same.

    Parameters
    ----------
    layers : Any
    inside : bool
        Places inside of blocks may be named, too: ``3.heads``.

    Returns
    -------
    "all" or tuple
        Sorted, without repetition, ``final`` last.

    Raises
    ------
    UsageError
        An entry is no layer: none is left out in silence.
    """
    wanted = f"a list like 0,3,6 or 0-3 or 'all', of numbers below {MOST_LAYERS}"
    if isinstance(layers, str) and layers.strip() == "all":
        return "all"
    if isinstance(layers, str):
        entries: list[Any] = layers.split(",")
    elif plain.as_whole(layers) is not None:
        entries = [layers]
    else:
        entries = plain.listed(layers, "layers", wanted, ordered=False)
    found: set[int | str] = set()
    for entry in entries:
        some = _places_of(entry, inside)
        if not some:
            shown = f"'{layers:.60}'" if isinstance(layers, str) else f"{entry!r:.60}"
            raise UsageError(f"The `layers` option must be {wanted}. Got {shown}.")
        found.update(some)
    if not found:
        raise UsageError(f"The `layers` option must be {wanted}. Got none.")
    return tuple(sorted(found, key=layer_order))


def _places_of(entry: Any, inside: bool) -> Sequence[int | str]:
    """Return the places of a stack that one entry of an option names, a range among them; nothing where it is none."""
    entry = plain.scalar(entry)
    entry = entry.strip() if isinstance(entry, str) else entry
    site = read_site(entry)
    if site is not None:
        return [] if site.stack or (site.inside and not inside) else [site.place]
    low, dash, high = entry.partition("-") if isinstance(entry, str) else ("", "", "")
    ends = [read_site(end) for end in (low, high)]
    first, last = (end.place if end is not None and not end.stack else None for end in ends)
    return range(first, last + 1) if dash and isinstance(first, int) and isinstance(last, int) else []
