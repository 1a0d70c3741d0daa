"""What is computed from the middle, and what shares a batch, is what whole runs give one by one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import HEADS, LAYERS, WIDTH, tiny_model

from probekit.ablation import Edit, Resumed, WithoutEachHead, edited
from probekit.errors import UsageError
from probekit.models.runtime.forward import forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate


@cache
def loaded(name: str) -> LoadedModel:
    return load(locate(tiny_model(name)), device="cpu")


def layers(model: LoadedModel, edits: tuple[Edit, ...] = ()) -> list[torch.Tensor]:
    names = [f"{model.stacks[0].name}.layer.{number:02d}".strip(".") for number in range(LAYERS + 1)]
    with edited(model, edits), Capture(model, names) as capture:
        forward(model, trial_batch(model))
        return [capture.states[name].clone() for name in names]


@pytest.mark.parametrize("name", ["bert", "llama", "albert", "t5"])
def test_an_edit_resumed_below_it_is_the_whole_run(name: str, tmp_path: Path) -> None:
    model, batch = loaded(name), trial_batch(loaded(name))
    real = torch.from_numpy(batch.real())
    file = str(tmp_path / "d.safetensors")
    save_file({"directions": torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0))}, file)
    before, plain = f"{model.stacks[0].name}:".strip(":"), layers(model)
    for place in ("0", "1", "2", "3", "1.heads", "2.between", "3.attention"):
        edit = Edit(f"{before}:{place}".strip(":"), "project-out", subspace=file)
        resumed = Resumed(model, edit, [LAYERS])
        assert resumed.start == {"0": None, "1": 1, "2": 2, "3": 2, "1.heads": 0, "2.between": 1}.get(place, 2)
        with torch.no_grad():
            found = resumed.run(batch, None if resumed.start is None else plain[resumed.start])[0][LAYERS]
        expected = layers(model, (edit,))[LAYERS]
        assert (found - expected)[real].abs().max() <= 1e-5 * expected[real].abs().max(), place
        assert not torch.allclose(expected[real], plain[LAYERS][real], atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_without_each_head_in_one_batch_is_one_run_a_head(name: str) -> None:
    model, batch = loaded(name), trial_batch(loaded(name))
    real, plain = torch.from_numpy(batch.real()), layers(model)
    stack = model.stacks[0].name
    for block in range(1, LAYERS + 1):
        sweep = WithoutEachHead(model, block, [LAYERS], stack)
        assert sweep.heads == HEADS
        with torch.no_grad():
            found = sweep.run(batch, plain[sweep.start])[LAYERS]
        for head in range(HEADS):
            edit = Edit(f"{stack}:{block}.heads".strip(":"), heads=(head,))
            expected = layers(model, (edit,))[LAYERS]
            torch.testing.assert_close(found[head][real], expected[real], rtol=1e-4, atol=1e-5)


def test_nothing_runs_above_the_end() -> None:
    with pytest.raises(UsageError, match="Above 'final' there is no layer"):
        Resumed(loaded("gpt2"), Edit("final"), [3])
