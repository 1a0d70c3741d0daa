"""On a GPU: the same numbers as on the CPU, within what its products differ by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_model

from probekit import ActivationCache, extract, probe

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")


@needs_gpu
def test_a_gpu_extracts_what_the_cpu_does(tmp_path: Path) -> None:
    caches = [
        ActivationCache.open(
            extract(tiny_model("bert"), "grammar:n=40", overflow="window", device=device, cache=tmp_path / device).cache
        )
        for device in ("cpu", "cuda")
    ]
    for layer in caches[0].layers():
        here, there = (cache.layer(layer).array() for cache in caches)
        assert np.abs(here - there).max() <= 1e-5 * np.abs(here).max()


@needs_gpu
def test_a_gpu_fits_what_the_cpu_does(tmp_path: Path) -> None:
    made = extract(tiny_model("bert"), "grammar:n=60", overflow="window", device="cpu", cache=tmp_path)
    reports = [probe("pos", on=made.cache, layers="0,1", device=device) for device in ("cpu", "cuda")]
    for ours, theirs in zip(*(report.points("logistic").values() for report in reports), strict=True):
        assert abs(ours.value - theirs.value) <= 2 / (ours.n or 1)
