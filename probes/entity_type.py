"""Type of an entity whose words are given: a span (``person``, ``place``).

The corpus must have the spans ``entities`` (GUM and LitBank, nested and with common nouns and pronouns; column files
with ``ner``, names alone).
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import spans_target


def targets(example: Example) -> Iterator[Target]:
    """Yield the type of every entity."""
    for entity in example.spans["entities"]:
        yield spans_target(example, ((entity.start, entity.stop),), entity.label)


TASK = ProbeTask(
    "entity-type",
    targets,
    kind="span",
    needs=("entities",),
    joined_by="iob2:FOLDER or litbank:ARCHIVE",
    reference="Tenney et al. 2019, What do you learn from context? Probing for sentence structure",
)
