"""What an extraction will do, decided before any model runs.

Enters: what the user asked for. Leaves: a frozen :class:`ExtractionSpec`, the identity that names
the cache, the tokens of a batch, and the cost. Surprise: nothing here imports torch, so that a
second run over a complete cache answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from probekit.errors import UsageError, did_you_mean

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

Layers = tuple[int | str, ...]
MOST_LAYERS = 10_000
"""Names of layers have at most four digits."""
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ExtractionSpec:
    """What decides the vectors, besides the model and the text.

    Attributes
    ----------
    layers : tuple of int or "final", or "all"
    dtype : str
        Computing precision.
    store : str
        Precision on disk; ``same`` is resolved to ``dtype``.
    input : {"words", "text"}
    overflow : {"error", "truncate", "window"}
    max_length : int or None
        Tokens, special ones included; None: the model's own limit.
    random_weights : int or None
        Seed of a control model of the same architecture.
    batch_tokens : int or None
        None: the table :data:`BATCH_TOKENS`.
    """

    layers: Layers | str = "all"
    dtype: str = "float32"
    store: str = "float32"
    input: str = "words"
    overflow: str = "error"
    max_length: int | None = None
    random_weights: int | None = None
    batch_tokens: int | None = None

    def __post_init__(self) -> None:
        choose("dtype", self.dtype, tuple(DTYPES))
        choose("store", self.store, tuple(DTYPES))
        choose("input", self.input, ("words", "text"))
        choose("overflow", self.overflow, ("error", "truncate", "window"))
        for name in ("max_length", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and value < 4:
                raise UsageError(f"The `{name}` option must be at least 4 tokens. Got {value}.")
        if self.random_weights is not None and not 0 <= self.random_weights <= LARGEST_SEED:
            raise UsageError(
                f"The `random_weights` option must be a seed from 0 to {LARGEST_SEED}. Got {self.random_weights:.3g}."
            )

    def identity(self) -> dict[str, Any]:
        """Return the fields that decide the vectors, for the cache key."""
        return {
            "layers": self.layers if isinstance(self.layers, str) else list(self.layers),
            "dtype": self.dtype,
            "store": self.store,
            "input": self.input,
            "overflow": self.overflow,
            "max_length": self.max_length,
            "edits": [],
        }


def choose(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return ``value`` if it is allowed, else raise the standard message."""
    if value not in allowed:
        raise UsageError(
            f"The `{name}` option must be one of {', '.join(allowed)}. Got '{value}'.{did_you_mean(value, allowed)}"
        )
    return value


def parse_layers(text: str | Sequence[int | str]) -> Layers | str:
    """Read ``all``, ``0,3,6``, ``0-3,final`` or a sequence of the same.

    Returns
    -------
    "all" or tuple
        Sorted, without repetition, ``final`` last.
    """
    allowed = f"a list like 0,3,6 or 0-3 or 'all', of numbers below {MOST_LAYERS}"
    wrong = UsageError(f"The `layers` option must be {allowed}. Got '{text!s:.60}'.")
    if isinstance(text, str):
        if text.strip() == "all":
            return "all"
        parts: list[int | str] = []
        for part in text.split(","):
            part = part.strip()
            low, dash, high = part.partition("-")
            if part == "final":
                parts.append(part)
            elif _is_layer(part):
                parts.append(int(part))
            elif dash and _is_layer(low) and _is_layer(high) and int(low) <= int(high):
                parts.extend(range(int(low), int(high) + 1))
            else:
                raise wrong
    else:
        parts = list(text)
    numbers = sorted({part for part in parts if isinstance(part, int)})
    if not parts or any(not 0 <= number < MOST_LAYERS for number in numbers):
        raise wrong
    if any(isinstance(part, str) and part != "final" for part in parts):
        raise wrong
    return (*numbers, *(["final"] if "final" in parts else []))


def _is_layer(text: str) -> bool:
    return text.isdecimal() and len(text) < len(str(MOST_LAYERS))


def layer_of(name: str) -> int | str:
    """Return the layer that a tensor name speaks of: ``layer.03`` is 3, ``decoder.final`` is "final"."""
    last = name.rpartition(".")[2]
    return int(last) if last.isdecimal() else last


def select_layers(wanted: Layers | str, available: Sequence[str]) -> list[str]:
    """Choose tensor names (``layer.03``, ``final``) of one stack by what the user asked for."""
    if wanted == "all":
        return list(available)
    known = {layer_of(name): name for name in available}
    for layer in wanted:
        if layer not in known:
            numbers = [layer for layer in known if isinstance(layer, int)]
            has = f"0..{max(numbers)}" + (" and final" if "final" in known else "")
            raise UsageError(
                f"The `layers` option must be a list like 0,3,6 or 'all' (this model has {has}). Got '{layer}'."
            )
    return [known[layer] for layer in wanted]


def batch_tokens(spec: ExtractionSpec, device: str) -> int:
    """Return the tokens of one batch, padding included."""
    return spec.batch_tokens or BATCH_TOKENS.get((device, spec.dtype), 1024)


def batches(lengths: Sequence[int], limit: int) -> list[slice]:
    """Cut consecutive pieces into batches of at most ``limit`` tokens, padding included.

    A piece longer than the limit is a batch of its own. With lengths in decreasing order the
    padding is smallest.
    """
    out: list[slice] = []
    start, longest = 0, 0
    for stop, length in enumerate(lengths):
        grown = max(longest, length)
        if stop > start and grown * (stop - start + 1) > limit:
            out.append(slice(start, stop))
            start, grown = stop, length
        longest = grown
    if start < len(lengths):
        out.append(slice(start, len(lengths)))
    return out
