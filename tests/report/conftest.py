"""Reports made by hand: a score per layer, with everything that stands beside it switchable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from probekit.report import Layer, LayerReport, Measurement

FLOORS = {"majority": 0.17, "word_type": 0.86, "word_type_seen": 0.91, "word_type_unseen": 0.33}


def row(**changes: Any) -> Measurement:
    fields = {"stage": "probe", "task": "pos", "model": "minilm", "corpus": "ewt", "split": "test", "layer": 3}
    whole = {**fields, "method": "logistic", "role": "estimator", "metric": "accuracy", "value": 0.9}
    return Measurement(**{**whole, **changes})


def report(
    scores: Mapping[Layer, float] | Sequence[float] = (0.8, 0.9, 0.95, 0.93),
    *,
    dev: Mapping[Layer, float] | Sequence[float] | None = None,
    control: Sequence[int] = (0,),
    half: float | None = 0.01,
    floors: Mapping[str, float] = FLOORS,
    n: int = 25094,
    **provenance: Any,
) -> LayerReport:
    """Test scores by layer, dev scores (the same unless given), control seeds, half width of intervals."""
    names = {key: provenance.pop(key) for key in ("task", "model", "corpus") if isinstance(provenance.get(key), str)}
    test = dict(enumerate(scores)) if not isinstance(scores, Mapping) else dict(scores)
    if dev is None:
        dev = test
    by_split = {"dev": dict(enumerate(dev)) if not isinstance(dev, Mapping) else dict(dev), "test": test}
    rows = []

    def add(value: float, **changes: Any) -> None:
        ends = {} if half is None else {"low": value - half, "high": value + half, "level": 0.95}
        rows.append(row(**{"value": value, "n": n, "n_groups": 316, **ends, **names, **changes}))

    for split, curve in by_split.items():
        for layer, value in curve.items():
            add(value, split=split, layer=layer, strength=1.0, strength_name="C")
            add(value - 0.1, split=split, layer=layer, metric="macro_f1")
            for seed in control:
                chance = 0.5 if split == "test" else 0.4
                add(chance + seed / 100, split=split, layer=layer, method="control", role="control", seed=seed)
                gained = {"method": "selectivity", "role": "difference"}
                add(value - chance - seed / 100, split=split, layer=layer, seed=seed, **gained)
    for method, value in floors.items():
        # Forms seen in training, or not, are a part of the targets.
        add(value, layer=None, method=method, role="floor", n=n // 2 if "seen" in method else n)
    head: dict[str, Any] = {
        "task": names.get("task", "pos"),
        "model": {"name": names.get("model", "minilm")},
        "corpus": {"name": names.get("corpus", "ewt"), "fingerprint": f"of {names.get('corpus', 'ewt')}"},
        "cache": "/somewhere",
        "settings": {"estimator": "logistic", "metric": "accuracy", "kind": "word", "unit": "document"},
    }
    return LayerReport(rows, {**head, **provenance})


@pytest.fixture
def make_row() -> Callable[..., Measurement]:
    return row


@pytest.fixture
def make_report() -> Callable[..., LayerReport]:
    return report
