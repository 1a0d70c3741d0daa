"""What a head reads has one place and size, whatever the layer."""

from __future__ import annotations

import torch

from probekit.tuning.readout.sizing import Sized


def test_vectors_of_any_place_and_size_become_alike() -> None:
    vectors = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    sized, other = Sized(6), Sized(6)
    assert torch.equal(sized(vectors), vectors)  # until it has learned
    sized.learn(vectors)
    other.learn(1e-3 * vectors + 5)
    assert torch.allclose(sized(vectors).mean(0), torch.zeros(6), atol=1e-6)
    assert torch.allclose(sized(vectors).square().mean(), torch.ones(()), atol=1e-5)
    assert torch.allclose(sized(vectors), other(1e-3 * vectors + 5), atol=1e-2)


def test_equal_vectors_keep_their_size_and_nothing_trains() -> None:
    sized = Sized(2)
    sized.learn(torch.ones(4, 2))
    assert sized(torch.tensor([[1.0, 3.0]])).tolist() == [[0.0, 2.0]]
    assert (list(sized.parameters()), set(sized.state_dict())) == ([], {"centre", "scale"})
