"""A mix starts at what it is given, and finds the layer that matters."""

from __future__ import annotations

import pytest
import torch
from token_batches import assert_close

from probekit.errors import UsageError
from probekit.tuning.readout.mix import LEAST, ScalarMix


def layers(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 2, 4, 5, generator=torch.Generator().manual_seed(0))


def test_it_starts_at_the_weights_of_a_probe() -> None:
    states, before = layers(), torch.random.get_rng_state()
    mix = ScalarMix(3, start=[1, 3, 4])
    assert_close(mix.weights(), torch.tensor([0.125, 0.375, 0.5]))
    assert_close(mix(states), 0.125 * states[0] + 0.375 * states[1] + 0.5 * states[2])
    assert mix(list(states)).equal(mix(states))
    assert_close(ScalarMix(3)(states), states.mean(0))
    assert torch.random.get_rng_state().equal(before)


def test_layers_may_be_brought_to_one_size() -> None:
    states = layers()
    sizes = [2.0, 5.0, 0.5]
    mix = ScalarMix(3, start=[1, 1, 2], sizes=sizes)
    large = torch.stack([size * layer for size, layer in zip(sizes, states, strict=True)])
    assert_close(mix(large), ScalarMix(3, start=[1, 1, 2])(states))
    assert set(mix.state_dict()) == {"logits", "scale", "sizes"}


def test_a_layer_of_no_weight_can_still_be_found() -> None:
    states = layers()
    mix = ScalarMix(3, start=[0, 1, 1])
    assert mix.weights()[0].item() == pytest.approx(LEAST, rel=1e-3)
    parameters = list(mix.parameters())
    for _ in range(150):
        slopes = torch.autograd.grad((mix(states) - 2 * states[0]).square().sum(), parameters)
        for parameter, slope in zip(parameters, slopes, strict=True):
            assert slope.isfinite().all()
            parameter.data -= 0.1 * slope.sign()
    assert mix.weights()[0] > 0.9
    assert mix.scale.item() == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(
    ("n", "given", "said"),
    [
        (0, {}, "of one layer at least"),
        (2, {"start": [1]}, "`start` of a mix must be 2 finite"),
        (2, {"start": [1, float("nan")]}, "`start` of a mix must be 2 finite"),
        (2, {"start": [0, 0]}, "all 0"),
        (2, {"sizes": [1, -1]}, "`sizes` of a mix must be 2 finite"),
        (2, {"sizes": [1, 0]}, "above 0"),
    ],
)
def test_what_is_no_mix_is_refused(n: int, given: dict[str, list[float]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ScalarMix(n, **given)
    with pytest.raises(ValueError, match="longer"):
        ScalarMix(2)(layers(3))
