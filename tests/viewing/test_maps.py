"""Maps of planted vectors: clusters stay apart, a known turn is undone, what is lost is what scikit-learn counts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from viewing.planted_maps import CLUSTERS, DRAW, LABELS, report_of

from probekit.errors import InputError, UsageError
from probekit.report.render.drawing import SIZE
from probekit.viewing import MapReport
from probekit.viewing.maps import draw, quality
from probekit.viewing.maps.colouring import NAMED, colours_of
from probekit.viewing.maps.points import order_of, read_splits
from probekit.viewing.projections import PROJECTIONS


def apart(places: np.ndarray) -> float:
    """How far the middles of the two clusters are, in spreads inside of a cluster."""
    middles = np.stack([places[label == LABELS].mean(axis=0) for label in (0, 1)])
    inside = np.concatenate([places[label == LABELS] - middles[label] for label in (0, 1)])
    return float(np.linalg.norm(middles[0] - middles[1]) / inside.std())


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_two_clusters_lie_apart_and_noise_does_not(method: str) -> None:
    projection = PROJECTIONS.get(method, "method")
    breadth = 15.0
    found = projection.project(CLUSTERS, CLUSTERS, breadth, 0)
    assert apart(found.places) > 3
    noise = DRAW.normal(size=(120, 12)).astype(np.float32)
    assert apart(projection.project(noise, noise, breadth, 0).places) < 1
    again = projection.project(CLUSTERS, CLUSTERS, breadth, 0)
    assert again.places.tobytes() == found.places.tobytes()


def test_umap_is_seeded_and_keeps_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What umap-learn is asked for; it compiles itself for half a minute, so a stand-in takes its place."""
    asked: dict[str, Any] = {}

    def stand_in(**options: Any) -> Any:
        asked.update(options)
        return SimpleNamespace(fit_transform=lambda X: X[:, 2:4])

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=stand_in, __version__="0.0"))
    found = PROJECTIONS.get("umap", "method").project(CLUSTERS, CLUSTERS, 10.0, 3)
    assert asked == {"n_neighbors": 10, "min_dist": 0.1, "init": "pca", "random_state": 3, "n_jobs": 1}
    assert found.places.tobytes() == CLUSTERS[:, 2:4].tobytes()
    assert found.made_with == "umap-learn 0.0, min_dist 0.1, begun from principal components"


def test_opentsne_draws_where_it_is_installed_seeded_and_from_principal_components(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}

    def stand_in(**options: Any) -> Any:
        asked.update(options)
        return SimpleNamespace(fit=lambda X: X[:, :2])

    module = SimpleNamespace(TSNE=stand_in, __version__="0.0", __spec__=object())
    monkeypatch.setitem(sys.modules, "openTSNE", module)
    found = PROJECTIONS.get("tsne", "method").project(CLUSTERS, CLUSTERS, 15.0, 3)
    assert found.made_with == "openTSNE 0.0"
    assert (asked["perplexity"], asked["random_state"], asked["n_jobs"], asked["initialization"]) == (15, 3, 1, "pca")
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    monkeypatch.setattr("probekit.viewing.projections.tsne.find_spec", lambda name: None)
    assert PROJECTIONS.get("tsne", "method").project(CLUSTERS, CLUSTERS, 15.0, 3).made_with.startswith("scikit-learn")


def test_pca_is_of_the_training_rows_whatever_is_shown() -> None:
    shown = DRAW.normal(size=(30, 12)).astype(np.float32)
    found = PROJECTIONS.get("pca", "method").project(shown, CLUSTERS, 0.0, 0)
    fitted = PCA(2, svd_solver="full").fit(CLUSTERS.astype(np.float64))
    np.testing.assert_allclose(np.abs(found.places), np.abs(fitted.transform(shown)), atol=1e-4)
    np.testing.assert_allclose(found.explained, fitted.explained_variance_ratio_, rtol=1e-5)
    assert found.explained[0] > 0.4  # the planted direction: 9 of 21 parts of variance


@pytest.mark.parametrize(("method", "breadth"), [("tsne", 40.0), ("umap", 120.0), ("umap", 2.5)])
def test_more_neighbours_than_there_are_points_for_are_refused(method: str, breadth: float) -> None:
    with pytest.raises(UsageError, match="--breadth"):
        PROJECTIONS.get(method, "method").project(CLUSTERS, CLUSTERS, breadth, 0)


