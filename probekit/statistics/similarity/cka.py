"""Debiased linear CKA: how far the same pairs of rows are alike in both, by their inner products [1]_ [2]_.

It is 0 on average where nothing is shared, however few the rows; a little below 0 as often as above.

References
----------
.. [1] Kornblith et al. 2019, Similarity of neural network representations revisited, https://arxiv.org/abs/1905.00414
.. [2] Nguyen, Raghu & Kornblith 2021, Do wide and deep networks learn the same things?,
       https://arxiv.org/abs/2010.15327 (the debiased estimate, after Song et al. 2012).
"""

from __future__ import annotations

from probekit.statistics.cross_sums import CrossSums
from probekit.statistics.similarity import Measure

MEASURE = Measure(
    "cka",
    CrossSums.of,
    CrossSums.cka,
    "Debiased linear CKA: inner products of rows.",
    "Kornblith et al. 2019; Nguyen et al. 2021",
    least=-1.0,
)
