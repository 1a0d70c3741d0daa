"""Layers beyond --max-ram: the same report, and nothing left behind."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model

from probekit import ActivationCache, extract, probe
from probekit.cache.reader import LayerView
from probekit.errors import ResourceError
from probekit.features import Pooler
from probekit.features.pooling import zeros, zeros_like


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=60", overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


@pytest.mark.parametrize(("task", "options"), [("pos", {}), ("arc", {"pair": "product"}), ("tree-distance", {})])
def test_a_layer_in_a_file_gives_the_same_report(
    cache: ActivationCache, task: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    in_files = []
    monkeypatch.setattr("probekit.features.pooling.np.memmap", _noting(in_files))
    held = probe(task, on=cache, layers="0,1", fast=True, **options)  # type: ignore[arg-type]
    assert in_files == []
    mapped = probe(task, on=cache, layers="0,1", fast=True, max_ram=1e-7, **options)  # type: ignore[arg-type]
    assert len(in_files) >= 2
    assert {Path(name).parent for name in in_files} == {cache.path.parent}
    assert mapped.rows == held.rows
    assert [path.name for path in cache.path.parent.iterdir() if path.name.startswith(".probekit-")] == []


def _noting(names: list[str]) -> type[np.memmap]:
    class Noted(np.memmap):
        def __new__(cls, name: str, *args: object, **options: object) -> Noted:
            names.append(name)
            return super().__new__(cls, name, *args, **options)  # type: ignore[call-overload]

    return Noted


def test_a_folder_that_cannot_hold_it_is_an_error_before_anything_is_fitted(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"temporary file in .*nowhere.*TMPDIR"):
        zeros((2, 2), tmp_path / "nowhere")
    with pytest.raises(ResourceError, match="GB does not go into"):
        zeros((1 << 40, 1 << 10), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_a_matrix_lies_its_copies_lie(tmp_path: Path) -> None:
    X = zeros((4, 3), tmp_path)
    assert isinstance(zeros_like(X[1:], (2, 2)), np.memmap)
    assert not isinstance(zeros_like(np.zeros((1, 1), np.float32), (2, 2)), np.memmap)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("task", "estimator"), [("pos", "logistic"), ("position", "ridge"), ("tree-distance", None)])
def test_a_large_layer_is_let_go_before_the_next_one_is_read(
    cache: ActivationCache, task: str, estimator: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {} if estimator is None else {"estimator": estimator}
    alive = _alive_when_read(monkeypatch)
    ahead = probe(task, on=cache, layers="0,1,2", fast=True, **options)  # type: ignore[arg-type]
    assert max(alive) == 1
    alive.clear()
    monkeypatch.setattr("probekit.probing.dataset.READ_AHEAD", 0)
    one_by_one = probe(task, on=cache, layers="0,1,2", fast=True, **options)  # type: ignore[arg-type]
    assert alive == [0, 0, 0]
    assert one_by_one.rows == ahead.rows


def _alive_when_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note, whenever a layer's matrix is read, how many of those read before are still in memory."""
    alive: list[int] = []
    read: list[weakref.ref[np.ndarray]] = []
    whole = Pooler.matrix

    def matrix(self: Pooler, view: LayerView) -> np.ndarray:
        alive.append(sum(known() is not None for known in read))
        X = whole(self, view)
        read.append(weakref.ref(X))
        return X

    monkeypatch.setattr(Pooler, "matrix", matrix)
    return alive
