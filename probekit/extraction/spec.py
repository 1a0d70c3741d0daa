"""What an extraction will do, decided before any model runs.

Enters: what the user asked for. Leaves: a frozen :class:`ExtractionSpec`, the identity that names the cache, the
tokens of a batch, and the cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from probekit import plain
from probekit.cache.keep import EVERY_TOKEN, KEEP, Keep
from probekit.controls import Control
from probekit.devices import DeviceMap
from probekit.errors import UsageError
from probekit.sites import FINAL, LAYER, WEIGHTS, Layers, Site, read_site

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from probekit.models.sources.load import LoadedModel

INPUTS = ("words", "text", "chat")
DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2}

# Model tokens of one batch, padding included, by device and computing dtype. Measured once (make
# bench); a table and never a measurement at run time, because the batch decides the last bits.
BATCH_TOKENS = {
    ("cpu", "float32"): 1024,
    ("cpu", "bfloat16"): 1024,
    ("cpu", "float16"): 1024,
    ("cuda", "float32"): 16384,
    ("cuda", "bfloat16"): 32768,
    ("cuda", "float16"): 32768,
    ("mps", "float32"): 4096,
    ("mps", "bfloat16"): 4096,
    ("mps", "float16"): 4096,
}


@runtime_checkable
class Changes(Protocol):
    """What is done to a model while it reads, as plain data and at work."""

    def identity(self) -> list[dict[str, Any]]:
        """Return what decides what is done, for the cache key."""

    def at_work(self, loaded: LoadedModel) -> AbstractContextManager[None]:
        """Return a context in which the model is changed."""


@dataclass(frozen=True, slots=True)
class ExtractionSpec:
    """What decides the vectors, besides the model and the text.

    Attributes
    ----------
    layers : tuple of int or "final", or "all"
    sites : tuple of str
        Kinds of places inside of the blocks whose layers are kept.
    dtype : str
        Computing precision.
    store : str
        Precision on disk; ``same`` is resolved to ``dtype``.
    input : {"words", "text", "chat"}
    template : str or None
        What chats are rendered by, in Jinja; None until the model is found.
    overflow : {"error", "truncate", "window"}
    max_length : int or None
        Tokens, special ones included; None: the model's own limit.
    keep : Keep
        Which rows leave the model: every token, or means of words, of examples, of places in them.
    control : Control or None
        Which control model of the same architecture is read in the place of the trained one.
    edits : Changes or None
        What the model is changed by while it reads.
    batch_tokens : int or None
        None: the table :data:`BATCH_TOKENS`.
    """

    layers: Layers | str = "all"
    sites: tuple[str, ...] = ()
    dtype: str = "float32"
    store: str = "float32"
    input: str = "words"
    template: str | None = None
    overflow: str = "error"
    max_length: int | None = None
    control: Control | None = None
    edits: Changes | None = None
    batch_tokens: int | None = None
    keep: Keep = EVERY_TOKEN

    def __post_init__(self) -> None:
        for name, least, most in (
            ("max_length", 4, None),
            ("batch_tokens", 4, None),
        ):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, plain.whole(value, name, least=least, most=most))
        for name, allowed in (
            ("dtype", tuple(DTYPES)),
            ("store", tuple(DTYPES)),
            ("input", INPUTS),
            ("overflow", ("error", "truncate", "window")),
        ):
            object.__setattr__(self, name, plain.choice(getattr(self, name), name, allowed))
        if self.input == "chat" and self.overflow != "error":
            raise UsageError(
                f"A chat is read whole: its last tokens are what one asks about, and --overflow {self.overflow} would "
                "cut them off or apart. Leave out --overflow, and the chats that are too long."
            )
        if WEIGHTS in self.sites and self.keep.pooled:
            raise UsageError(
                f"The `sites` option cannot be {WEIGHTS} with --keep {self.keep.name}: attention weights are of pairs "
                "of tokens. Use --keep tokens, or leave out these weights."
            )
        if WEIGHTS in self.sites and self.overflow == "window":
            raise UsageError(
                f"The `sites` option cannot be {WEIGHTS} with --overflow window: an example that is read in several "
                "parts has no attention weights over the whole of it. Use --overflow truncate or error."
            )

    def identity(self) -> dict[str, Any]:
        """Return the fields that decide the vectors, for the cache key; what is not asked for is not among them."""
        return {
            **({KEEP: self.keep.name} if self.keep.pooled else {}),
            **({"sites": list(self.sites)} if self.sites else {}),
            "layers": self.layers if isinstance(self.layers, str) else list(self.layers),
            "dtype": self.dtype,
            "store": self.store,
            "input": self.input,
            **({} if self.template is None else {"template": hashlib.sha256(self.template.encode()).hexdigest()}),
            "overflow": self.overflow,
            "max_length": self.max_length,
            "edits": [] if self.edits is None else self.edits.identity(),
        }

    def at_work(self, loaded: LoadedModel) -> AbstractContextManager[None]:
        """Return a context in which the model reads as is asked: edited, or as it is."""
        return nullcontext() if self.edits is None else self.edits.at_work(loaded)


def needed(device: str | DeviceMap, layers: Layers | str) -> str | DeviceMap:
    """Return where a model shall lie; of a device map, with the highest block that must be in reach."""
    numbers = [layer for layer in layers if isinstance(layer, int)]
    if isinstance(device, str) or isinstance(layers, str) or len(numbers) < len(layers):
        return device
    return replace(device, highest=max(numbers))


def select_layers(wanted: Layers | str, available: Sequence[str]) -> list[str]:
    """Choose tensor names (``layer.03``, ``final``) of one stack by what the user asked for."""
    if wanted == "all":
        return list(available)
    known = {site.place: name for name in available if (site := read_site(name)) is not None}
    for layer in wanted:
        if layer not in known:
            numbers = [layer for layer in known if isinstance(layer, int)]
            has = f"0..{max(numbers)}" + (" and final" if FINAL in known else "")
            raise UsageError(
                f"The `layers` option must be a list like 0,3,6 or 'all' (this model has {has}). Got '{layer}'."
            )
    return [known[layer] for layer in wanted]


def select_sites(kinds: Sequence[str], layers: Sequence[str], stack: str) -> list[Site]:
    """Return the places of these kinds inside of the blocks of a stack whose outputs are among its chosen layers."""
    found = [read_site(layer) for layer in layers]
    numbers = [site.number for site in found if site is not None and site.kind == LAYER and site.number > 0]
    if kinds and not numbers:
        raise UsageError(
            f"The `sites` option ({', '.join(kinds)}) is of places inside of blocks, and none of the layers kept "
            f"({', '.join(layers)}) is the output of a block. Name blocks with --layers, from 1, in a model that has "
            "some."
        )
    return [Site(kind, number, stack) for number in numbers for kind in kinds]


def token_limit(loaded: LoadedModel, spec: ExtractionSpec, *, closed: bool = True) -> int | None:
    """Return how many tokens the model may read at once.

    Parameters
    ----------
    loaded : LoadedModel
    spec : ExtractionSpec
    closed : bool
        Whether a token closes each text; without one a decoder reads its start token and every token of the text.
    """
    longer = loaded.decoder_start_id is not None and not closed
    limit = None if loaded.max_length is None else loaded.max_length - int(longer)
    if spec.max_length is not None and limit is not None and spec.max_length > limit:
        why = ", less one for the start token of its decoder" if longer else ""
        raise UsageError(
            f"The `max_length` option must be at most {limit}, this model's limit{why}. Got {spec.max_length}."
        )
    return spec.max_length or limit


def batch_tokens(spec: ExtractionSpec, device: str) -> int:
    """Return the tokens of one batch, padding included."""
    return spec.batch_tokens or BATCH_TOKENS.get((device, spec.dtype), 1024)


def batches(lengths: Sequence[int], limit: int, *, padded: bool = True) -> list[slice]:
    """Cut consecutive segments into batches of at most ``limit`` tokens, padding included.

    A segment longer than the limit is a batch of its own. With lengths in decreasing order the
    padding is smallest; without ``padded`` there is none, and only equal lengths share a batch.
    """
    out: list[slice] = []
    start, longest = 0, 0
    for stop, length in enumerate(lengths):
        grown = max(longest, length)
        if stop > start and (grown * (stop - start + 1) > limit or not (padded or length == longest)):
            out.append(slice(start, stop))
            start, grown = stop, length
        longest = grown
    if start < len(lengths):
        out.append(slice(start, len(lengths)))
    return out
