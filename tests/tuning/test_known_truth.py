"""What one layer alone says is learned from that layer, and from no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tuned_runs import cached, materials, plan_of, trainer_of

PLANTED = 2
SIGNAL = 3.0


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_a_head_reaches_what_is_planted_in_its_layer_alone(layer: int, tmp_path: Path) -> None:
    own = materials(on=True)
    # Labels drawn by a coin, so that no layer knows them; those of one layer are then written into its states.
    draw = np.random.default_rng(0)
    gold = draw.integers(0, len(own.data.classes), len(own.data.gold)).astype(np.int32)
    data = replace(own.data, gold=gold)
    cache = cached("bert")
    states = {number: np.array(cache.layer(number)) for number in range(4)}
    for target, code in enumerate(gold):
        first = data.first[data.table.example[target]]
        low, high = data.spans[target, 0] + first
        states[PLANTED][low:high, code] += SIGNAL

    class Planted:
        path = cache.path

        @staticmethod
        def layers() -> list[int]:
            return list(states)

        @staticmethod
        def layer(number: int) -> np.ndarray:
            return states[number]

    plan = plan_of(
        own, "head-only", f"read.layers={layer}", "rate.head_peak=0.03", "loop.epochs=8", "loop.patience=null"
    )
    trainer = trainer_of(replace_cache(own, Planted()), plan, tmp_path, data=data)
    trainer.fit()
    score = trainer.dev.value(trainer.predicted("dev"))
    assert (score > 0.9) is (layer == PLANTED)
    assert layer == PLANTED or score < 0.6


def replace_cache(own: object, cache: object) -> object:
    return replace(own, cache=cache)  # type: ignore[type-var]
