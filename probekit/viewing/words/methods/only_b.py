"""Only b: the nearest neighbour of b, which has not seen the pair that it should be like [1]_.

What this floor solves was no analogy: the answer just lies beside the word it is asked of.

References
----------
.. [1] Rogers, Drozd & Li 2017, The (too many) problems of analogical reasoning with word vectors,
       https://aclanthology.org/S17-1017/
"""

from __future__ import annotations

from probekit.viewing.words.methods import Cosines, Method


def score(a: Cosines, a_star: Cosines, b: Cosines) -> Cosines:
    """Return ``cos(x, b)``."""
    return b


METHOD = Method("only-b", score, "Nearest to b.", "Rogers et al. 2017", floor=True)