def test_pca_needs_training_rows() -> None:
    with pytest.raises(InputError, match="two training rows"):
        PROJECTIONS.get("pca", "method").project(CLUSTERS, CLUSTERS[:1], 0.0, 0)


def test_a_map_that_is_its_vectors_loses_nothing_and_numbers_are_those_of_scikit_learn() -> None:
    flat = DRAW.normal(size=(80, 2))
    assert quality.trustworthiness(flat, flat, 7) == quality.continuity(flat, flat, 7) == 1.0
    for k in (5, 12):
        assert quality.trustworthiness(CLUSTERS, CLUSTERS[:, :2], k) == trustworthiness(
            CLUSTERS, CLUSTERS[:, :2], n_neighbors=k
        )


def test_continuity_is_the_formula_of_venna_and_kaski() -> None:
    places, k, n = CLUSTERS[:, :2], 5, len(CLUSTERS)

    def ranks(points: np.ndarray) -> np.ndarray:
        distances = np.linalg.norm(points[:, None].astype(float) - points[None], axis=2)
        np.fill_diagonal(distances, -1)
        return np.argsort(np.argsort(distances, axis=1), axis=1)

    before, after = ranks(CLUSTERS), ranks(places)
    torn = (before <= k) & (after > k)
    expected = 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * (after[torn] - k).sum()
    assert quality.continuity(CLUSTERS, places, k) == pytest.approx(expected, abs=1e-12)
    assert quality.trustworthiness(CLUSTERS, places, k) < expected  # dropping dimensions tears little apart


@pytest.mark.parametrize("reflected", [1, -1])
def test_a_known_turn_and_reflection_are_undone(reflected: int) -> None:
    flat, _ = quality.unit_spread(DRAW.normal(size=(50, 2)))
    cos, sin = np.cos(1.1), np.sin(1.1)
    turn = np.array([[cos, -sin * reflected], [sin, cos * reflected]])
    moved, spread = quality.unit_spread(flat @ turn * 17 + 4)
    assert spread == pytest.approx(17)
    found = quality.turn(moved, flat)
    np.testing.assert_allclose(found.places, flat, atol=1e-9)
    np.testing.assert_allclose(turn @ found.rotation, np.eye(2), atol=1e-9)
    assert found.agreement == pytest.approx(1)
    other, _ = quality.unit_spread(DRAW.normal(size=(50, 2)))
    assert quality.turn(other, flat).agreement < 0.6


def test_k_must_leave_points_that_are_no_neighbours() -> None:
    with pytest.raises(UsageError, match="below half"):
        quality.trustworthiness(CLUSTERS, CLUSTERS, 60)
    assert quality.distinct(np.repeat(CLUSTERS[:5], 3, axis=0)) == 5


def test_labels_beyond_ten_are_put_together_and_counted() -> None:
    values = [f"tag{number}" for number in range(13) for _ in range(20 - number)]
    colours = colours_of(values)
    assert len(colours.groups) == NAMED + 1
    assert colours.groups[0] == ("tag0", 20)
    assert colours.groups[-1] == ("other", 10 + 9 + 8)
    assert "3 of 13 labels are drawn as 'other', 27 points: 'tag10' (10)" in colours.note
    assert colours_of(values[:50]).note == ""


def test_numbers_lie_on_a_scale_in_quarters_and_two_values_are_names() -> None:
    colours = colours_of([1, 2, 3, 4, 5, 6, 7, None])
    assert [count for _, count in colours.groups] == [2, 2, 1, 2, 1]
    assert colours.groups[-1][0] == "(none)"
    assert (colours.shades[0], colours.shades[6], colours.shades[7]) == (0, 1, None)
    assert colours_of([5, 1e9, 5, 6]).shades == (0.5 / 3, 1, 0.5 / 3, 2 / 3)
    assert colours_of([0, 1, 1]).shades == ()
    assert colours_of(["1", "2", "3"]).shades == ()


