"""Supersense of each word: the coarse meaning of a noun, verb or adposition (``n.PERSON``, ``v.motion``, ``p.Goal``).

``supersense`` asks it of all that have one, ``supersense:noun``, ``supersense:verb`` and ``supersense:adposition`` of
one class; an adposition's supersense is its role in the scene, and ``supersense:function`` asks what it means by
itself. Of a multiword expression the first word bears the label. Words without one, and those marked as
unintelligible or as no adposition (``??``, ```$``), are left out. The corpus must have it (STREUSLE, CC BY-SA 4.0).
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets

_PREFIXES = {"all": ("n.", "v.", "p."), "noun": ("n.",), "verb": ("v.",), "adposition": ("p.",), "function": ("p.",)}


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the supersense of every word of the class that has one."""
    labels = example.annotations["function" if option == "function" else "supersense"]
    prefixes = _PREFIXES[option]
    return word_targets(example, [label if label and label.startswith(prefixes) else None for label in labels])


TASK = ProbeTask(
    "supersense",
    targets,
    option="all, noun, verb, adposition or function",
    default_option="all",
    choices=tuple(_PREFIXES),
    needs_of=lambda option: ("function",) if option == "function" else ("supersense",),
    joined_by="conllulex:FOLDER",
    reference="Schneider & Smith 2015, A corpus and model integrating multiword expressions and supersenses",
)
