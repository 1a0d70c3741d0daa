"""``--max-disk``: an extraction that would not fit, and the ways in which it would.

Enters: a request with a limit. Leaves: the request as it is, if it fits; else one that somebody chose among the ways,
or an error that lists them. Nothing is chosen here: what fits leaves something out, and what may be left out only who
asks knows.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probekit.amounts import human_bytes
from probekit.cache.keep import SENTENCE, TOKENS, WORDS, Keep
from probekit.errors import ResourceError
from probekit.extraction.cost import Cost, estimate
from probekit.extraction.request import Request
from probekit.extraction.spec import DTYPES
from probekit.sites import WEIGHTS, parse_layers

SMALL = "bfloat16"
MARGIN = 0.95
"""Share of the limit that a subsample is to take: which examples it draws, decides how long they are."""
_LOSES = {
    "store": "numbers have 8 bits of precision (float16, as large, has 11 and ends at 65,504)",
    WORDS: "the tokens of a word become their mean",
    SENTENCE: "the words of an example become their mean, so it answers questions about whole examples alone",
    "layers": "the other layers are left out",
    "subsample": "the other examples are left out",
}


@dataclass(frozen=True, slots=True)
class Way:
    """Other options under which an extraction fits.

    Attributes
    ----------
    options : mapping of str to str
        Option -> what to give it.
    bytes : int
    about : bool
        Whether the bytes are estimated.
    loses : str
        What is given up, in words.
    """

    options: Mapping[str, str]
    bytes: int
    about: bool
    loses: str

    @property
    def name(self) -> str:
        """The options as they are typed."""
        return " ".join(f"--{name} {value}" for name, value in self.options.items())

    @property
    def size(self) -> str:
        """The bytes, for people."""
        return f"{'about ' if self.about else ''}{human_bytes(self.bytes)}"

    def command(self, typed: str | None) -> str:
        """Return a command line with these options in the place of those it had; of no command the options alone."""
        if typed is None:
            return self.name
        kept: list[str] = []
        words = iter(shlex.split(typed))
        for word in words:
            name, equals, _ = word.partition("=")
            if name.startswith("--") and name[2:] in self.options:
                if not equals:
                    next(words, None)
            else:
                kept.append(word)
        return f"{shlex.join(kept)} {self.name}"

    def applied(self, request: Request) -> Request:
        """Return a request with these options."""
        chosen = dict(self.options)
        spec = request.spec
        if "layers" in chosen:
            spec = replace(spec, layers=parse_layers(chosen["layers"]))
        if "store" in chosen:
            spec = replace(spec, store=chosen["store"])
        if "keep" in chosen:
            spec = replace(spec, keep=Keep.read(chosen["keep"]))
        subsample = int(chosen["subsample"]) if "subsample" in chosen else request.subsample
        command = None if request.resume_command is None else self.command(request.resume_command)
        return replace(request, spec=spec, subsample=subsample, resume_command=command)


@dataclass(frozen=True, slots=True)
class Excess:
    """An extraction that does not fit.

    Attributes
    ----------
    request : Request
    cost : Cost
    limit : int
        Bytes.
    ways : tuple of Way
        Those that fit; there may be none.
    """

    request: Request
    cost: Cost
    limit: int
    ways: tuple[Way, ...]

    @property
    def said(self) -> str:
        """What is too large, in one sentence."""
        about = "" if self.cost.exact else "about "
        return (
            f"This extraction would take {about}{human_bytes(self.cost.bytes)} on disk, and --max-disk allows "
            f"{human_bytes(self.limit)}."
        )

    def without(self, option: str) -> Excess:
        """Return this without the ways that give an option."""
        return replace(self, ways=tuple(way for way in self.ways if option not in way.options))

    def to_json(self) -> dict[str, Any]:
        """Return the limit and the ways as plain data."""
        ways = [{"options": dict(way.options), "bytes": way.bytes, "gives_up": way.loses} for way in self.ways]
        return {"limit": self.limit, "fits": False, "ways": ways}


Choose = Callable[[Excess], Way]


def within(request: Request, choose: Choose) -> Request:
    """Return a request that keeps to its limit: as it is, or as `choose` says, which may raise instead.

    A cache that is complete already takes no more room, and is let pass.
    """
    while request.max_disk is not None:
        excess = exceeding(request, estimate(request))
        if excess is None:
            break
        request = choose(excess).applied(request)
    return request


def refuse(excess: Excess) -> Way:
    """Raise the error that lists the ways.

    Raises
    ------
    ResourceError
    """
    if not excess.ways:
        raise ResourceError(
            f"{excess.said} Nothing was extracted. Neither fewer layers, nor another precision, nor --keep, nor a "
            "subsample of an example fits: allow more."
        )
    typed = excess.request.resume_command
    listed = "\n".join(f"  {way.command(typed)}  ({way.size}: {way.loses})" for way in excess.ways)
    raise ResourceError(f"{excess.said} Nothing was extracted. It fits as one of:\n{listed}")


def exceeding(request: Request, cost: Cost) -> Excess | None:
    """Return what does not fit, and how it would; None where it does, or is there already."""
    if request.max_disk is None or cost.complete or cost.bytes <= request.max_disk:
        return None
    return Excess(request, cost, request.max_disk, tuple(_ways(request, cost, request.max_disk)))


def _ways(request: Request, cost: Cost, limit: int) -> Iterator[Way]:
    """Yield what fits: one thing given up, or the precision and another where the precision alone is not enough."""
    keep, store = request.spec.keep.name, request.spec.store
    coarser = {TOKENS: (WORDS, SENTENCE), WORDS: (SENTENCE,)}.get(keep, ())
    if WEIGHTS in request.spec.sites:
        coarser = ()  # attention weights are of pairs of tokens
    if DTYPES[store] == DTYPES[SMALL]:
        yield from _beside(cost, limit, keep, store, coarser)
        return
    half = Way({"store": SMALL}, cost.sizes.bytes(keep, SMALL), not cost.exact, _LOSES["store"])
    if half.bytes <= limit:
        yield half
    yield from _beside(cost, limit, keep, store, coarser)
    if half.bytes > limit:
        still = [kind for kind in coarser if cost.sizes.bytes(kind, store) > limit]
        for way in _beside(cost, limit, keep, SMALL, still):
            yield replace(way, options={**half.options, **way.options}, loses=f"{half.loses}; {way.loses}")


def _beside(cost: Cost, limit: int, keep: str, store: str, coarser: Sequence[str]) -> Iterator[Way]:
    """Yield what fits in a precision: coarser rows, fewer layers, fewer examples."""
    for kind in coarser:
        if (size := cost.sizes.bytes(kind, store)) <= limit:
            yield Way({"keep": kind}, size, not cost.exact, _LOSES[kind])
    known = cost.sizes.layers
    for count in range(len(known) - 1, 0, -1):
        # Spread evenly from the lowest to the highest; of one the middle.
        at = [(len(known) - 1) / 2] if count == 1 else [k * (len(known) - 1) / (count - 1) for k in range(count)]
        layers = [known[round(place)] for place in at]
        if (size := cost.sizes.bytes(keep, store, layers=layers)) <= limit:
            yield Way({"layers": ",".join(map(str, layers))}, size, not cost.exact, _LOSES["layers"])
            break
    whole = cost.sizes.bytes(keep, store)
    if count := int(cost.examples * min(1.0, limit / whole) * MARGIN):
        yield Way(
            {"subsample": str(count)}, round(whole * count / cost.examples), about=True, loses=_LOSES["subsample"]
        )
