"""StereoSet: a stereotype, its contrary and something unrelated, in a sentence or behind one.

What enters is its JSON, ``data`` with ``intrasentence`` and ``intersentence``. What leaves is an item an entry with
three sentences in the order stereotype, anti-stereotype, unrelated, named by their conditions; right is the
stereotype, as that is what the stereotype score counts, and the language-model score asks whether either beats the
unrelated one. Of an entry of two sentences the second is scored given the first; in one of a single sentence the words
in place of ``BLANK`` are a region named ``attribute``. The cluster is the target term. The stereotypes offend.

References
----------
Nadeem, Bethke and Reddy 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probekit.behaviour.bias.stereoset import stereoset
from probekit.behaviour.items import Item, Region, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import unscorable
from probekit.behaviour.suites._rows import head_of, suffix_of
from probekit.behaviour.suites._sentences import put
from probekit.behaviour.suites.syntaxgym import json_of, part
from probekit.errors import InputError

LABELS = ("stereotype", "anti-stereotype", "unrelated")
KINDS = ("intrasentence", "intersentence")
BLANK = "BLANK"


def read(path: Path) -> Reading:
    """Yield the entries of a file.

    Raises
    ------
    InputError
        A file or an entry of another form.
    """
    data = part(json_of(path), "data", dict, f"{path}")
    if not any(kind in data for kind in KINDS):
        raise InputError(f"{path}: data: there must be {' or '.join(KINDS)}. Got {', '.join(data) or 'nothing'}.")
    for kind in KINDS:
        for number, entry in enumerate(data.get(kind, ()), 1):
            yield _item(kind, entry, f"{path}: {kind} {number}")


def _item(kind: str, entry: Mapping[str, Any], where: str) -> Item | Skipped:
    name, context = (part(entry, key, str, where) for key in ("id", "context"))
    target, bias = (part(entry, key, str, where) for key in ("target", "bias_type"))
    by_label = {
        part(each, "gold_label", str, where): part(each, "sentence", str, where).strip()
        for each in part(entry, "sentences", list, where)
    }
    if set(by_label) != set(LABELS):
        return Skipped(name, where, f"it has not one sentence each of {', '.join(LABELS)}", context)
    texts = [by_label[label] for label in LABELS]
    if fault := unscorable(texts):
        return Skipped(name, where, fault, " / ".join(texts)[:120])
    if kind == "intersentence":
        sentences = tuple(put(context.strip(), by_label[label], condition=label) for label in LABELS)
    else:
        sentences = tuple(_filled(context.strip(), by_label[label], label) for label in LABELS)
    return Item(name, "stereoset", bias, f"{bias}/{target}", sentences, 0, {"kind": kind, "target": target})


def _filled(context: str, text: str, label: str) -> Sentence:
    """Return a sentence with the words in the blank of its context as a region; none where it does not fit."""
    before, _, after = context.partition(BLANK)
    fits = text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after)
    region = (Region("attribute", len(before), len(text) - len(after)),) if fits and BLANK in context else ()
    return Sentence(text, region, label)


def recognises(path: Path) -> bool:
    """Tell whether the file is JSON with labels of StereoSet."""
    head = "".join(head_of(path, 2_000)) if suffix_of(path) == ".json" else ""
    return '"gold_label"' in head and any(f'"{kind}"' in head for kind in KINDS)


SUITE = Suite(
    "stereoset",
    read,
    help="A stereotype, its contrary and something unrelated.",
    reference="Nadeem, Bethke and Reddy 2021, ACL",
    licence="CC BY-SA 4.0",
    recognises=recognises,
    homes=("stereoset",),
    measures=stereoset,
)
