"""Plans changed and compared as plain data: ``keep=3``, ``rate.peak=2e-5``, ``head=crf``.

Enters: the JSON of a plan and what was typed. Leaves: the changed JSON, or the lines in which two plans differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from probekit.errors import UsageError, did_you_mean
from probekit.storage.strict import decode, dump
from probekit.tuning.choices import spelled_choice, typed_closeness, typed_modules, typed_signals
from probekit.tuning.options import spelled
from probekit.tuning.parts import WordFile
from probekit.tuning.slice_choices import spelled_slice, typed_slices
from probekit.tuning.stage import typed_stages
from probekit.tuning.typed import listed, value

MADE_FROM = ("schema", "model", "task", "report", "why")
"""What a plan was made from, and its reasons: they are not chosen, so they are not set."""
LISTS = ("train", "read.layers", "read.mix")
FILES = ("read.beside",)
"""Files that are set by their place, and whose digest the plan keeps."""
CHOICES = ("head", "schedule", "rate")
"""Parts that are set by the name of a member, with its options behind a colon: ``gradual:epochs_each=2``."""
MEMBERS: Mapping[str, Callable[[str], Any]] = {
    "modules": typed_modules,
    "close": typed_closeness,
    "signals": typed_signals,
    "first": typed_stages,
    "slices": typed_slices,
}
"""Lists of members, each with its options behind its name: ``bottleneck:16@3-6``."""
_FREE = ("head.options", "schedule", "rate")
"""Where a plan does not know the names of its own fields: they are options of a member."""


def changed(document: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return the JSON of a plan with some fields set by hand, each with a reason that says so.

    Parameters
    ----------
    document : mapping
    changes : sequence of str
        ``field=value``, the field dotted. Lists are written ``3,4`` or ``3-5``; nothing behind the sign is none.

    Raises
    ------
    UsageError
        No such field, or none that may be set.
    """
    edited = _copy(document)
    for change in changes:
        field, sign, text = (part.strip() for part in change.partition("="))
        if not sign:
            raise UsageError(f"A change of a plan is written field=value, as in keep=3. Got '{change}'.")
        if field.split(".")[0] in MADE_FROM:
            raise UsageError(
                f"The field '{field}' of a plan says what it was made from or why, and is not set. "
                "Make a plan for another model or task anew."
            )
        _set(edited, "read.layers" if field == "read" else field, text)
    touched = sorted({line.partition(":")[0] for line in differences(document, edited)})
    kept = [reason for reason in edited.get("why", []) if not any(_same(reason["field"], field) for field in touched)]
    return {**edited, "why": [*kept, *(_by_hand(field, document, edited) for field in touched)]}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line for each field that differs: ``keep: 4 -> 3``; reasons are not compared.

    A part that one plan has and the other has not (``null``) is told by its fields.
    """
    old, new = (dict(_leaves({key: plan[key] for key in plan if key != "why"})) for plan in (before, after))
    return [
        f"{field}: {_shown(old, field)} -> {_shown(new, field)}"
        for field in dict.fromkeys([*old, *new])
        if _shown(old, field) != _shown(new, field) and not any(other.startswith(f"{field}.") for other in (*old, *new))
    ]


def _copy(value: Any) -> Any:
    return decode(dump(value))


def _set(document: dict[str, Any], field: str, text: str) -> None:
    """Set one field of the document."""
    *parts, last = field.split(".")
    place = document
    for depth, part in enumerate(parts):
        if not isinstance(place.get(part), dict):
            raise _unknown(".".join(parts[: depth + 1]), place)
        place = place[part]
    above = ".".join(parts)
    if last not in place and above not in _FREE:
        raise _unknown(field, place)
    if field in CHOICES:
        _choose(place, field, text)
    elif field in MEMBERS:
        place[last] = _members(field, text, document["keep"])
    elif field in FILES:
        place[last] = None if text in ("", "null") else WordFile.of(text).to_json()
    elif isinstance(place.get(last), dict):
        raise UsageError(
            f"The field '{field}' of a plan is set in parts: {', '.join(f'{field}.{key}' for key in place[last])}."
        )
    else:
        place[last] = listed(text) if field in LISTS else value(text)


def _unknown(field: str, place: Mapping[str, Any]) -> UsageError:
    known = [key for key in place if key not in MADE_FROM]
    close = did_you_mean(field.split(".")[-1], known)
    return UsageError(f"A plan has no field '{field}' that can be set; here it has {', '.join(known)}.{close}")


def _choose(place: dict[str, Any], field: str, text: str) -> None:
    """Name another member; options of the one before go with it, what every rate has stays."""
    name, texts = spelled(text, field)
    options = {key: value(text) for key, text in texts.items()}
    shared = ("peak", "head_peak", "depth_factor") if field == "rate" else ()
    kept = {key: place[field][key] for key in shared}
    place[field] = {"name": name, "options": options} if field == "head" else {"name": name, **kept, **options}


def _members(field: str, text: str, keep: Any) -> Any:
    """Read members by their names, or as JSON has them; modules without depths sit in every block that is kept."""
    given = value(text)
    if given is None or isinstance(given, list):
        return given or []
    if field == "modules":
        return typed_modules(text, everywhere=range(1, keep + 1) if isinstance(keep, int) else ())
    return MEMBERS[field](text)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{name}.{key}" if name else key)


def _shown(leaves: Mapping[str, Any], field: str) -> str:
    if field in MEMBERS:
        spell = spelled_slice if field == "slices" else spelled_choice
        return "; ".join(map(spell, leaves.get(field, []))) or "none"
    return dump(leaves[field]) if field in leaves else "none"


def _same(reason: str, field: str) -> bool:
    """Tell whether a reason speaks of a field, of a part of it, or of what it is a part of."""
    return reason == field or reason.startswith(f"{field}.") or field.startswith(f"{reason}.")


def _by_hand(field: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    old, new = (dict(_leaves(plan)) for plan in (before, after))
    text = f"set by hand to {_shown(new, field)}; it was {_shown(old, field)}"
    return {"field": field, "text": text, "evidence": {}}
