"""One grammar of places: what is read is what is printed, and nothing else is a place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probekit
from probekit.errors import UsageError
from probekit.sites import (
    INSIDE,
    KINDS,
    MOST_LAYERS,
    SINGLE,
    STACKS,
    Site,
    parse_layers,
    read_label,
    read_site,
    read_tensor,
    site_of,
    split_stack,
    tensor_name,
)

numbers = st.integers(0, MOST_LAYERS - 1)
sites = st.builds(
    lambda kind, number, stack: Site(kind, 0 if kind in SINGLE else max(number, int(kind in INSIDE)), stack),
    st.sampled_from(KINDS),
    numbers,
    st.sampled_from(STACKS),
)


@given(sites)
def test_a_place_is_read_as_it_was_printed(site: Site) -> None:
    assert read_tensor(site.tensor) == read_label(site.label) == site
    assert read_site(site.tensor) == read_site(str(site.label)) == site
    assert split_stack(site.tensor)[0] == site.stack


SPELLINGS = r"(encoder|decoder)?[.:]?(layer|final|mlp)?[.:]?[0-9]*(\.heads)?"


@given(st.one_of(st.text(), st.from_regex(SPELLINGS, fullmatch=True)))
def test_each_place_has_one_spelling_as_a_tensor_and_one_in_reports(text: str) -> None:
    assert (tensor := read_tensor(text)) is None or tensor.tensor == text
    assert (label := read_label(text)) is None or label.label == text


@given(st.lists(sites))
def test_places_go_up_each_stack_with_final_on_top(some: list[Site]) -> None:
    ordered = sorted(some, key=lambda site: site.order)
    keys = [(STACKS.index(site.stack), site.kind == "final", site.number, site.kind == "layer") for site in ordered]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "layer", "layer.3x", "layer.10000", "encoder", "encoder:", ":3", "Final", -1, 1.0, True),
        *("0.mlp", "mlp.00", "3.layer", "final.heads"),
    ],
)
def test_what_is_no_place_is_none(wrong: Any) -> None:
    assert read_site(wrong) is None
    with pytest.raises(UsageError, match="A place in a model"):
        site_of(wrong)


def test_a_spelling_that_is_not_printed_is_read_where_people_type() -> None:
    assert read_site("07") == read_site(np.int64(7)) == Site("layer", 7)
    assert read_label("07") is read_label("7") is read_tensor("layer.7") is read_tensor("layer.007") is None
    assert tensor_name(7, "decoder") == "decoder.layer.07"
    with pytest.raises(UsageError, match="Got 'encoder:3'"):
        parse_layers("encoder:3")


def test_places_inside_of_a_block() -> None:
    assert [Site(kind, 3).label for kind in INSIDE] == [f"3.{kind}" for kind in INSIDE]
    assert read_site("decoder:3.heads") == read_site("decoder.heads.03") == Site("heads", 3, "decoder")
    assert read_label("heads.03") is read_tensor("3.heads") is None
    some = [Site("layer", 2), Site("layer", 1), Site("mlp", 2), Site("heads", 2)]
    ordered = sorted(some, key=lambda site: site.order)
    assert [site.label for site in ordered] == [1, "2.heads", "2.mlp", 2]
    for wrong in ("3.heads", "1,heads.02"):
        with pytest.raises(UsageError, match="`layers` option"):
            parse_layers(wrong)


def test_no_other_file_spells_a_place() -> None:
    package = Path(probekit.__file__).parent
    spelling = re.compile(r"""f?["'](?:layer\.|\(?encoder\|)|["'](?:encoder|decoder)[.:]["']|:02d}""")
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        if path.name != "sites.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if spelling.search(line)
    ]
    assert found == []
