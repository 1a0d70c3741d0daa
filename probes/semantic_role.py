"""Semantic role of an argument, both given: a pair (predicate, span of the argument).

PropBank's roles as annotated: ``ARG0``, ``ARGM-TMP``, the continued ``C-ARG1`` and the relative ``R-ARG0`` too. The
corpus must have ``roles`` (English Web Treebank of PropBank, CC BY-SA 4.0; the built-in language).
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import spans_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the role of every argument of every predicate."""
    for predicate, arguments in enumerate(example.annotations["roles"]):
        for argument in arguments or ():
            places = (predicate, predicate + 1), (argument.start, argument.stop)
            yield spans_target(example, places, argument.label)


TASK = ProbeTask(
    "semantic-role",
    targets,
    kind="pair",
    needs=("roles",),
    joined_by="propbank:FOLDER",
    reference="Tenney et al. 2019, What do you learn from context? Probing for sentence structure",
)
