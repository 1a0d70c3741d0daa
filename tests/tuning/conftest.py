from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from probekit.tuning.facts import ModelFacts
from probekit.tuning.plan import TunePlan

DIGEST = "5" * 64

DOCUMENT: dict[str, Any] = {
    "schema": "probekit.plan/1",
    "model": {"name": "minilm", "digest": DIGEST},
    "task": "deprel",
    "report": {"sha256": "a" * 64},
    "read": {"layers": [4], "mix": None, "pool": "mean"},
    "keep": 4,
    "train": [3, 4],
    "head": {"name": "linear", "options": {}},
    "schedule": {"name": "gradual", "epochs_each": 1},
    "rate": {"name": "slanted-triangular", "peak": 1e-4, "head_peak": 1e-3, "depth_factor": 0.9},
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
