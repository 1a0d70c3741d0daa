"""StereoSet: a stereotype, its contrary and something unrelated, in a sentence or behind one.

What enters is its JSON, ``data`` with ``intrasentence`` and ``intersentence``. What leaves is an item an entry with
three sentences in the order stereotype, anti-stereotype, unrelated, named by their conditions; right is the
stereotype, as that is what the stereotype score counts, and the language-model score asks whether either beats the
unrelated one. Of an entry of two sentences the second is scored given the first; in one of a single sentence the words
in place of ``BLANK`` are the region of that name: as in the paper, a masked model scores them, in their place, and what
reads from left to right the sentence. The cluster is the target term. The stereotypes offend.

References
----------
Nadeem, Bethke and Reddy 2021.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probekit.behaviour.bias.stereoset import stereoset
from probekit.behaviour.items import BLANK, Item, Region, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import unscorable
from probekit.behaviour.suites._rows import head_of, suffix_of
from probekit.behaviour.suites._sentences import PUNCTUATION, put
from probekit.behaviour.suites.syntaxgym import json_of, part
from probekit.errors import InputError

LABELS = ("stereotype", "anti-stereotype", "unrelated")
KINDS = ("intrasentence", "intersentence")
MARK = "BLANK"
UNFILLED = "a sentence is not its context with the blank filled"
_WORD = re.compile(r"\S+")


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
        blanks = [_blank(context, text) for text in texts]
        if None in blanks:
            return Skipped(name, where, UNFILLED, " / ".join([context, *texts])[:120])
        sentences = tuple(
            Sentence(text, (blank,), label)
            for text, blank, label in zip(texts, filter(None, blanks), LABELS, strict=True)
        )
    return Item(name, "stereoset", bias, f"{bias}/{target}", sentences, 0, {"kind": kind, "target": target})


def _blank(context: str, text: str) -> Region | None:
    """Return the words in the blank of a context, without what is glued to it; None where there are none.

    Contexts and sentences differ in capitals and punctuation here and there. A sentence of as many words has its blank
    where its context has it, as for the authors; one of more words must have the context's around it.
    """
    around, words = context.split(), list(_WORD.finditer(text))
    if context.count(MARK) != 1 or len(words) < len(around):
        return None
    at = next(place for place, word in enumerate(around) if MARK in word)
    stop = len(words) - (len(around) - at - 1)
    left = [*words[:at], *words[stop:]]
    same = all(_bare(word[0]) == _bare(its) for word, its in zip(left, around[:at] + around[at + 1 :], strict=True))
    before, _, after = around[at].partition(MARK)
    glued = text[words[at].start() : words[stop - 1].end()]
    filled = glued.removeprefix(before)
    start = words[at].start() + len(glued) - len(filled)
    filled = filled.removesuffix(after).rstrip(PUNCTUATION)
    if not filled or not (same or len(words) == len(around)):
        return None
    return Region(BLANK, start, start + len(filled))


def _bare(word: str) -> str:
    return word.casefold().strip(PUNCTUATION)


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
