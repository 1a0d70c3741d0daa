"""How an analogy is answered: one file a method, found by scanning this folder.

A file sets ``METHOD = Method(name, score, help, reference)``; the file is its own registration. Enters: of the question
``a is to a* as b is to ?`` the cosines of its three words with every candidate. Leaves: a score of every candidate; the
highest is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.registry import Registry

Cosines = NDArray[np.float64]
"""Of one question word with every candidate, [questions, candidates]."""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to answer analogies.

    Attributes
    ----------
    name : str
        What the user types.
    score : callable
        ``score(a, a_star, b)`` gives a score of every candidate from three arrays of cosines.
    help : str
        One line.
    reference : str
    floor : bool
        It does not look at the whole question: what is reached without solving it.
    """

    name: str
    score: Callable[[Cosines, Cosines, Cosines], Cosines]
    help: str
    reference: str
    floor: bool = False


METHODS = Registry("method", Method, attribute="METHOD", group="probekit.analogies", home=__name__)


def methods_of(names: Sequence[str] | None) -> Mapping[str, Method]:
    """Return the methods that are named, those that are floors always; None: every one.

    Raises
    ------
    UsageError
        A name that is no method.
    """
    known = METHODS.members()
    wanted = known if names is None else {name: METHODS.get(name, "methods") for name in names}
    return {**wanted, **{name: method for name, method in known.items() if method.floor}}
