"""How much an argument has a property of agents or patients: a pair (predicate, head of the argument).

``proto-role:volition`` and 17 others; the number is cut into six bins of the training part. The corpus must have
``protoroles``, joined with ``--annotations`` (UDS 2.0, CC BY-SA 4.0). Pairs without the number are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import pair_target

PROPERTIES = (
    "awareness",
    "change_of_location",
    "change_of_possession",
    "change_of_state",
    "change_of_state_continuous",
    "existed_after",
    "existed_before",
    "existed_during",
    "instigation",
    "location",
    "manner",
    "partitive",
    "purpose",
    "sentient",
    "time",
    "volition",
    "was_for_benefit",
    "was_used",
)


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the number of every pair that has it."""
    for predicate, arguments in enumerate(example.annotations["protoroles"]):
        for argument, values in arguments or ():
            if option in values:
                yield pair_target(example, predicate, argument, values[option])


TASK = ProbeTask(
    "proto-role",
    targets,
    kind="pair",
    needs=("protoroles",),
    option="property",
    choices=PROPERTIES,
    bins=6,
    joined_by="uds:FOLDER",
    reference="Reisinger et al. 2015, Semantic proto-roles; White et al. 2020, The universal decompositional semantics",
)
