"""Each data set holds as many items as its authors say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from probekit.behaviour import open_suite

COUNTS = {
    "blimp/anaphor_number_agreement": (1_000, 0),
    # Two pairs of the 1,000 are one sentence twice.
    "blimp/passive_1": (998, 2),
    "gulordava": (410, 0),
    # Of 7,489, four have one form twice.
    "linzen": (7_485, 4),
    "clams/simple_agrmt": (140, 0),
    # 34 predictions, 34 rows of NEG-136 read twice, 44 pairs of ROLE-88.
    "lm_diagnostics": (34 + 2 * 34 + 44, 0),
    "crows_pairs": (1_508, 0),
    "winobias/pro_stereotyped_type1.txt.*": (792, 0),
    "winogender": (720, 0),
    "winograd:scoring=full": (273 + 60 + 564 + 1_316, 0),
}


@pytest.mark.parametrize("spec", sorted(COUNTS))
def test_a_data_set_is_read_whole(spec: str, data: Path) -> None:
    opened = open_suite(spec)
    assert (len(opened.items), len(opened.skipped)) == COUNTS[spec]


def test_attractors_of_linzen_are_those_of_its_authors(data: Path) -> None:
    opened = open_suite("linzen")
    attractors = Counter(item.facts["attractors"] for item in opened.items)
    assert sum(attractors.values()) + len(opened.skipped) == 7_489
    assert sorted(attractors) == [0, 1, 2, 3, 4]


def test_gulordava_is_forty_one_sentences_and_nine_nonce_ones_of_each(data: Path) -> None:
    items = open_suite("gulordava").items
    assert Counter(item.phenomenon for item in items) == {"original": 41, "nonce": 369}
    assert set(Counter(item.template for item in items).values()) == {10}
