"""LEACE [Belrose et al. 2023] beside its authors' package on real words; skipped where `concept-erasure` is missing.

Equal settings: the package by default shrinks covariances, passes over singular values below 0.01 and caps the variance
afterwards, of which the theorem has nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import Part

from probekit.ablation.erasure import leace

LAYER = 3


@pytest.fixture(scope="module")
def words(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Training words of a layer and their tags."""
    X = np.concatenate(part.vectors(LAYER)["train"])
    return X, np.array([tag for sentence in part.sentences["train"] for tag in sentence.upos])


def test_leace_is_that_of_its_authors(words: tuple[np.ndarray, np.ndarray]) -> None:
    package = pytest.importorskip("concept_erasure")
    X, tags = words
    Z = np.eye(len(set(tags)))[np.unique(tags, return_inverse=True)[1]]
    settings = {"shrinkage": False, "svd_tol": 1e-8, "constrain_cov_trace": False}
    theirs = package.LeaceFitter.fit(torch.from_numpy(X), torch.from_numpy(Z), **settings).eraser
    ours = leace(X, tags)
    assert ours.rank == len(set(tags)) - 1
    apart = np.abs(theirs(torch.from_numpy(X)).numpy() - ours(X)).max()
    assert apart <= 1e-10 * np.abs(X).max()


def test_no_least_squares_reads_erased_tags_better_than_their_shares(words: tuple[np.ndarray, np.ndarray]) -> None:
    X, tags = words
    Z = np.eye(len(set(tags)))[np.unique(tags, return_inverse=True)[1]]
    for vectors, explained in ((X, True), (leace(X, tags)(X), False)):
        centred, wanted = vectors - vectors.mean(0), Z - Z.mean(0)
        fit = centred @ np.linalg.lstsq(centred, wanted, rcond=1e-5)[0]
        share = np.square(fit).sum() / np.square(wanted).sum()
        assert (share > 0.4) if explained else (share < 1e-6)