def test_a_label_called_other_stays_apart_from_what_is_put_together() -> None:
    names = ["other", *(f"label{number}" for number in range(NAMED + 2))]
    colours = colours_of([name for number, name in enumerate(names) for _ in range(len(names) - number)])
    shown = [name for name, _ in colours.groups]
    assert len(set(shown)) == len(shown) == NAMED + 1
    assert (shown[0], shown[-1], colours.rest) == ("other", "(other)", NAMED)
    assert "drawn as '(other)'" in colours.note
    # The least frequent label is a label, whatever it is called.
    assert colours_of(["a", "a", "other"]).rest is None
    assert colours_of(["a", "a", "(none)"]).rest is None
    both = colours_of(["a", "a", "(none)", None])
    assert both.groups == (("a", 2), ("(none)", 1), ("((none))", 1))
    assert (both.group, both.rest) == ([0, 0, 1, 2], 2)
    assert colours_of(["a", None, "b"]).rest == 2
    assert colours_of([1, 2, 3, None]).rest == len(colours_of([1, 2, 3, None]).groups) - 1


def test_a_larger_choice_holds_the_smaller_and_a_seed_makes_another() -> None:
    table: Any = SimpleNamespace(
        ids=[f"s{n}" for n in range(40)], example=np.arange(40), spans=np.tile([[[0, 1]]], (40, 1, 1))
    )
    orders = [np.argsort(order_of(table, range(40), seed)).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert set(orders[0][:10]) != set(orders[2][:10])


def test_parts_are_named() -> None:
    assert read_splits("dev, train") == ("train", "dev")
    with pytest.raises(UsageError, match="split"):
        read_splits("train,holdout")


def test_a_report_is_read_again_with_its_points(tmp_path: Path) -> None:
    report = report_of([f"w{n}" for n in range(8)])
    again = MapReport.read(report.write(tmp_path / "map.jsonl"))
    assert again.points.equals(report.points)
    assert list(again.points.columns) == [
        "layer", "x", "y", "label", "value", "group", "split", "word", "sentence", "spans",
    ]  # fmt: skip
    assert len(again.points) == 16
    assert again.save_points(tmp_path / "map.csv").read_text().count("\n") == 17


def test_a_figure_has_a_panel_a_layer_its_numbers_in_their_titles_and_the_same_bytes(tmp_path: Path) -> None:
    report = report_of([f"w{n}" for n in range(8)])
    ax = report.plot()
    panels = ax.child_axes
    assert [panel.get_title(loc="left").split("\n") for panel in panels] == [
        [f"layer {layer}", "T 0.500  C 0.500"] for layer in (0, 3)
    ]
    assert panels[0].get_xlim() == panels[1].get_xlim()
    shown = np.concatenate([np.asarray(points.get_offsets()) for points in panels[0].collections])
    assert sorted(shown[:, 0].tolist()) == sorted(report.provenance["places"]["0"]["x"])
    files = [report.save_plot(tmp_path / name).read_bytes() for name in ("a.svg", "b.svg")]
    assert files[0] == files[1]
    assert b"<image" in files[0]


def test_points_far_out_stand_at_the_edge_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of([f"w{n}" for n in range(40)])
    x = report.provenance["places"]["3"]["x"]  # of both layers
    near, far = max(x[1:]), 50 * max(map(abs, x))
    x[0] = far
    assert report.plot().child_axes[0].get_xlim()[1] > far  # of so few points none is one of a hundred
    monkeypatch.setattr(draw, "_INSIDE", 0.94)
    ax = report.plot()
    low, high = ax.child_axes[0].get_xlim()
    assert (low, high) == ax.child_axes[1].get_xlim()
    assert near < high < far / 10
    shown = np.concatenate([np.asarray(points.get_offsets()) for points in ax.child_axes[1].collections])
    assert np.isclose(shown[:, 0].max(), high)
    assert "; 2 points far out at the edge" in ax.texts[0].get_text()


@pytest.mark.parametrize(("panels", "grid"), [(1, (1, 1)), (3, (2, 2)), (4, (2, 2)), (7, (3, 3)), (13, (5, 3))])
def test_panels_go_below_one_another_rather_than_get_small(panels: int, grid: tuple[int, int]) -> None:
    assert draw.grid_of(panels) == grid
    assert draw.size_for(panels)[0] <= SIZE[0] + 1e-6
