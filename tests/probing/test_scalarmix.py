"""The scalar mix against its formula, and against layers of which one is known to hold the signal."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from tiny_models import LAYERS, tiny_model

from probekit import ActivationCache, extract, probe
from probekit.errors import UsageError
from probekit.probing.analyses._scalar_mix import fit_mix, half_width, mix_loss
from probekit.probing.analyses.mix import METHOD, STOPPED
from probekit.probing.estimators import estimators, logistic
from probekit.probing.solvers import strengths
from probekit.probing.solvers.training import Training


def layers(where: int, n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four layers of unit noise; one of them holds three classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    X = rng.standard_normal((4, n, 10))
    X[where, :, :3] += 4 * (np.eye(3)[y] - 1 / 3)
    X -= X.mean(axis=1, keepdims=True)
    X /= np.sqrt((X * X).mean(axis=(1, 2), keepdims=True))
    return X.astype(np.float32), y


def test_the_loss_is_the_formula() -> None:
    X, y = layers(1, n=30)
    rng = np.random.default_rng(3)
    a, W, b = rng.standard_normal(4), rng.standard_normal((3, 10)), rng.standard_normal(3)
    rows = rng.random(30)
    rows /= rows.sum()
    s = np.exp(a) / np.exp(a).sum()
    size = np.sqrt(sum(s[i] * s[j] * (X[i].astype(float) * X[j]).mean() for i in range(4) for j in range(4)))
    expected = 0.05 * (W**2).sum()
    for row in range(30):
        z = W @ sum(s[i] * X[i, row] / size for i in range(4)) + b
        expected += rows[row] * (np.log(np.exp(z).sum()) - z[y[row]])
    V = torch.from_numpy(X.astype(float))
    gram = torch.einsum("lnd,mnd->lm", V, V) / 300
    found = mix_loss(*map(torch.from_numpy, (a, W, b)), (V, torch.from_numpy(y), torch.from_numpy(rows), gram), 0.1)
    assert float(found) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("where", [0, 3])
def test_the_mix_finds_the_layer_that_holds_the_signal(where: int) -> None:
    X, y = layers(where)
    mix = fit_mix(X, y, n_classes=3, C=1.0)
    assert mix.weights.sum() == pytest.approx(1)
    assert mix.weights[where] > 0.8
    assert abs(mix.centre(range(4)) - where) < 0.4
    fresh, labels = layers(where, seed=1)
    assert (mix.predict(list(fresh)) == labels).mean() > 0.85


def test_where_all_layers_are_alike_none_is_preferred() -> None:
    X, y = layers(0)
    mix = fit_mix(np.stack([X[0]] * 4), y, n_classes=3, C=1.0)
    np.testing.assert_allclose(mix.weights, 0.25, atol=1e-3)
    assert mix.centre(range(4)) == pytest.approx(1.5, abs=1e-2)


def test_a_resample_counts_rows_as_often_as_it_drew_them() -> None:
    X, y = layers(2, n=200)
    drawn = np.random.default_rng(0).integers(0, 4, size=200)
    weighted = fit_mix(X, y, n_classes=3, C=1.0, rows=drawn.astype(float))
    rows = np.repeat(np.arange(200), drawn)
    repeated = fit_mix(np.ascontiguousarray(X[:, rows]), y[rows], n_classes=3, C=1.0)
    # The unit size is that of all rows in the one and of the drawn ones in the other, hence not exactly equal.
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=0.03)


def test_the_report_has_weights_centre_and_score(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, few in (("FOLDS", 3), ("NETWORK_FOLDS", 2)):
        monkeypatch.setattr(f"probekit.probing.analyses.mix.{setting}", few)
    made = extract(tiny_model("bert"), "grammar:n=80", overflow="window", cache=tmp_path_factory.mktemp("root"))
    opened = ActivationCache.open(made.cache)
    report = probe("pos", on=opened, fast=True, also=["mix"])
    weights = report.points(METHOD, split="train", metric="weight")
    assert list(weights) == [*range(LAYERS + 1)]
    assert sum(point.value for point in weights.values()) == pytest.approx(1)
    (centre,) = report.select(METHOD, metric="centre_of_gravity")
    assert centre.value == pytest.approx(sum(layer * point.value for layer, point in weights.items()))
    assert centre.low < centre.value < centre.high
    (score,) = report.select(METHOD, split="test", metric="accuracy")
    assert score.value > report.floor("majority").value
    assert any("centre of gravity" in note for note in report.provenance["notes"])
    (stopped,) = report.select(STOPPED, metric="centre_of_gravity")
    assert 0 <= stopped.low <= stopped.value <= stopped.high <= LAYERS
    assert any("stopped early on dev" in note and f"{stopped.value:.2f}" in note for note in report.provenance["notes"])
    assert report.method == "logistic"
    single = probe("pos", on=opened, fast=True, also=["mix"], layers=[1])
    assert "centre_of_gravity" not in set(single.frame["metric"])
    assert "There is no mix of layer 1 alone." in single.provenance["notes"]
    assert "worse" not in str(probe("pos", on=opened, layers=[1]).table())
    network = probe("pos", on=opened, fast=True, also=["mix"], layers=[1], estimator="mlp")
    assert "centre_of_gravity" not in set(network.frame["metric"])
    some = probe("pos", on=opened, fast=True, also=["mix"], layers=[0, 2])
    assert any("Scalar mix of layers 0, 2 (" in note for note in some.provenance["notes"])


@pytest.mark.parametrize("estimator", [name for name, kind in estimators().items() if kind.targets == "labels"])
def test_any_estimator_takes_the_mix(
    estimator: str, cache_of_layers: ActivationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, few in (("TRAIN_ROWS", 300), ("HELD_OUT_ROWS", 100), ("NETWORK_FOLDS", 2), ("FOLDS", 3)):
        monkeypatch.setattr(f"probekit.probing.analyses.mix.{setting}", few)
    if estimator == "bilstm":  # some epochs of a small one are enough to see that it reads the mix
        monkeypatch.setattr("probekit.probing.estimators.bilstm.HIDDEN", 16)
        short = Training(1e-2, targets=128, max_epochs=4)
        monkeypatch.setattr("probekit.probing.analyses.mix.training_of", lambda n, seed: short)
        monkeypatch.setattr("probekit.probing.trained.NetworkProbe.training", lambda probe, n: short)
    if estimators()[estimator].contrasts:  # labels of many words are no contrasts
        with pytest.raises(UsageError, match="tells two classes apart"):
            probe("pos", on=cache_of_layers, estimator=estimator, layers="0-1", also=["mix"], control_seeds=1)
        return
    task = "arc" if estimator == "bilinear" else "pos"
    report = probe(task, on=cache_of_layers, estimator=estimator, layers="0-1", also=["mix"], control_seeds=1)
    weights = [point.value for point in report.points(METHOD, split="train", metric="weight").values()]
    assert sum(weights) == pytest.approx(1)
    assert min(weights) > 0
    (centre,) = report.select(METHOD, metric="centre_of_gravity")
    assert 0 <= centre.low <= centre.value <= centre.high <= 1
    (score,) = report.select(METHOD, split="test", metric="accuracy")
    (gained,) = report.select(METHOD, split="test", metric="selectivity")
    assert gained.low < gained.value < gained.high
    assert score.value > report.floor("majority").value - 0.1


def test_a_mix_of_one_layer_is_the_layers_own_fit(
    cache_of_layers: ActivationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = []
    plain = strengths.fit_vectors
    monkeypatch.setattr(logistic, "fit_vectors", lambda *a, **options: fits.append(1) or plain(*a, **options))
    report = probe("pos", on=cache_of_layers, layers="1", also=["mix"], fast=True)
    assert len(fits) == 1
    for split in ("dev", "test"):
        (mixed,) = report.select(METHOD, split=split, metric="accuracy")
        (own,) = report.select("logistic", split=split, metric="accuracy")
        assert (mixed.value, mixed.low, mixed.n) == (own.value, own.low, own.n)


def test_the_interval_is_as_wide_as_the_centre_varies() -> None:
    centres, widths = [], []
    for draw in range(12):
        X, y = mild(draw)
        fit = partial(fit_mix, n_classes=3, C=1.0)
        whole = fit(X, y)
        folds = np.arange(len(y)) % 10
        refits = [
            fit(np.ascontiguousarray(X[:, folds != k]), y[folds != k], start=whole).centre(range(4)) for k in range(10)
        ]
        centres.append(whole.centre(range(4)))
        widths.append(half_width(np.array(refits)))
    # The half width is 2.26 jackknife deviations; a deviation too small or too large by half would be seen.
    assert 0.6 < np.median(widths) / 2.26 / np.std(centres, ddof=1) < 1.8


def mild(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Four layers that all hold a part of the signal, so that the weights vary with the draw."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    X = rng.standard_normal((4, n, 10))
    for layer, strength in enumerate((0.5, 1, 2, 1)):
        X[layer, :, :3] += strength * (np.eye(3)[y] - 1 / 3)
    X /= np.sqrt((X * X).mean(axis=(1, 2), keepdims=True))
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def cache_of_layers(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=80", overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


@pytest.mark.parametrize("where", [0, 3])
def test_numbers_have_a_mix_too(where: int) -> None:
    rng = np.random.default_rng(where)
    X = rng.standard_normal((4, 400, 10)).astype(np.float32)
    y = X[where, :, 0] - X[where, :, 1] + rng.normal(0, 0.1, 400)
    mix = fit_mix(X, y, n_classes=1, C=10.0)
    assert mix.weights[where] > 0.8
    assert abs(mix.centre(range(4)) - where) < 0.4


def test_ridge_takes_the_mix(cache_of_layers: ActivationCache) -> None:
    report = probe("sentence-length", on=cache_of_layers, estimator="ridge", layers="0-2", also=["mix"])
    weights = [point.value for point in report.points(METHOD, split="train", metric="weight").values()]
    assert sum(weights) == pytest.approx(1)
    (centre,) = report.select(METHOD, metric="centre_of_gravity")
    assert 0 <= centre.low <= centre.value <= centre.high <= 2
    assert report.select(METHOD, split="test", metric="r2")
    assert any("learned under ridge at C = " in note for note in report.provenance["notes"])
