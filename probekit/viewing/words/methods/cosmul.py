"""3CosMul: near to ``a*`` and to ``b``, far from ``a``, each in proportion [1]_.

Cosines are moved to between 0 and 1, so that none turns a sign; :data:`EPSILON` keeps the quotient finite.

References
----------
.. [1] Levy & Goldberg 2014, Linguistic regularities in sparse and explicit word representations,
       https://aclanthology.org/W14-1618/
"""

from __future__ import annotations

from probekit.viewing.words.methods import Cosines, Method

EPSILON = 0.001


def score(a: Cosines, a_star: Cosines, b: Cosines) -> Cosines:
    """Return ``cos(x, a*) cos(x, b) / (cos(x, a) + EPSILON)`` of moved cosines."""
    return ((1 + a_star) / 2) * ((1 + b) / 2) / ((1 + a) / 2 + EPSILON)


METHOD = Method("cosmul", score, "Products of similarities in the place of sums.", "Levy & Goldberg 2014")
