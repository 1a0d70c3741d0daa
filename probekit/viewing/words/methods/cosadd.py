"""3CosAdd: the candidate nearest to ``a* - a + b``, all vectors of unit length [1]_.

References
----------
.. [1] Mikolov, Yih & Zweig 2013, Linguistic regularities in continuous space word representations.
"""

from __future__ import annotations

from probekit.viewing.words.methods import Cosines, Method


def score(a: Cosines, a_star: Cosines, b: Cosines) -> Cosines:
    """Return ``cos(x, a*) - cos(x, a) + cos(x, b)``, which orders candidates as the cosine with the sum does."""
    return a_star - a + b


METHOD = Method("cosadd", score, "Nearest to a* - a + b.", "Mikolov et al. 2013")
