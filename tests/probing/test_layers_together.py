"""Several layers as one: a label that takes two layers to be read, and the row that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tiny_models import tiny_model

from probekit import ActivationCache, extract, probe
from probekit.errors import UsageError
from probekit.probing.analyses._together import _joined, _scaled
from probekit.probing.estimators import LayerMatrix, StudySettings, get_estimator
from probekit.probing.problem import Problem
from probekit.report.render.numbers import estimate, interval, signed


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(tiny_model("bert"), "grammar:n=150", overflow="window", cache=tmp_path_factory.mktemp("root")).cache


def test_a_label_that_two_layers_hold_in_halves_is_read_from_both() -> None:
    """One layer is a thousand times as large as the other, and drowns it if they are not scaled apart."""
    rng = np.random.default_rng(0)
    cuts = (slice(0, 400), slice(400, 600), slice(600, 900))
    halves = rng.normal(size=(2, 900))
    y = (halves.sum(axis=0) > 0).astype(np.int32)
    layers = [np.hstack([half[:, None], rng.normal(size=(900, 3))]).astype(np.float32) for half in halves]
    layers[1] *= 1000
    matrices = [LayerMatrix(place, *(X[cut] for cut in cuts)) for place, X in enumerate(layers)]
    problem, study = Problem("task", *(y[cut] for cut in cuts), 2), StudySettings(np.arange(400), 0, "cpu")

    def score(matrix: LayerMatrix) -> float:
        ((_, (found,)),) = get_estimator("logistic").study(iter([matrix]), [problem], study)
        return found.test_score

    scaled = [_scaled(matrix) for matrix in matrices]
    both = LayerMatrix(1, *(_joined([getattr(one, split) for one in scaled]) for split in ("train", "dev", "test")))
    assert both.train.shape == (400, 8)
    assert score(both) > 0.95
    assert max(map(score, matrices)) < 0.8


def test_its_rows_are_those_of_a_probe_of_the_joined_vectors(cache: Path) -> None:
    report = probe("tense", on=cache, layers_together=[1, 2])
    rows = [row for row in report.rows if row.method == "layers 1+2" and row.split == "test"]
    assert {row.metric for row in rows} == {"accuracy", "macro_f1"}
    assert all(row.layer is None and row.role == "companion" and row.n for row in rows)
    opened = ActivationCache.open(cache)
    best = report.best_layer().layer
    (single,) = (row for row in report.select("logistic", split="test", metric="accuracy") if row.layer == best)
    (gain,) = (row for row in report.rows if row.method == f"layers 1+2 over layer {best}" and row.split == "test")
    assert gain.value == pytest.approx(rows[0].value - single.value)
    (note,) = [note for note in report.provenance["notes"] if note.startswith("Layers 1, 2 together: ")]
    both, alone = estimate(rows[0]), estimate(single)
    assert rows[0].metric == "accuracy"
    assert "[" in both
    assert f"together: accuracy {both} on test; layer {best}, the best on dev, alone: {alone}; the difference " in note
    assert note.endswith(f"{signed(gain.value)} {interval(gain)}.")
    assert report.provenance["settings"]["layers_together"] == [1, 2]
    # The same by hand, at the strength that was chosen.
    from probekit.probing.dataset import find_sources, open_dataset, read_layers
    from probekit.probing.settings import Settings

    settings = Settings(task="tense", layers=(1, 2))
    (source,) = find_sources(opened, [settings])
    data = open_dataset(opened, settings, source)
    scaled = [_scaled(matrix) for matrix in read_layers(opened, data.poolers, data.places)]
    train, test = (np.hstack([getattr(one, split) for one in scaled]) for split in ("train", "test"))
    labels = np.array(data.table.labels)
    # One scale for all dimensions, as every study has it: here it is 1 already.
    model = LogisticRegression(C=rows[0].strength, max_iter=5000, tol=1e-8).fit(train, labels[data.table.part("train")])
    assert (model.predict(test) == labels[data.table.part("test")]).mean() == pytest.approx(rows[0].value, abs=0.03)


def test_its_control_draws_read_the_same_vectors(cache: Path) -> None:
    report = probe("pos", on=cache, layers=[1, 2], layers_together=[1, 2])
    rows = {(row.method, row.metric): row for row in report.rows if row.layer is None and row.split == "test"}
    control, gain = (rows[f"layers 1+2 {name}", "accuracy"] for name in ("control", "selectivity"))
    assert (control.role, gain.role) == ("control", "companion")
    assert control.n == rows["layers 1+2", "accuracy"].n
    assert control.seed is not None
    assert gain.value == pytest.approx(rows["layers 1+2", "accuracy"].value - control.value)
    assert report.best_layer().layer is not None  # rows without a layer are no layer's control
    report.table()


def test_the_layers_must_be_among_those_probed_and_two(cache: Path) -> None:
    with pytest.raises(UsageError, match=r"two layers or more of those that are probed \(1\). Got '2'"):
        probe("tense", on=cache, layers=[1], layers_together=[1, 2])
    with pytest.raises(UsageError, match="Got 1"):
        probe("tense", on=cache, layers=[1, 2], layers_together=[1])
    with pytest.raises(UsageError, match="needs an estimator that reads one vector a target"):
        probe("tense", on=cache, estimator="attention", layers_together=[1, 2])
