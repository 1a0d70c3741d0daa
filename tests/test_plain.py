"""Values as people have them at hand: of numpy, torch and pandas, ranges, paths; each is its plain form or an error."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from probekit import plain
from probekit.corpus import Corpus, Example, Span, open_corpus
from probekit.errors import UsageError
from probekit.extraction.request import Request
from probekit.probing.settings import Settings
from probekit.sites import parse_layers
from probekit.tasks import ProbeTask, Target


class Number(enum.IntEnum):
    THREE = 3


class Name(enum.StrEnum):
    MEAN = "mean"


class Place:
    """A path that is no `pathlib.Path`."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)

    def __fspath__(self) -> str:
        return self.path


THREES = [
    3,
    np.int64(3),
    np.uint8(3),
    np.array(3),
    torch.tensor(3),
    pd.array([3], dtype="Int64")[0],
    pd.Series([3])[0],
    Number.THREE,
]
NO_NUMBER = [
    True,
    np.bool_(True),
    torch.tensor(True),
    3.0,
    np.float64(3),
    float("nan"),
    pd.NA,
    "3",
    None,
    [3],
    np.array([3]),
]


@pytest.mark.parametrize("three", THREES)
def test_a_whole_number_is_one_whoever_holds_it(three: Any) -> None:
    assert type(plain.whole(three, "seed", least=0)) is int
    assert plain.whole(three, "seed", least=0) == 3
    assert Settings(seed=three, control_seeds=three, ranks=(three,), layers=(three,)) == Settings(
        seed=3, control_seeds=3, ranks=(3,), layers=(3,)
    )


@pytest.mark.parametrize("wrong", NO_NUMBER)
def test_what_is_no_whole_number_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="`seed` option must be a whole number"):
        plain.whole(wrong, "seed", least=0)


@pytest.mark.parametrize(
    "layers",
    [
        [0, np.int64(3)],
        (3, 0, 0),
        {0, 3},
        range(0, 4, 3),
        np.array([0, 3]),
        torch.tensor([0, 3]),
        pd.Series([0, 3]),
        pd.array([0, 3], dtype="Int64"),
        iter([0, 3]),
        ["0", 3],
        np.array(["0", "3"]),
        "0,3",
        " 3, 0-0",
        {0: "a", 3: "b"}.keys(),
    ],
)
def test_layers_of_any_kind_are_all_there(layers: Any) -> None:
    assert parse_layers(layers) == (0, 3)


def test_one_layer_is_a_list_of_one() -> None:
    assert parse_layers(np.int64(3)) == parse_layers(3) == parse_layers("3") == (3,)
    assert parse_layers(["final", torch.tensor(1)]) == (1, "final")


@pytest.mark.parametrize(
    "layers",
    [
        [0, 3.0],
        [True],
        True,
        [0, None],
        [-1],
        [0, np.nan],
        ["0", "last"],
        [],
        "",
        "3-0",
        2.5,
        None,
        [[0]],
        {0: 3},
        b"0",
    ],
)
def test_what_is_no_layer_is_refused_and_not_left_out(layers: Any) -> None:
    with pytest.raises(UsageError, match="`layers` option must be"):
        parse_layers(layers)


