"""How a cache was made: what was proved of its rows, and what of its checkpoint the model did not read.

Enters: the findings of a manifest and the plan's record of what the cache was made with. Leaves: one JSON object, or
None for a cache that was written before there were certificates; lines for people. A certificate is put together when
it is read; what is kept lies in the receipts of the shards, so that parts of a cache that were made apart prove their
own rows. What was not read follows from the weights and the versions, so it is part of no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probekit.sites import read_tensor

PLACEMENT, QUANTISED = "placement", "quantised"
"""In the plan, of a model over several devices: ``kind``, ``main`` and ``weights``, the bytes of each device; of one
with quantised weights: ``method``, ``package``, ``schemes`` (how many tensors have each) and ``activations``."""
MADE_WITH = ("device", PLACEMENT, QUANTISED, "attention", "torch", "transformers")


def certificate(findings: Mapping[str, Any], made_with: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was checked of a cache's rows.

    Parameters
    ----------
    findings : mapping
        Of a manifest.
    made_with : mapping
        What ``plan.json`` records under ``plan``.

    Returns
    -------
    dict or None
        ``rows`` (how many were read alone as well as beside others), ``lengths`` of the first of
        them in tokens, ``longest``, ``allowed`` and ``largest_difference`` (shares of a layer's
        largest magnitude), ``layers`` (layer -> its largest difference), ``shards_unpadded``,
        ``made_with`` (device, attention, versions).
    """
    check = findings.get("check")
    if not isinstance(check, Mapping):
        return None
    parts = findings.get("layers", {}).items()
    layers = {name: part["largest_difference"] for name, part in parts if "largest_difference" in part}
    return {
        "rows": check.get("rows"),
        "lengths": check.get("lengths"),
        "longest": check.get("largest_length"),
        "allowed": check.get("largest_allowed"),
        "largest_difference": max(layers.values(), default=None),
        "layers": layers,
        "shards_unpadded": check.get("unpadded"),
        "made_with": {name: made_with[name] for name in MADE_WITH if name in made_with},
    }


def certificate_line(proved: Mapping[str, Any] | None) -> str:
    """Return a certificate as one line."""
    if proved is None:
        return "not recorded: this cache was made before the check was kept; extract again to have it"
    layers = proved["layers"]
    worst = max(layers, key=layers.get, default="no layer")
    unpadded = proved["shards_unpadded"]
    alone = f"; {unpadded} shards in batches of equal length, as padding changes this model's vectors"
    sites = sum(site.inside for name in layers if (site := read_tensor(name)) is not None)
    places = f" and {sites} places inside of blocks" if sites else ""
    return (
        f"{proved['rows']:,} rows of up to {proved['longest']:,} tokens alone and beside others, "
        f"{len(layers) - sites} layers{places}: they differ by at most {proved['largest_difference']:.1e} of a layer's "
        f"largest magnitude ({worst}; {proved['allowed']:.0e} allowed){alone if unpadded else ''}"
    )


NOT_READ = "not_read"
"""In the plan: ``heads``, ``constants``, ``parts`` (of a model that is several): a name -> how many parameters."""


def made_notes(made_with: Mapping[str, Any]) -> list[str]:
    """Return what must be said of how a cache was made: where, from which weights, what was not read, what of chats."""
    lines = [f"{name[0].upper()}{name[1:]}." for name in (placement_line(made_with), quantised_line(made_with)) if name]
    return [*lines, *unread_notes(made_with), *chat_notes(made_with)]


def placement_line(made_with: Mapping[str, Any]) -> str | None:
    """Return where the weights lay that a device map placed; None without one."""
    found = made_with.get(PLACEMENT)
    if not found:
        return None
    parts = [f"{size / 1e6:,.1f} MB on {place}" for place, size in found["weights"].items()]
    waiting = [place for place in ("cpu", "disk") if place in found["weights"] and place != found["main"]]
    waits = f"; those on {' and '.join(waiting)} were brought to {found['main']} for each pass" if waiting else ""
    return f"the weights were placed by a device map ({found['kind']}): {', '.join(parts)}{waits}"


def quantised_line(made_with: Mapping[str, Any]) -> str | None:
    """Return how the weights of a model were quantised, and what computed with them; None where they were not."""
    found = made_with.get(QUANTISED)
    if not found:
        return None
    parts = [f"{count:,} as {scheme}" for scheme, count in found["schemes"].items()]
    left = f"; activations, which its config rounds to {found['activations']}, are not" if found["activations"] else ""
    return (
        f"the weights are quantised ({', '.join(parts)}; {found['package']}) and were made dense at loading: vectors "
        f"are those of the rounded weights, not of the model they were made from{left}"
    )


CHATS = "chats"
"""In the plan, of a cache of chats: what was found of them in their tokens, counted."""


def chat_notes(made_with: Mapping[str, Any]) -> list[str]:
    """Return what must be said of chats: whose tokens are whose, and what the template did to messages."""
    found = made_with.get(CHATS)
    if not found:
        return []
    lines = [
        f"Chats: {found['messages']:,} messages of {found['chats']:,} chats stand whole in {found['tokens']:,} tokens; "
        f"{found['template']:,} other tokens are the template's."
    ]
    if found["trimmed"]:
        lines.append(f"The template leaves out white space around {found['trimmed']:,} messages.")
    if found["shared"]:
        lines.append(f"{found['shared']:,} tokens hold the end of a message and text of the template.")
    if found["unbegun"]:
        lines.append(
            f"{found['unbegun']:,} chats do not begin with the token that the tokenizer begins other texts with: their "
            "template does not write it."
        )
    return lines


def unread_notes(made_with: Mapping[str, Any]) -> list[str]:
    """Return what must be said: heads and parts that were not read. Masks and counters are no news.

    Parameters
    ----------
    made_with : mapping
        What ``plan.json`` records under ``plan``.
    """
    left = made_with.get(NOT_READ) or {}
    heads, parts = left.get("heads"), left.get("parts")
    lines = []
    if parts:
        lines.append(f"This model is several in one: its part for text is read; not read: {parameter_counts(parts)}.")
    if heads:
        total = sum(heads.values())
        are = "is" if total == 1 else "are"
        lines.append(
            f"{counted(total)} of the checkpoint outside of the base model {are} not read: {parameter_counts(heads)}."
        )
    return lines


def unread_line(made_with: Mapping[str, Any]) -> str | None:
    """Return all that was not read in one line; None where nothing is known or all was read."""
    parts = made_with.get(NOT_READ) or {}
    return "; ".join(f"{kind}: {parameter_counts(names)}" for kind, names in parts.items() if names) or None


def parameter_counts(left: Mapping[str, int]) -> str:
    """Return names with how many parameters each stands for."""
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in left.items())


def counted(count: int) -> str:
    """Return a number of parameters in words."""
    return f"{count:,} parameter{'' if count == 1 else 's'}"
