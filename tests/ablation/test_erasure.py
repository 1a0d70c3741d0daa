"""What is erased cannot be read by a line, what is not stays; the file of an eraser is an edit that does the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import WIDTH, tiny_model

from probekit.ablation import Edit, edited
from probekit.ablation.erasure import Eraser, inlp, leace, random_of_loss, random_of_rank
from probekit.errors import InputError, UsageError
from probekit.models.runtime.forward import forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.probing.estimators.logistic import LogisticProbe


def planted(n: int = 600, width: int = 12, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated vectors in which classes differ in their means."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, n)
    mixed = draw.standard_normal((n, width)) @ np.random.default_rng(9).standard_normal((width, width))
    return mixed + 3 * np.random.default_rng(8).standard_normal((classes, width))[labels], labels


def accuracy(X: np.ndarray, labels: np.ndarray, rows: int = 400) -> float:
    probe = LogisticProbe(0.1).fit(X[:rows], labels[:rows])
    return float((probe.predict(X[rows:]) == labels[rows:]).mean())


def test_leace_is_its_formula() -> None:
    X, labels = planted()
    Z = np.eye(3)[labels]
    covariance = np.cov(X.T, bias=True)
    sizes, axes = np.linalg.eigh(covariance)
    root, inverse = (axes * np.sqrt(sizes)) @ axes.T, (axes / np.sqrt(sizes)) @ axes.T
    crossed = inverse @ ((X - X.mean(0)).T @ (Z - Z.mean(0)) / len(X))
    projection = root @ crossed @ np.linalg.pinv(crossed, rcond=1e-10) @ inverse
    eraser = leace(X, labels)
    assert eraser.rank == 2
    np.testing.assert_allclose(eraser(X), X - (X - X.mean(0)) @ projection.T, atol=1e-9)


def test_after_leace_classes_have_one_mean_and_no_line_reads_them() -> None:
    X, labels = planted()
    erased = leace(X, labels)(X)
    means = np.stack([erased[labels == label].mean(0) for label in range(3)])
    assert np.abs(means - means[0]).max() < 1e-9
    majority = np.bincount(labels[400:]).max() / 200
    assert accuracy(X, labels) > 0.9
    assert accuracy(erased, labels) < majority + 0.08
    for control in (random_of_rank(2, X.mean(0), seed=0), random_of_loss(X, leace(X, labels).loss(X), seed=0)):
        assert accuracy(control(X), labels) > 0.6


def test_leace_of_vectors_in_a_subspace_and_of_labels_that_leave_no_trace() -> None:
    X, labels = planted()
    flat = np.hstack([X, X[:, :3]])  # of rank 12 in 15 dimensions
    erased = leace(flat, labels)(flat)
    np.testing.assert_allclose(erased[:, :12][labels == 0].mean(0), erased[:, :12][labels == 1].mean(0), atol=1e-8)
    even = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    assert leace(even, [0, 0, 1, 1]).rank == 0
    with pytest.raises(UsageError, match="Nothing is erased"):
        leace(even, [0, 0, 1, 1]).save("never")
    with pytest.raises(InputError, match="at least two classes"):
        leace(X, np.zeros(len(X)))


def test_inlp_ends_at_the_majority_with_an_orthogonal_projection() -> None:
    X, labels = planted()
    found = inlp(X[:400], labels[:400], held_out=(X[400:], labels[400:]))
    assert found.ended
    assert found.scores[0] > 0.9
    assert found.scores[-1] < found.majority + 0.05
    basis = found.eraser.directions
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-9)
    assert len(found.scores) == 1 or found.eraser.rank >= 2
    assert not inlp(X[:400], labels[:400], held_out=(X[400:], labels[400:]), rounds=0).eraser.rank


def test_random_subspaces_have_the_rank_and_the_loss() -> None:
    X, labels = planted()
    loss = leace(X, labels).loss(X)
    assert random_of_rank(2, X.mean(0), seed=1).rank == 2
    for wanted in (0.0, loss, 0.5, 1.0):
        assert random_of_loss(X, wanted, seed=1).loss(X) == pytest.approx(wanted, abs=1e-9)
    one, other = (random_of_rank(2, X.mean(0), seed=seed).directions for seed in (1, 2))
    assert not np.allclose(one, other)


def test_the_file_of_an_eraser_is_an_edit_that_does_the_same(tmp_path: Path) -> None:
    model = load(locate(tiny_model("bert")), device="cpu")
    batch = trial_batch(model)
    draw = np.random.default_rng(0)
    eraser = leace(draw.standard_normal((200, WIDTH)), draw.integers(0, 3, 200))
    file = eraser.save(tmp_path / "eraser.safetensors")
    with Capture(model, ["layer.02"]) as capture:
        forward(model, batch)
        before = capture.states["layer.02"].clone()
    with edited(model, [Edit("2", "project-out", subspace=str(file))]), Capture(model, ["layer.02"]) as capture:
        forward(model, batch)
        after = capture.states["layer.02"].clone()
    real = torch.from_numpy(batch.real())
    np.testing.assert_allclose(after[real].numpy(), eraser(before[real].numpy()), atol=1e-5)
    again = Eraser.load(file)
    np.testing.assert_allclose(again.duals, eraser.duals, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="no file of an eraser"):
        Eraser.load(tmp_path / "other.safetensors")
