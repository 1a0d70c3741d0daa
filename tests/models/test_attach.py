"""Callbacks at places of a model: what they return takes effect, also in the middle, and nothing stays behind."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from tiny_models import FAMILIES, LAYERS, tiny_headed, tiny_model

from probekit.errors import UsageError
from probekit.models.architecture.sublayers import door_of, sublayers_of
from probekit.models.runtime.attach import Rows, attached
from probekit.models.runtime.forward import PaddedBatch, forward, model_inputs
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import Middle, trial_batch
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import check_head, load_with_head
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.sites import Site

CHANGED = ("heads", "attention", "between", "mlp")


@cache
def loaded(name: str) -> LoadedModel:
    return load(locate(tiny_model(name)), device="cpu")


@cache
def headed(name: str, kind: str) -> LoadedModel:
    source = find_model(tiny_headed(name, kind))
    return load_with_head(source, check_head(source, "auto"), device="cpu", stacks=True)


def hooks_of(model: LoadedModel) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.model.modules())


def layers(model: LoadedModel, batch: PaddedBatch, callbacks: Any = ()) -> dict[str, torch.Tensor]:
    with attached(model, callbacks), Capture(model, model.layer_names) as capture:
        forward(model, batch)
        return {name: state.clone() for name, state in capture.states.items()}


def places_of(model: LoadedModel, stack: Any) -> list[Site]:
    found = sublayers_of(model, stack).doors
    return [Site(kind, number, stack.name) for kind, number in found if kind in CHANGED]


def doubled(states: torch.Tensor, rows: Rows) -> torch.Tensor:
    return states * 2 + 0.1


stacks = [(name, place) for name in FAMILIES for place in range(2 if name in ("t5", "bart") else 1)]


@pytest.mark.parametrize(("name", "place"), stacks)
def test_resumed_under_a_change_in_the_next_block_as_the_whole_run(name: str, place: int) -> None:
    model = loaded(name)
    own, batch = model.stacks[place], trial_batch(model)
    real = torch.from_numpy(batch.real())
    plain = layers(model, batch)
    top = own.n_layers
    below = {start: Middle(model, start, [top], own.name) for start in range(top)}
    for site in [*places_of(model, own), *(Site("layer", number, own.name) for number in range(1, top + 1))]:
        whole = layers(model, batch, {site: doubled})
        start = Site("layer", site.number - 1, own.name).tensor
        torch.testing.assert_close(whole[start], plain[start], rtol=0, atol=0)  # nothing below is touched
        expected = whole[Site("layer", top, own.name).tensor]
        with attached(model, {site: doubled}), torch.no_grad():
            found = below[site.number - 1].run(batch, plain[start])[top]
        assert not torch.allclose(expected[real], plain[Site("layer", top, own.name).tensor][real], atol=1e-4), site
        assert (found - expected)[real].abs().max() <= 1e-5 * expected[real].abs().max(), site
    assert hooks_of(model) == 0


@pytest.mark.parametrize(("name", "place"), stacks)
def test_what_is_put_back_unchanged_changes_no_bit(name: str, place: int) -> None:
    model = loaded(name)
    own, batch = model.stacks[place], trial_batch(model)
    numbered = [Site("layer", number, own.name) for number in range(own.n_layers + 1)]
    callbacks = {site: lambda states, rows: states.clone() for site in [*places_of(model, own), *numbered]}
    assert len(callbacks) > 3 * own.n_layers
    plain, under = layers(model, batch), layers(model, batch, callbacks)
    assert all(torch.equal(plain[name], under[name]) for name in plain)


def test_the_stream_between_is_all_that_goes_on() -> None:
    """Put the first row's stream into the second row, and both end alike, whatever entered them."""
    model = loaded("gpt2")
    ids = torch.randint(5, 300, (2, 6), generator=torch.Generator().manual_seed(1)).numpy()
    batch = PaddedBatch(ids, torch.tensor([6, 6]).numpy())
    plain = layers(model, batch)["layer.02"]
    under = layers(model, batch, {"2.between": lambda states, rows: states[:1].expand_as(states)})["layer.02"]
    assert not torch.allclose(plain[0], plain[1])
    torch.testing.assert_close(under[0], under[1])
    torch.testing.assert_close(under[0], plain[0])


