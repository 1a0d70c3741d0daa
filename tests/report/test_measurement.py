"""A measurement survives JSON whole, holds no NaN, and refuses what is not a measurement."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import InputError, UsageError
from probekit.report import ROLES, Layer, Measurement, join_layer, layer_order, split_layer

Make = Callable[..., Measurement]

LAYERS: list[Layer] = [None, 0, 12, "final", "encoder:0", "encoder:final", "decoder:12"]

layers = st.one_of(
    st.none(),
    st.integers(0, 200),
    st.just("final"),
    st.builds("{}:{}".format, st.sampled_from(["encoder", "decoder"]), st.one_of(st.integers(0, 99), st.just("final"))),
)
reals = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
counts = st.one_of(st.none(), st.integers(0, 2**40))
# A lone surrogate is no text and no file could hold it.
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.fixed_dictionaries(
        dict.fromkeys(("stage", "task", "model", "corpus", "split", "method", "metric", "note"), texts)
        | dict.fromkeys(("value", "low", "high", "level", "strength"), reals)
        | dict.fromkeys(("n", "n_groups", "seed"), counts)
        | {"layer": layers, "role": st.sampled_from(ROLES), "strength_name": st.one_of(st.none(), texts)}
        | {"pooling": st.one_of(st.none(), texts), "unit": st.one_of(st.none(), texts)}
    )
)
def test_json_gives_back_the_same_row(fields: dict[str, Any]) -> None:
    row = Measurement(**fields)
    text = json.dumps(row.to_json(), allow_nan=False)
    assert Measurement.from_json(json.loads(text)) == row


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_is_no_value(make_row: Make, value: float) -> None:
    assert make_row(value=value).value is None
    assert make_row(low=value).low is None


def test_an_unpenalised_fit_keeps_its_infinite_strength(make_row: Make) -> None:
    row = make_row(strength=math.inf)
    assert row.to_json()["strength"] == "inf"
    assert Measurement.from_json(row.to_json()).strength == math.inf


def test_numbers_of_numpy_become_numbers_of_python(make_row: Make) -> None:
    row = make_row(value=np.float32(0.5), layer=np.int64(3), n=np.int32(7))
    assert [type(value) for value in (row.value, row.layer, row.n)] == [float, int, int]
    json.dumps(row.to_json())


@pytest.mark.parametrize(
    "changes",
    [
        {"layer": "3"},
        {"layer": -1},
        {"layer": 1.0},
        {"layer": True},
        {"layer": "encoder"},
        {"layer": "encoder:"},
        {"layer": "encoder:03"},
        {"layer": "Final"},
        {"layer": ":3"},
        {"value": "0.9"},
        {"value": True},
        {"n": 2.5},
        {"n": True},
        {"task": None},
        {"pooling": 3},
        {"role": "Floor"},
        {"role": None},
    ],
)
def test_what_is_no_measurement_is_refused(make_row: Make, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(changes))):
        make_row(**changes)
    with pytest.raises(InputError, match=f"line 7: not a report row: {next(iter(changes))}"):
        Measurement.from_json({**make_row().to_json(), **changes}, where="line 7")


def test_a_strength_has_a_name_and_no_strength_none(make_row: Make) -> None:
    row = make_row(strength=3, strength_name="k")
    assert list(row.to_json())[15:18] == ["unit", "strength", "strength_name"]
    assert (row.strength_name, make_row(strength_name="k").strength_name) == ("k", None)


def test_unknown_and_missing_fields_are_named(make_row: Make) -> None:
    row = make_row().to_json()
    with pytest.raises(InputError, match="no field 'colour'"):
        Measurement.from_json({**row, "colour": "red"})
    del row["metric"]
    with pytest.raises(InputError, match="metric"):
        Measurement.from_json(row)
    with pytest.raises(InputError, match=r"object\. Got a list"):
        Measurement.from_json([1, 2])  # type: ignore[arg-type]


def test_layers_go_up_each_stack_with_final_on_top() -> None:
    mixed: list[Layer] = ["decoder:0", "final", 10, "encoder:final", None, 2, "encoder:10", "encoder:9"]
    assert sorted([10, "final", 2, None], key=layer_order) == [None, 2, 10, "final"]
    assert sorted(mixed, key=layer_order) == [
        None,
        2,
        10,
        "final",
        "encoder:9",
        "encoder:10",
        "encoder:final",
        "decoder:0",
    ]


@pytest.mark.parametrize("layer", LAYERS[1:])
def test_a_layer_taken_apart_is_put_together_again(layer: int | str) -> None:
    stack, place = split_layer(layer)
    assert place is not None
    assert join_layer(stack, place) == layer
