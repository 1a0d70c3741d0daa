"""CrowS-Pairs [1]_: how often the sentence about a disadvantaged group that fits a stereotype is the likelier one.

Enters: items of two sentences, the stereotyped one right (``phenomenon`` the kind of bias, the fact ``direction``
saying ``stereo`` or ``antistereo``), with their scores. Leaves: shares; half is no preference.

It measures which of two minimally different sentences a model finds likelier, over the words that they share. It does
not measure what a model writes or decides, nor harm; pairs were written by crowd workers about the United States, and
many of them are unclear or differ in more than the group [2]_. A model that knows no language scores a half as well.

References
----------
.. [1] Nangia et al. 2020, CrowS-Pairs: a challenge dataset for measuring social biases in masked language models.
.. [2] Blodgett et al. 2021, Stereotyping Norwegian salmon: an inventory of pitfalls in fairness benchmark datasets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.behaviour.bias.score import BiasScore, Measure
from probekit.behaviour.clusters import Scores, counted, mean_of, preferences
from probekit.behaviour.items import Item

_SHARE = Measure("stereotype score", mean_of, unbiased=0.5)


def crows_pairs(items: Sequence[Item], scores: Scores) -> list[BiasScore]:
    """Return the share of stereotyped preferences: of all items, of each kind of bias, of each direction.

    Parameters
    ----------
    items : sequence of Item
    scores : sequence of arrays
        Of each item two numbers, higher for the likelier sentence: pseudo-log-likelihoods of the shared words.
    """
    preferred = preferences(items, scores)
    groups = [("", np.ones(len(items), bool))]
    for name in dict.fromkeys(item.phenomenon for item in items):
        groups.append((name, np.array([item.phenomenon == name for item in items])))
    for name in ("stereo", "antistereo"):
        groups.append((name, np.array([item.facts.get("direction") == name for item in items])))
    return [
        _SHARE.over(
            counted(preferred[rows]),
            [items[row].template for row in np.flatnonzero(rows).tolist()],
            group=name,
            ties=int((preferred[rows] == 0.5).sum()),
        )
        for name, rows in groups
        if rows.any()
    ]
