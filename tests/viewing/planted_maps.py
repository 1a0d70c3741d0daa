"""Planted vectors, and a report of a map without a cache."""

from __future__ import annotations

import numpy as np

from probekit import Measurement
from probekit.viewing import MapReport

DRAW = np.random.default_rng(0)
LABELS = np.arange(120) % 2
CLUSTERS = (DRAW.normal(size=(120, 12)) + 6 * LABELS[:, None] * np.eye(12)[3]).astype(np.float32)


def report_of(words: list[str], layers: tuple[int, ...] = (0, 3)) -> MapReport:
    """A report without a cache: two clusters of some words."""
    n = len(words)
    places = {"x": CLUSTERS[:n, 3].tolist(), "y": CLUSTERS[:n, 0].tolist()}
    rows = tuple(
        Measurement(stage="view-map", task="pos", model="m", corpus="c", split="train", layer=layer, method="pca",
                    role="companion", metric=metric, value=0.5, n=n)
        for layer in layers for metric in ("trustworthiness", "continuity")
    )  # fmt: skip
    labels = [("NOUN", "VERB")[label] for label in LABELS[:n]]
    provenance = {
        "task": "pos", "model": {"name": "m"}, "corpus": {"name": "c"},
        "settings": {"method": "pca", "by": "label", "split": "train", "things": "words", "neighbours": 5, "seed": 0,
                     "fitted_to": "the training part"},
        "points": {"label": labels, "value": labels, "split": ["train"] * n, "word": words,
                   "sentence": ["s0"] * n, "spans": [[[place, place + 1]] for place in range(n)]},
        "places": {str(layer): places for layer in layers}, "sentences": {"s0": words}, "turned": {}, "notes": [],
    }  # fmt: skip
    return MapReport(rows, provenance)
