"""Which sentence and which heads are looked at, as a user names them.

Enters: a cache, and what was typed. Leaves: an example with its ordinal, blocks and heads, or an error that names what
there is. A head is written block-number, ``3-8``, as in every table of heads; the number is from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probekit import plain
from probekit.attention.reading import attention_sites, heads_of
from probekit.attention.source import no_weights
from probekit.cache.reader import ActivationCache
from probekit.errors import UsageError, did_you_mean
from probekit.example import Example
from probekit.sites import Site, parse_layers

Head = tuple[Site, int]


def find_sentence(cache: ActivationCache, sentence: Any) -> tuple[int, Example]:
    """Return ordinal and words of a sentence: its id, else its number in the corpus, from 0.

    Raises
    ------
    UsageError
        There is none such.
    """
    wanted = plain.scalar(sentence)
    number = plain.as_whole(wanted)
    if number is None and not isinstance(wanted, str):
        raise plain.refused("sentence", "the number of a sentence, from 0, or its id", sentence)
    examples = list(cache.examples())
    if number is None:
        named = str(wanted)
        place = next((place for place, example in enumerate(examples) if example.id == named), None)
        if place is not None:
            return place, examples[place]
        number = int(named) if named.isascii() and named.isdigit() else None
    if number is None or not 0 <= number < len(examples):
        hint = did_you_mean(str(wanted), [example.id for example in examples])
        raise UsageError(
            f"{cache.path.name} has no sentence '{wanted}'.{hint} Its sentences are numbered from 0 to "
            f"{len(examples) - 1} in the order of the corpus, and have ids like '{examples[0].id}'."
        )
    return number, examples[number]


def choose_stack(cache: ActivationCache, stack: Any) -> str:
    """Return the stack whose heads are shown: the one named, else the first that has attention weights kept.

    Raises
    ------
    UsageError
        None has, or that one has none.
    """
    known = list(dict.fromkeys(site.stack for site in attention_sites(cache)))
    if not known:
        raise no_weights(cache)
    if stack is None:
        return known[0]
    if plain.text(stack, "stack") not in known:
        named = f"be {' or '.join(known)}" if any(known) else "be left out: this model has one stack"
        raise UsageError(f"The `stack` option must {named}. Got '{stack}'.")
    return str(stack)


def choose_heads(cache: ActivationCache, stack: str, *, layers: Any, heads: Any) -> list[Head]:
    """Return the heads to show, bottom to top: those named, else all of the blocks named.

    Parameters
    ----------
    cache : ActivationCache
    stack : str
    layers : "all", str or sequence
        Numbers of blocks, from 1.
    heads : str or sequence of str, optional
        ``3-8,3-0``.

    Raises
    ------
    UsageError
        A block or head that the cache does not hold, or both are given.
    """
    known = heads_of(cache, stack)
    counts = {site.number: sum(other.number == site.number for other, _ in known) for site, _ in known}
    if heads is not None:
        if layers != "all":
            raise UsageError("Give `layers` or `heads`: a head is named with its block, like 3-8.")
        return _named(known, counts, heads)
    wanted = parse_layers(layers)
    if wanted == "all":
        return known
    missing = [layer for layer in wanted if layer not in counts]
    if missing:
        raise UsageError(
            f"The `layers` option must name blocks whose attention weights {cache.path.name} holds ({_list(counts)}). "
            f"Got '{missing[0]}'."
        )
    return [(site, head) for site, head in known if site.number in wanted]


def _named(known: Sequence[Head], counts: dict[int, int], heads: Any) -> list[Head]:
    entries = heads.split(",") if isinstance(heads, str) else plain.listed(heads, "heads", "a list like 3-8,3-0")
    of = {f"{site.number}-{head}": (site, head) for site, head in known}
    found = []
    for entry in entries:
        name = str(entry).strip()
        if name not in of:
            raise UsageError(
                f"The `heads` option must be a list like 3-8,3-0: block and number, from 0. Got '{name}'. The cache "
                f"holds the blocks {_list(counts)}, with heads 0 to {max(counts.values()) - 1}."
            )
        found.append(of[name])
    return sorted(dict.fromkeys(found), key=known.index)


def _list(counts: dict[int, int]) -> str:
    return ", ".join(map(str, counts))
