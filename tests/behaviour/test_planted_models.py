"""Models whose truth is known, read from disk and scored: who agrees with the head noun, who with the nearest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from agreeing_models import NOUNS, write_agreeing_model

from probekit import behave
from probekit.behaviour.items import Item, Sentence


def agreement() -> list[Item]:
    """Heads with none, one or two nouns behind them; an attractor is one of the other number."""
    items = []
    for head, number in NOUNS.items():
        for phrase in ([], *([noun] for noun in NOUNS), *([noun, other] for noun in NOUNS for other in NOUNS)):
            verbs = ("are", "is") if number > 0 else ("is", "are")
            before = " ".join(["the", head, *(word for noun in phrase for word in ("near", "the", noun))])
            facts = {
                "attractors": sum(NOUNS[noun] != number for noun in phrase),
                "misled": bool(phrase) and NOUNS[phrase[-1]] != number,
            }
            texts = tuple(Sentence(f"{before} {verb} old") for verb in verbs)
            items.append(Item(before, "agreement", "agreement", head, texts, 0, facts))
    return items


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("agreeing")
    return {name: write_agreeing_model(folder / name, nearest=name == "nearest") for name in ("head-noun", "nearest")}


def test_the_nearest_noun_fails_exactly_the_items_that_mislead_it(models: dict[str, Path]) -> None:
    items = agreement()
    report = behave(items, models["nearest"], device="cpu", keep=False)
    failed = {row["id"] for row in report.items if row["credits"]["causal of nearest"] == 0}
    assert failed == {item.id for item in items if item.facts["misled"]}
    assert {row["credits"]["causal of nearest"] for row in report.items} == {0.0, 1.0}


def test_the_head_noun_passes_all_and_shuffled_labels_are_at_chance(models: dict[str, Path]) -> None:
    items = agreement()
    assert behave(items, models["head-noun"], device="cpu", keep=False).accuracy() == 1
    rng = np.random.default_rng(0)
    shuffled = [replace(item, right=int(rng.integers(2)), template=item.id) for item in items]
    report = behave(shuffled, models["head-noun"], device="cpu", keep=False)
    row = next(row for row in report.rows if row.metric == "accuracy" and row.role == "estimator")
    assert row.low is not None
    assert row.high is not None
    assert 0 < row.low <= 0.5 <= row.high < 1
