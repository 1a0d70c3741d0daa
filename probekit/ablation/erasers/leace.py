"""Erase by LEACE: the least change after which no linear reader of either kind of place beats a constant.

Labels are centred within each part and zero in the others. A covariance with them is then that of the part alone: it
vanishes in every part, and what tells parts apart is no part of the concept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.ablation.erasers import EraserKind, Labelled
from probekit.ablation.erasure import Eraser, leace
from probekit.ablation.erasure.leace import concept_of


def fit(parts: Sequence[Labelled]) -> tuple[Eraser, str]:
    """Fit one eraser to all parts."""
    concepts = [concept_of(part.codes, len(part.X)) for part in parts]  # [rows, classes] each
    Z = np.zeros((sum(map(len, concepts)), sum(concept.shape[1] for concept in concepts)))
    row = column = 0
    for concept in concepts:
        here = slice(row, row := row + len(concept)), slice(column, column := column + concept.shape[1])
        Z[here] = concept - concept.mean(0)
    return leace(np.concatenate([part.X for part in parts]), Z), ""


ERASER = EraserKind(
    "leace",
    fit,
    said="what a linear reader can know of the labels, by the least change",
    reference="Belrose et al. 2023, https://arxiv.org/abs/2306.03819",
)
