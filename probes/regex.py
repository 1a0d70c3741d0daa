"""Whether a regular expression is found in each word: ``regex:^[A-Z]``, ``regex:ing$``.

The expression is Python's, case and all; labels are ``yes`` and ``no``. The form alone decides, so the control task
and the word-type floor say how much of a score is memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from probekit.errors import UsageError
from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import word_targets


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield whether the expression is found, for every word."""
    search = compiled(option).search
    return word_targets(example, ["yes" if search(word) else "no" for word in example.words])


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile an expression.

    Raises
    ------
    UsageError
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        at = "" if error.pos is None else f", at character {error.pos + 1}"
        raise UsageError(
            f"'{pattern}' is not a regular expression: {error.msg}{at}. Correct regex:{pattern}."
        ) from None


def needs_of(option: str) -> tuple[str, ...]:
    """Check the expression; it reads no annotation."""
    compiled(option)
    return ()


TASK = ProbeTask(
    "regex",
    targets,
    option="expression",
    needs_of=needs_of,
    trial="[aeiou]{2}",
    reference="Kaushal & Mahowald 2022, What do tokens know about their characters and how do they know it?",
)