@pytest.mark.parametrize("name", ["bert", "llama", "t5"])
def test_gradients_reach_what_a_callback_adds(name: str) -> None:
    model = loaded(name)
    own, batch = model.stacks[0], trial_batch(model)
    for kind in (*CHANGED, "layer"):
        site = Site(kind, 2, own.name)
        width = door_of(model, site).width if site.inside else own.widths["layer.02"]
        added = torch.zeros(width, requires_grad=True)
        middle = Middle(model, None, [LAYERS], own.name)
        with attached(model, {site: lambda states, rows, added=added: states + added * states}):
            middle.run(batch)[LAYERS].square().sum().backward()
        assert added.grad is not None
        assert added.grad.abs().max() > 0, kind


def test_callbacks_of_one_place_follow_one_another_and_see_their_rows() -> None:
    model = loaded("bert")
    batch = trial_batch(model)
    seen: list[Any] = []

    def look(states: torch.Tensor, rows: Rows) -> None:
        seen.append((states.clone(), rows))

    def fill(states: torch.Tensor, rows: Rows) -> torch.Tensor:
        return torch.full_like(states, 2.0)

    with attached(model, [("2.mlp", look), ("2.mlp", fill), ("mlp.02", doubled), ("2.mlp", look)]):
        forward(model, batch)
    (before, rows), (after, _) = seen
    assert before.shape == after.shape
    assert torch.equal(after, torch.full_like(after, 4.1))
    assert rows.ids.tolist() == batch.ids.tolist()
    assert rows.real.tolist() == batch.real().tolist()


def test_no_hook_stays_whatever_happens() -> None:
    model = loaded("albert")
    batch = trial_batch(model)
    plain = layers(model, batch)

    def fail(states: torch.Tensor, rows: Rows) -> None:
        raise ZeroDivisionError

    with pytest.raises(UsageError, match="ZeroDivisionError"):
        layers(model, batch, {"2.heads": fail, 1: fail})
    with pytest.raises(UsageError, match=r"at '2\.heads' must have the shape \(2, 7, 32\) of what stands there"):
        layers(model, batch, {"2.heads": lambda states, rows: states[:, :1]})
    for wrong, says in ((7, "no place '7'; it has layer.00"), ("final", "no place 'final'"), ("x", "A place in a mo")):
        with pytest.raises(UsageError, match=says), attached(model, {2: fail, wrong: fail}):
            pass
    assert hooks_of(model) == 0
    after = layers(model, batch)
    assert all(torch.equal(plain[name], after[name]) for name in plain)


def test_attention_weights_are_read_and_not_changed() -> None:
    model = load(locate(tiny_model("bert")), device="cpu", attention="eager")
    with pytest.raises(UsageError, match=r"'2\.weights' can be read, not changed.*Change '2\.heads'"):
        layers(model, trial_batch(model), {"2.weights": doubled})


@pytest.mark.parametrize(
    ("name", "kind", "place"),
    [
        ("gpt2", "AutoModelForCausalLM", "2.heads"),
        ("gpt2", "AutoModelForCausalLM", "final"),
        ("bert", "AutoModelForMaskedLM", "3.mlp"),
        ("llama", "AutoModelForCausalLM", 1),
        ("t5", "AutoModelForSeq2SeqLM", "encoder:2.between"),
        ("bart", "AutoModelForSeq2SeqLM", "decoder:1.attention"),
    ],
)
def test_a_model_with_its_own_head_predicts_otherwise(name: str, kind: str, place: Any) -> None:
    model = headed(name, kind)
    batch = trial_batch(model)
    with model_inputs(model, batch) as inputs, torch.inference_mode():
        plain = model.model(**inputs).logits
        with attached(model, {place: doubled}):
            under = model.model(**inputs).logits
        assert torch.equal(model.model(**inputs).logits, plain)
    assert not torch.allclose(plain, under, atol=1e-4)


def test_logits_of_a_run_from_the_middle_are_those_of_the_whole() -> None:
    model = headed("gpt2", "AutoModelForCausalLM")
    batch = trial_batch(model)
    real = torch.from_numpy(batch.real())
    plain = layers(model, batch)
    middle = Middle(model, 1, [])
    with attached(model, {"2.heads": doubled}):
        whole = forward(model, batch).logits
        with torch.no_grad():
            found = middle.run_whole(batch, plain["layer.01"])[1].logits
    torch.testing.assert_close(found[real], whole[real], rtol=1e-5, atol=1e-5)
