from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from probekit.report import LayerReport, Measurement
from probekit.tuning.facts import ModelFacts
from probekit.tuning.plan import TunePlan

DIGEST = "5" * 64

DOCUMENT: dict[str, Any] = {
    "schema": "probekit.plan/1",
    "model": {"name": "minilm", "digest": DIGEST, "folder": None},
    "task": "deprel",
    "report": {"sha256": "a" * 64},
    "read": {"layers": [4], "mix": None, "pool": "mean", "beside": None},
    "keep": 4,
    "train": [3, 4],
    "head": {"name": "linear", "options": {}},
    "modules": [],
    "schedule": {"name": "gradual", "epochs_each": 1},
    "rate": {"name": "slanted-triangular", "peak": 1e-4, "head_peak": 1e-3, "depth_factor": 0.9},
    "close": [],
    "signals": [],
    "first": [],
    "slices": [],
    "loop": {
        "epochs": 5, "batch_tokens": 1024, "accumulate": 1, "clip": 1.0, "patience": 3, "seed": 0,
        "weight_decay": 0.01, "precision": "float32",
    },
    "why": [{"field": "keep", "text": "the peak is at 3", "evidence": {"dev": [0.71, 0.83]}}],
}  # fmt: skip


@pytest.fixture
def document() -> dict[str, Any]:
    """The JSON of a plan, every field of it."""
    import copy

    return copy.deepcopy(DOCUMENT)


@pytest.fixture
def plan(document: dict[str, Any]) -> TunePlan:
    return TunePlan.from_json(document)


@pytest.fixture
def make_facts() -> Callable[..., ModelFacts]:
    """Facts of a model of six blocks; ``changes`` replace some."""

    def make(**changes: Any) -> ModelFacts:
        n = changes.pop("n_layers", 6)
        return ModelFacts(
            **{
                "name": "minilm",
                "digest": DIGEST,
                "n_layers": n,
                "width": 384,
                "parameters_by_depth": (1000, *[100] * n),
                "has_final": False,
                **changes,
            }
        )

    return make


def report(
    dev: Sequence[float] | Mapping[int | str, float],
    *,
    test: Mapping[int | str, float] | None = None,
    not_worse: Sequence[int | str] | None = None,
    floor: float | None = 0.2,
    mix: Mapping[int, float] | None = None,
    mix_dev: float = 0.0,
    reach: float = 0.06,
    **settings: Any,
) -> LayerReport:
    """Dev scores by layer, a floor, weights of a mix; not_worse None: not tested; reach: half an interval."""
    curve = dict(dev) if isinstance(dev, Mapping) else dict(enumerate(dev))
    names = {"stage": "probe", "task": "deprel", "model": "minilm", "corpus": "ewt"}

    def row(value: float, **changes: Any) -> Measurement:
        usual = {"split": "dev", "layer": None, "method": "logistic", "role": "estimator", "metric": "accuracy"}
        ends = {"low": value - reach, "high": value + reach, "level": 0.95, "n": 900}
        return Measurement(value=value, **{**names, **usual, **ends, **changes})

    rows = [row(value, layer=layer) for layer, value in curve.items()]
    rows += [row(value, layer=layer, split="test") for layer, value in (test or curve).items()]
    if floor is not None:
        rows += [row(floor, method="majority", role="floor", split=split) for split in ("dev", "test")]
        rows.append(row(floor / 2, method="word_type_unseen", role="floor", n=30))
    if mix is not None:
        shared = {"method": "scalar_mix", "role": "companion"}
        rows += [row(weight, layer=layer, split="train", metric="weight", **shared) for layer, weight in mix.items()]
        close = {"low": mix_dev - 0.01, "high": mix_dev + 0.01}
        rows += [row(mix_dev, split=split, **close, **shared) for split in ("dev", "test")]
        rows.append(row(0.9, method="scalar_mix", role="difference"))
    tests = None
    if not_worse is not None:
        tests = {"split": "dev", "metric": "accuracy", "level": 0.95, "not_worse": list(not_worse), "neighbours": []}
    head = {
        "task": "deprel",
        "model": {"name": "minilm", "weights": DIGEST},
        "corpus": {"name": "ewt"},
        "settings": {"estimator": "logistic", "metric": "accuracy", "kind": "word", "pool": "mean", **settings},
        "tests": tests,
    }
    return LayerReport(tuple(rows), head)


@pytest.fixture
def make_report() -> Callable[..., LayerReport]:
    return report
