"""Hooks come off, serve many passes, and cost nothing worth naming; the self-check finds what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from self_check import self_check
from tiny_models import tiny_model

from probekit.errors import NumericError, UsageError
from probekit.models.runtime import forward as forward_module
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.models.tokens.align import Aligner, Encoded

SENTENCES = [("run",), ("The", "doctor", "walked", "."), ("a", "quiet", "house", "in", "the", "garden", "of", "it")]


def fresh(name: str, dtype: str = "float32") -> tuple[LoadedModel, list[Encoded]]:
    model = load(locate(tiny_model(name)), dtype=dtype, device="cpu")
    return model, Aligner(model.tokenizer).encode_words(SENTENCES)


def hooks_of(model: Any) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


@pytest.mark.parametrize("name", ["bert", "albert", "t5", "bart", "deberta-v2"])
def test_hooks_come_off_whatever_happens(name: str) -> None:
    model, encoded = fresh(name)
    before = hooks_of(model.model)
    with Capture(model, model.layer_names) as capture:
        forward(model, pad(encoded, model.pad_id, "left"))
        assert hooks_of(model.model) > before
        assert capture.states
    assert hooks_of(model.model) == before
    assert not capture.states
    with pytest.raises(ZeroDivisionError), Capture(model, model.layer_names):
        raise ZeroDivisionError
    assert hooks_of(model.model) == before


def test_one_context_serves_many_passes() -> None:
    model, encoded = fresh("gpt2")
    with Capture(model, model.layer_names) as capture:
        kept = []
        for item in encoded:
            forward(model, pad([item], model.pad_id))
            kept.append(capture.states["layer.02"])
            assert set(capture.states) == set(model.layer_names)
        assert [state.shape[1] for state in kept] == [len(item.ids) for item in encoded]


def test_only_the_layers_asked_for_are_kept() -> None:
    model, encoded = fresh("albert")
    with Capture(model, ["layer.02", "layer.00"]) as capture:
        forward(model, pad(encoded, model.pad_id))
        assert set(capture.states) == {"layer.00", "layer.02"}
        some = dict(capture.states)
    with Capture(model, model.layer_names) as capture:
        forward(model, pad(encoded, model.pad_id))
        assert all(torch.equal(state, capture.states[name]) for name, state in some.items())


def test_an_unknown_layer_names_those_there_are() -> None:
    model, _ = fresh("bert")
    with pytest.raises(UsageError, match=r"no place '9'.*layer\.00"):
        Capture(model, ["layer.09"])


def test_pads_lie_where_they_should() -> None:
    _, encoded = fresh("gpt2")
    right, left = pad(encoded, 9), pad(encoded, 9, "left")
    for row, item in enumerate(encoded):
        length = len(item.ids)
        assert right.ids[row, :length].tolist() == left.ids[row, -length:].tolist() == item.ids.tolist()
        assert (right.ids[row, length:] == 9).all()
        assert (left.ids[row, : left.ids.shape[1] - length] == 9).all()
    assert right.padded
    assert not pad(encoded[:1], 9).padded
    with pytest.raises(UsageError, match="side"):
        pad(encoded, 9, "middle")


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "opt", "bart", "llama", "albert", "electra", "distilbert"])
def test_fault_29_the_self_check_finds_wrong_positions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoded = fresh(name)
    self_check(model, encoded, model.layer_names)

    def wrong(loaded: Any, batch: Any, real: Any) -> Any:
        """Count from the wrong end: the pads come first."""
        if not batch.padded:
            return None
        width = batch.ids.shape[1]
        shift = torch.from_numpy(width - batch.lengths)[:, None]
        return torch.arange(width) + shift + loaded.position_offset

    monkeypatch.setattr(forward_module, "_positions", wrong)
    if name == "llama":
        # Rotary positions are relative: shifting a whole row changes nothing, and so nothing is wrong.
        self_check(model, encoded, model.layer_names)
        return
    with pytest.raises(NumericError, match=r"does not give what single.*layer\.0\d differs.*ids"):
        self_check(model, encoded, model.layer_names)


@pytest.mark.parametrize("name", ["bert", "t5", "bart", "deberta-v2", "distilbert"])
def test_fault_29_the_self_check_finds_unmasked_pads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoded = fresh(name)
    monkeypatch.setattr(forward_module.PaddedBatch, "padded", property(lambda self: False))
    with pytest.raises(NumericError, match="does not give what single"):
        self_check(model, encoded, model.layer_names)


@pytest.mark.parametrize(("dtype", "advice"), [("float32", False), ("float16", True)])
def test_the_self_check_finds_what_is_not_finite(dtype: str, advice: bool) -> None:
    model, encoded = fresh("bert", dtype)
    model.model.encoder.layer[1].output.dense.bias.data[0] = float("inf")
    with pytest.raises(NumericError, match=r"layer\.02 is not finite") as caught:
        self_check(model, encoded, model.layer_names)
    assert ("bfloat16" in str(caught.value)) is advice


def test_the_self_check_of_nothing_and_of_one() -> None:
    model, encoded = fresh("bert")
    assert self_check(model, [], model.layer_names) == {}
    assert set(self_check(model, encoded[:1], ["layer.01"])) == {"layer.01"}
