"""How generic a predicate or an argument is, as a number, in six bins of the training part.

``genericity:arg-kind``: does the argument speak of a kind of thing; ``arg-abstract``; ``arg-particular``;
``genericity:pred-dynamic``: does something happen; ``pred-hypothetical``; ``pred-particular``. The corpus must
have ``genericity``, joined with ``--annotations`` (UDS 2.0, CC BY-SA 4.0). Words without the number are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield the number of every word that has it."""
    return word_targets(example, [(values or {}).get(option) for values in example.annotations["genericity"]])


TASK = ProbeTask(
    "genericity",
    targets,
    needs=("genericity",),
    option="property",
    choices=("arg-kind", "arg-abstract", "arg-particular", "pred-dynamic", "pred-hypothetical", "pred-particular"),
    bins=6,
    joined_by="uds:FOLDER",
    reference="Govindarajan, Van Durme & White 2019, Decomposing generalization",
)
