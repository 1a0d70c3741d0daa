"""Suites of SyntaxGym: JSON with items, conditions, regions and predictions over their surprisals.

What enters is one suite's JSON. What leaves is an item for each of its items and predictions, whose sentences are the
conditions and whose claim is the formula (:mod:`probekit.behaviour.formulas`): there is no right sentence. Regions keep
their numbers; an empty one has no surprisal, and stands where the next begins. Older files hold their predictions as
strings of ``meta``. Surprisals of a region are summed; another metric is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.behaviour.formulas import EVERY, regions_of
from probekit.behaviour.items import Item, Region, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._rows import head_of, lines_of, suffix_of
from probekit.behaviour.suites._sentences import BLANK, join
from probekit.corpus.lines import file_stem
from probekit.errors import InputError
from probekit.storage.strict import decode

METRICS = ("sum", "all")


def read(path: Path) -> Reading:
    """Yield an item for each item and prediction of a suite.

    Raises
    ------
    InputError
        A file that is no suite, a prediction that is no formula or speaks of what no item has.
    """
    suite = json_of(path)
    meta = part(suite, "meta", dict, f"{path}")
    name = str(meta.get("name") or file_stem(path))
    if meta.get("metric", "sum") not in METRICS:
        raise InputError(f"{path}: meta: the metric must be {' or '.join(METRICS)}. Got {meta['metric']!r:.40}.")
    claims = _claims(suite, meta, path)
    for number, item in enumerate(part(suite, "items", list, f"{path}"), 1):
        where = f"{path}: item {number}"
        label = str(part(item, "item_number", (int, str), where))
        conditions = part(item, "conditions", list, where)
        sentences = [_sentence(condition, f"{where}, condition {i}") for i, condition in enumerate(conditions, 1)]
        for index, claim in enumerate(claims, 1):
            whole = f"{name}/{label}/{index}"
            kept = tuple(sentence for sentence in sentences if sentence)
            if fault := (BLANK if len(kept) < len(sentences) else _lacks(claim, kept)):
                yield Skipped(whole, where, fault, " / ".join(sentence.text for sentence in kept)[:120])
                continue
            phenomenon = name if len(claims) == 1 else f"{name}/{index}"
            yield Item(whole, "syntaxgym", phenomenon, f"{name}/{label}", kept, 0, {"suite": name}, claim)


def json_of(path: Path) -> dict[str, Any]:
    """Return the object that a whole file holds.

    Raises
    ------
    InputError
        ``file:line:column`` of what is not JSON.
    """
    text = "\n".join(line for _, line in lines_of(path))
    try:
        value = decode(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}.") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}:1: must be one JSON object. Got {text[:60]!r}.")
    return value


def part(holder: object, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return a part of an object that must be there and of a kind.

    Raises
    ------
    InputError
    """
    value = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise InputError(
            f"{where}: '{name}' must be there and be of type {' or '.join(each.__name__ for each in kinds)}. "
            f"Got {value!r:.60}."
        )
    return value


def _claims(suite: Mapping[str, Any], meta: Mapping[str, Any], path: Path) -> list[str]:
    given = suite.get("predictions") or meta.get("string_predictions")
    if not isinstance(given, list) or not given:
        raise InputError(f"{path}: there is no prediction. A suite needs 'predictions', a list of formulas.")
    claims = []
    for number, each in enumerate(given, 1):
        claim = each if isinstance(each, str) else part(each, "formula", str, f"{path}: prediction {number}")
        try:
            regions_of(claim)
        except InputError as error:
            raise InputError(f"{path}: prediction {number}: {error}") from None
        claims.append(claim)
    return claims


def _sentence(condition: object, where: str) -> Sentence | None:
    """Return the sentence of a condition; None where it is blank."""
    name = part(condition, "condition_name", str, where)
    text, regions, waiting = "", [], []
    for number, each in enumerate(part(condition, "regions", list, where), 1):
        place = f"{where}, region {number}"
        label, content = str(part(each, "region_number", (int, str), place)), part(each, "content", str, place).strip()
        if not content:
            waiting.append(label)
            continue
        text = join(text, content)
        start = len(text) - len(content)
        regions += [*(Region(empty, start, start) for empty in waiting), Region(label, start, len(text))]
        waiting = []
    regions += [Region(empty, len(text), len(text)) for empty in waiting]
    return Sentence(text, tuple(regions), name) if text else None


def _lacks(claim: str, sentences: Sequence[Sentence]) -> str:
    """Return why a claim cannot be judged on an item; an empty string where it can."""
    there = {(each.condition, region.name) for each in sentences for region in each.regions}
    there |= {(each.condition, EVERY) for each in sentences}
    missing = sorted(regions_of(claim) - there)
    return f"it lacks region {missing[0][1]} of '{missing[0][0]}', of which a prediction speaks" if missing else ""


def recognises(path: Path) -> bool:
    """Tell whether the file is JSON that holds a region's content."""
    head = "".join(head_of(path, 2_000)) if suffix_of(path) == ".json" else ""
    return '"condition_name"' in head and '"region_number"' in head


SUITE = Suite(
    "syntaxgym",
    read,
    help="Suites with predictions over the surprisals of regions.",
    reference="Hu, Gauthier, Qian, Wilcox and Levy 2020, ACL; Gauthier et al. 2020, ACL demonstrations",
    licence="MIT",
    recognises=recognises,
    homes=("syntaxgym",),
)
