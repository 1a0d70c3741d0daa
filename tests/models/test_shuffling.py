"""Control models with the trained numbers in other places: which place is the seed's, and nothing else changes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import LAYERS, tiny_model
from torch import nn

from probekit.controls import Control, control_identity, control_of, one_control
from probekit.errors import UsageError
from probekit.models.runtime.forward import forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.find import find_model
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate


@cache
def made(family: str, kind: str | None = None, seed: int = 3) -> LoadedModel:
    control = None if kind is None else Control(kind, seed)
    return load(locate(tiny_model(family)), control=control, device="cpu")


def states(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    with Capture(loaded, loaded.layer_names) as capture:
        forward(loaded, trial_batch(loaded))
        return dict(capture.states)


def parameters(module: nn.Module) -> dict[str, torch.Tensor]:
    return dict(module.named_parameters())


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_shuffled_layers_are_the_blocks_of_the_trained_model_in_another_order(family: str) -> None:
    trained, control = made(family), made(family, "shuffled-layers")
    before = [parameters(block) for block in trained.stacks[0].blocks.outputs]
    after = [parameters(block) for block in control.stacks[0].blocks.outputs]

    def source(block: dict[str, torch.Tensor]) -> int:
        return next(k for k in range(LAYERS) if all(torch.equal(block[name], before[k][name]) for name in block))

    order = [source(block) for block in after]
    assert sorted(order) == list(range(LAYERS))
    assert order != sorted(order)
    inside = {id(value) for block in control.stacks[0].blocks.outputs for value in block.parameters()}
    rest = {name: value for name, value in control.model.named_parameters() if id(value) not in inside}
    assert rest
    assert all(torch.equal(value, parameters(trained.model)[name]) for name, value in rest.items())
    one, other = states(trained), states(control)
    assert torch.equal(one["layer.00"], other["layer.00"])
    assert not torch.allclose(one["layer.01"], other["layer.01"], atol=1e-3)


def test_a_table_that_serves_all_blocks_stays_with_the_first() -> None:
    trained, control = made("t5"), made("t5", "shuffled-layers")
    moved = {
        name
        for name, value in control.model.named_parameters()
        if not torch.equal(value, parameters(trained.model)[name])
    }
    assert any(name.startswith("encoder.block.0.") for name in moved)
    assert any(name.startswith("decoder.block.0.") for name in moved)
    assert not any("relative_attention_bias" in name or ".block." not in name for name in moved)


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_shuffled_weights_hold_the_same_numbers_parameter_by_parameter(family: str) -> None:
    trained, control = made(family), made(family, "shuffled-weights")
    for name, value in control.model.named_parameters():
        mine = parameters(trained.model)[name]
        assert value.shape == mine.shape
        assert torch.equal(value.flatten().sort().values, mine.flatten().sort().values)
    assert not torch.allclose(states(trained)["layer.00" if family == "bert" else "encoder.layer.00"],
                              states(control)["layer.00" if family == "bert" else "encoder.layer.00"])  # fmt: skip


@pytest.mark.parametrize("kind", ["shuffled-layers", "shuffled-weights"])
def test_the_seed_decides_and_the_digest_tells(kind: str) -> None:
    same = load(locate(tiny_model("bert")), control=Control(kind, 3), device="cpu")
    digests = [made("bert", *of).weights_digest() for of in ((kind,), (kind, 4 if kind == "shuffled-weights" else 0))]
    assert same.weights_digest() == digests[0]
    assert len({*digests, made("bert").weights_digest()}) == 3


def test_blocks_that_cannot_be_exchanged_are_refused_with_the_reason(tmp_path: Path) -> None:
    for family, says in (("albert", "type 'albert'.*one module serves as several"),):
        with pytest.raises(UsageError, match=says):
            made(family, "shuffled-layers")
    with pytest.raises(UsageError, match=r"`shuffled_layers` option exchanges blocks, and 'static:.*' is a table"):
        find_model(f"static:{tiny_model('bert')}").load(control=Control("shuffled-layers", 0))
    (tmp_path / "v.txt").write_text("the 1 2\n")
    with pytest.raises(UsageError, match="`shuffled_weights` option needs an architecture"):
        find_model(f"static:{tmp_path / 'v.txt'}").load(control=Control("shuffled-weights", 0))


def test_a_control_is_written_and_read_and_those_before_it_keep_their_spelling() -> None:
    assert control_identity(None) == {"random_weights": None}
    assert control_identity(Control("random-weights", 3)) == {"random_weights": 3}
    for control in (None, Control("random-weights", 0), Control("shuffled-layers", 0), Control("shuffled-weights", 7)):
        assert control_of({"name": "m", **control_identity(control)}) == control
    unset: dict[str, Any] = {"random_weights": None, "shuffled_weights": None, "shuffled_layers": None}
    assert one_control(unset) is None
    assert one_control(unset | {"shuffled_layers": 0}) == Control("shuffled-layers", 0)
    with pytest.raises(UsageError, match="random_weights and shuffled_layers each make another"):
        one_control(unset | {"random_weights": 1, "shuffled_layers": 0})
    with pytest.raises(UsageError, match="shuffled_weights"):
        one_control(unset | {"shuffled_weights": -1})
