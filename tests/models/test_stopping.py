"""A pass ends behind the highest layer that is read: no block above runs, and the states are those of a whole pass."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, LAYERS, tiny_model

from probekit import ActivationCache, extract
from probekit.errors import UsageError
from probekit.models.runtime.attach import attached
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.models.tokens.align import Aligner, Encoded
from probekit.sites import FINAL

SENTENCES = [("run",), ("The", "doctor", "was", "in", "the", "garden", ".")]


def opened(name: str) -> tuple[LoadedModel, list[Encoded]]:
    model = load(locate(tiny_model(name)), device="cpu")
    return model, Aligner(model.tokenizer, vocabulary=model.vocabulary).encode_words(SENTENCES)


def calls(model: Any) -> tuple[Counter[str], list[Any]]:
    """Count the calls of every module by its name."""
    seen: Counter[str] = Counter()

    def count(name: str) -> Any:
        return lambda module, args: seen.update([name])

    return seen, [module.register_forward_pre_hook(count(name)) for name, module in model.named_modules()]


@pytest.mark.parametrize("name", FAMILIES)
def test_no_block_above_the_highest_layer_runs_and_the_states_are_those_of_a_whole_pass(name: str) -> None:
    model, encoded = opened(name)
    batch = pad(encoded, model.pad_id)
    with Capture(model, model.layer_names) as capture:
        whole_calls, handles = calls(model.model)
        returned = forward(model, batch)
        whole = {layer: state.clone() for layer, state in capture.states.items()}
    assert returned is not None
    for handle in handles:
        handle.remove()
    last = model.stacks[-1]
    for layer in range(last.n_layers):
        places = [stack.full_name(f"layer.{layer:02d}") for stack in model.stacks]
        seen, handles = calls(model.model)
        with Capture(model, places, stop=True) as capture:
            assert forward(model, batch) is None
            assert all(torch.equal(capture.states[place], whole[place]) for place in places)
            assert set(capture.states) == set(places)
        for handle in handles:
            handle.remove()
        names = {id(module): path for path, module in model.model.named_modules()}
        ran = Counter(names[id(block)] for block in last.blocks.outputs[:layer])
        above = {names[id(block)] for block in last.blocks.outputs[layer:]} - set(ran)
        assert not above & set(seen), "a block above the highest layer ran"
        assert all(seen[path] >= count for path, count in ran.items())
        assert sum(seen.values()) < sum(whole_calls.values())


def test_the_final_norm_is_run_where_it_is_read() -> None:
    model, encoded = opened("gpt2")
    with Capture(model, [FINAL], stop=True) as capture:
        forward(model, pad(encoded, model.pad_id))
        norm = model.model.ln_f(torch.zeros(1, 1, 32)).shape[-1]
        assert capture.states[FINAL].shape[-1] == norm


def test_a_pass_that_fails_leaves_nothing_to_the_next() -> None:
    model, encoded = opened("bert")
    batch, broken = pad(encoded, model.pad_id), [True]

    def fail(states: torch.Tensor, rows: Any) -> None:
        if broken.pop():
            broken.append(False)
            raise UsageError("between the two layers")
        broken.append(False)

    with attached(model, {"2.mlp": fail}), Capture(model, ["layer.01", "layer.02"], stop=True) as capture:
        with pytest.raises(UsageError, match="between"):
            forward(model, batch)
        assert set(capture.states) == {"layer.01"}
        capture.states.clear()
        forward(model, batch)
        assert set(capture.states) == {"layer.01", "layer.02"}


def test_some_layers_of_a_cache_are_those_of_all(tmp_path: Path) -> None:
    for name in ("llama", "t5"):
        caches = [
            ActivationCache.open(
                extract(tiny_model(name), [list(words) for words in SENTENCES], layers=layers, cache=tmp_path).cache
            )
            for layers in ("all", [0, LAYERS - 2])
        ]
        for stack in caches[0].stacks:
            for layer in (0, LAYERS - 2):
                assert np.array_equal(caches[0].layer(layer, stack), caches[1].layer(layer, stack))