def test_an_option_of_probe_may_be_odd_as_long_as_it_is_plain() -> None:
    odd = Settings(
        task=np.str_("pos"),
        pool=Name.MEAN,
        pair=np.array("concat"),  # type: ignore[arg-type]
        fast=np.bool_(True),  # type: ignore[arg-type]
        max_ram=np.float32(2),  # type: ignore[arg-type]
        device=torch.device("cpu"),  # type: ignore[arg-type]
        also="strengths",  # type: ignore[arg-type]
        ranks=np.array([8, 64]),  # type: ignore[arg-type]
    )
    same = Settings(task="pos", fast=True, max_ram=2.0, device="cpu", also=("strengths",), ranks=(8, 64))
    assert odd == same
    assert odd.to_json() == same.to_json()
    assert type(odd.pool) is type(odd.pair) is str


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("fast", (1, "no")),
        ("max_ram", (float("nan"), True, "2")),
        ("also", ({"strengths"}, [1])),
        ("ranks", ("8", (8, 8), (8, 0), {8})),
        ("seed", (-1, 0.0)),
        ("device", ("cud", 3)),
        ("pool", (3, None)),
        ("task", (None, 1)),
    ],
)
def test_an_option_of_probe_that_means_nothing_is_refused(option: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(UsageError, match=option):
            Settings(**{option: value})


def test_an_option_of_extract_may_be_odd_as_long_as_it_is_plain(tmp_path: Path) -> None:
    odd = Request.build(
        Place("m"),
        [["a"]],
        layers=np.array([0]),
        dtype=torch.bfloat16,  # type: ignore[arg-type]
        store=np.float32,  # type: ignore[arg-type]
        device=torch.device("cpu"),  # type: ignore[arg-type]
        batch_tokens=np.int32(8),  # type: ignore[arg-type]
        subsample=torch.tensor(5),  # type: ignore[arg-type]
        shard=np.array([1, 2]),  # type: ignore[arg-type]
        cache=Place(tmp_path),
    )
    assert odd == Request.build(
        Path("m"),
        [["a"]],
        layers=[0],
        dtype="bfloat16",
        store="float32",
        device="cpu",
        batch_tokens=8,
        subsample=5,
        shard=(1, 2),
        cache=tmp_path,
    )


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1, 0), (-1, 2), (1,), (1, 2, 3), (1.0, 2), (True, 2), "1/2", 1])
def test_a_part_that_there_is_not_is_refused(shard: Any) -> None:
    with pytest.raises(UsageError, match=r"`shard` option must be two whole numbers \(i, n\) with 1 <= i <= n"):
        Request.build("m", [["a"]], shard=shard)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("model", (3, "", None, "a\0b")),
        ("dtype", (torch.int8, 32, "flaot32")),
        ("max_length", (3, 8.0)),
        ("random_weights", (True, -1)),
        ("subsample", (0, float("nan"))),
        ("revision", (1,)),
        ("mixed", (0,)),
        ("cache", (3, "")),
        ("store", (None,)),
    ],
)
def test_an_option_of_extract_that_means_nothing_is_refused(option: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(UsageError, match=option):
            Request.build(**{"model": "m", "corpus": [["a"]], option: value})


def test_a_corpus_of_arrays_is_one_of_lists() -> None:
    plainly = list(Corpus.from_words([["a", "b"], ["c", "d"]]))
    for odd in (
        np.array([["a", "b"], ["c", "d"]]),
        pd.Series([["a", "b"], ("c", "d")]),
        iter([["a", "b"], ["c", "d"]]),
    ):
        found = list(open_corpus(odd))
        assert found == plainly
        assert {type(word) for example in found for word in example.words} == {str}


@pytest.mark.parametrize("spec", [np.array("grammar:n=3"), Name("mean"), Place("mean")])
def test_the_name_of_a_corpus_is_read_whoever_holds_it(
    spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mean").mkdir()
    Path("mean/a.txt").write_text("a b\n")
    assert next(iter(open_corpus(spec))).words


def test_an_example_is_made_plain() -> None:
    odd = Example(
        7,  # type: ignore[arg-type]
        ["a", np.str_("b")],  # type: ignore[arg-type]
        annotations={"head": np.array([-1, 0]), "upos": ["X", "Y"], "year": 1999},
        spans={"ner": [(np.int64(0), 2, "PER"), Span(1, 2, "LOC")]},  # type: ignore[dict-item]
    )
    assert odd == Example(
        "7",
        ("a", "b"),
        annotations={"head": (-1, 0), "upos": ("X", "Y"), "year": 1999},
        spans={"ner": (Span(0, 2, "PER"), Span(1, 2, "LOC"))},
    )
    assert [type(value) for value in odd.annotations["head"]] == [int, int]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Example("x", "ab"), "`words` option must be a list of words"),  # type: ignore[arg-type]
        (lambda: Example("x", ("a", 1)), "`words` option must be"),  # type: ignore[arg-type]
        (lambda: Example("x", ("a",), annotations={"upos": ["X", "Y"]}), "'upos' has 2 values for 1 words"),
        (lambda: Example("x", ("a",), spans={"ner": [(0, 1)]}), "`spans` option must be"),  # type: ignore[dict-item]
        (lambda: Example(None, ("a",)), "`id` option must be"),  # type: ignore[arg-type]
        (lambda: Span(2, 1, "x"), "range of words"),
        (lambda: Span(0, 1.0, "x"), "`stop` option must be"),  # type: ignore[arg-type]
        (lambda: Target("ab", "x"), "`spans` option must be"),  # type: ignore[arg-type]
        (lambda: Target(((0, 1.5),), "x"), "`spans` option must be"),  # type: ignore[arg-type]
        (lambda: Target(((0, 1),), "x", 3), "`key` option must be"),  # type: ignore[arg-type]
        (lambda: ProbeTask("x", None), "`targets` option must be a function"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_example_or_target_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_a_target_is_made_plain() -> None:
    assert Target(np.array([[0, 2]]), "x", ["a", "b"]) == Target(((0, 2),), "x", ("a", "b"))  # type: ignore[arg-type]
    assert Target((0, 2), "x") == Target(((0, 2),), "x")  # type: ignore[arg-type]
    assert ProbeTask("x", print, needs="upos").needs == ("upos",)  # type: ignore[arg-type]


def test_paths_of_any_kind_are_one() -> None:
    assert os.fspath(plain.path(Place("a/b"), "out")) == os.path.join("a", "b")
    assert plain.paths("a", "probes") == plain.paths([Path("a")], "probes") == (Path("a"),)
    for wrong in (3, b"a", "", "a\0b", None, ["a"]):
        with pytest.raises(UsageError, match="`out` option must be a path"):
            plain.path(wrong, "out")
