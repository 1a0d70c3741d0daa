"""Edits are data, and what they do is known in advance."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import HEADS, LAYERS, WIDTH, tiny_model

from probekit.ablation import Edit, action, edited, edits_digest, read_edits
from probekit.errors import InputError, UsageError
from probekit.models.runtime.attach import Rows, attached
from probekit.models.runtime.forward import PaddedBatch, forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate

SIZE = WIDTH // HEADS


@cache
def loaded(name: str) -> LoadedModel:
    return load(locate(tiny_model(name)), device="cpu")


def states(model: LoadedModel, edits: Any = (), batch: PaddedBatch | None = None, top: str = "") -> torch.Tensor:
    """Return the last layer [rows, places, width]."""
    name = top or f"layer.{LAYERS:02d}"
    with edited(model, edits), Capture(model, [name]) as capture:
        forward(model, batch or trial_batch(model))
        return capture.states[name].clone()


def at(model: LoadedModel, site: str, edits: Any) -> torch.Tensor:
    """Return what stands at a place under edits, pads left out."""
    found: list[torch.Tensor] = []
    with edited(model, edits), attached(model, {site: lambda here, rows: found.append(here[rows.real])}):
        forward(model, trial_batch(model))
    return found[0]


def saved(folder: Path, name: str, **tensors: torch.Tensor) -> str:
    save_file(tensors, folder / name)
    return str(folder / name)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("bert", "encoder.layer.1.attention.output.dense"),
        ("llama", "layers.1.self_attn.o_proj"),
        ("gpt2", "h.1.attn.c_proj"),
    ],
)
def test_without_a_head_is_without_its_columns_of_the_projection(name: str, module: str) -> None:
    model = loaded(name)
    real = torch.from_numpy(trial_batch(model).real())
    part = model.model.get_submodule(module)
    kept = part.weight.data.clone()
    for head in range(HEADS):
        found = states(model, [Edit("2.heads", heads=[head])])
        columns = slice(head * SIZE, (head + 1) * SIZE)
        part.weight.data[(columns,) if name == "gpt2" else (slice(None), columns)] = 0
        expected = states(model)
        part.weight.data.copy_(kept)
        torch.testing.assert_close(found[real], expected[real], rtol=1e-5, atol=1e-5)
        assert not torch.allclose(found, states(model), atol=1e-3)


def test_projected_out_leaves_nothing_along_the_subspace(tmp_path: Path) -> None:
    model = loaded("bert")
    directions = drawn(3, WIDTH)
    directions[2] = directions[0] - directions[1]  # of rank 2
    file = saved(tmp_path, "s.safetensors", directions=directions)
    left = at(model, "2", [Edit("2", "project-out", subspace=file)])
    before = at(model, "2", [])
    assert (left @ directions.T).abs().max() < 1e-4
    _, _, spanned = torch.linalg.svd(directions[:2], full_matrices=True)
    torch.testing.assert_close(left @ spanned[2:].T, before @ spanned[2:].T, rtol=1e-4, atol=1e-4)
    mean = drawn(WIDTH, seed=1)
    centred = saved(tmp_path, "c.safetensors", directions=directions, mean=mean)
    left = at(model, "2", [Edit("2", "project-out", subspace=centred)])
    torch.testing.assert_close(left @ directions.T, (mean @ directions.T).expand(len(left), 3), rtol=1e-4, atol=1e-4)
    half = at(model, "2", [Edit("2", "project-out", subspace=file, strength=0.5)])
    torch.testing.assert_close(half @ directions.T, before @ directions.T / 2, rtol=1e-4, atol=1e-4)


def test_an_oblique_projection_takes_its_duals(tmp_path: Path) -> None:
    model = loaded("bert")
    direction, dual = drawn(1, WIDTH), drawn(1, WIDTH, seed=1)
    dual = dual / (direction @ dual.T)
    file = saved(tmp_path, "o.safetensors", directions=direction, duals=dual)
    before, left = at(model, "2", []), at(model, "2", [Edit("2", "project-out", subspace=file)])
    torch.testing.assert_close(left, before - (before @ dual.T) @ direction, rtol=1e-4, atol=1e-4)


def test_added_at_strength_0_is_nothing_and_else_as_much_as_it_says(tmp_path: Path) -> None:
    model = loaded("gpt2")
    direction = drawn(1, WIDTH)
    file = saved(tmp_path, "d.safetensors", directions=direction)
    assert torch.equal(states(model, [Edit("2", "add", subspace=file, strength=0)]), states(model))
    before, found = at(model, "2", []), at(model, "2", [Edit("2", "add", subspace=file, strength=-3)])
    torch.testing.assert_close(found - before, (-3 * direction).expand_as(before), rtol=1e-4, atol=1e-4)


def test_edits_of_one_place_act_in_their_order(tmp_path: Path) -> None:
    model = loaded("bert")
    file = saved(tmp_path, "d.safetensors", directions=drawn(1, WIDTH))
    add, zero = Edit("2", "add", subspace=file), Edit("2", "zero")
    assert at(model, "2", [add, zero]).abs().max() == 0
    assert at(model, "2", [zero, add]).abs().max() > 0
    assert edits_digest([add, zero]) != edits_digest([zero, add])


def test_mean_and_units(tmp_path: Path) -> None:
    model = loaded("bert")
    values = drawn(50, 2 * WIDTH)
    edit = Edit("2.mlp", "mean", values=saved(tmp_path, "v.safetensors", values=values), units=[3, 60])
    before, found = at(model, "2.mlp", []), at(model, "2.mlp", [edit])
    torch.testing.assert_close(found[:, [3, 60]], values.mean(0)[[3, 60]].expand(len(found), 2))
    rest = [unit for unit in range(2 * WIDTH) if unit not in (3, 60)]
    assert torch.equal(found[:, rest], before[:, rest])


def test_resampled_rows_come_from_the_bank_and_not_from_the_batch(tmp_path: Path) -> None:
    model = loaded("bert")
    bank = drawn(50, WIDTH)
    edit = Edit("2.heads", "resample", values=saved(tmp_path, "v.safetensors", values=bank), seed=4)
    found = at(model, "2.heads", [edit])
    chosen = [next(number for number, row in enumerate(bank) if torch.equal(row, here)) for here in found]
    assert len(set(chosen)) > 3
    batch = trial_batch(model)
    for row, length in enumerate(batch.lengths):
        alone = PaddedBatch(batch.ids[row : row + 1, :length], batch.lengths[row : row + 1])
        torch.testing.assert_close(states(model, [edit], alone)[0], states(model, [edit])[row, :length])
    other = Edit("2.heads", "resample", values=edit.values, seed=5)
    assert not torch.equal(at(model, "2.heads", [other]), found)


def test_a_unit_that_nothing_reads_may_be_resampled() -> None:
    model = load(locate(tiny_model("bert")), device="cpu")
    model.model.encoder.layer[1].output.dense.weight.data[:, 5] = 0
    change = action(model, Edit("2.mlp", "resample", values="-", units=[5]), {"values": 9 * drawn(20, 2 * WIDTH)})
    with attached(model, {"2.mlp": change}):
        found = states(model)
    assert torch.equal(found, states(model))


def test_patched_from_the_same_text_is_the_same_and_from_another_its_states(tmp_path: Path) -> None:
    model = loaded("gpt2")
    batch = trial_batch(model)
    other = PaddedBatch(batch.ids[:, ::-1].copy(), batch.lengths[:1].repeat(2))
    ids = torch.where(torch.from_numpy(batch.real()), torch.from_numpy(batch.ids), -1)
    own = saved(tmp_path, "own.safetensors", values=states(model, top="layer.02"), ids=ids)
    torch.testing.assert_close(states(model, [Edit("2", "patch-from", values=own)]), states(model))
    there = states(model, batch=other, top="layer.02")
    file = saved(tmp_path, "there.safetensors", values=there.contiguous(), ids=ids)
    found = at(model, "2", [Edit("2", "patch-from", values=file)])
    assert torch.equal(found, there[torch.from_numpy(batch.real())])
    with pytest.raises(InputError, match="have nothing for a row of ids"):
        states(model, [Edit("2", "patch-from", values=file)], other)


def test_only_some_positions_are_changed_and_pads_never() -> None:
    model = loaded("bert")
    rows = Rows(torch.zeros(2, 6), torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]).bool())
    for side in (1, -1):
        here = Rows(rows.ids, rows.real if side == 1 else rows.real.flip(1))
        for positions, wanted in (
            ((0, -1), [[0, 5], [0, 2]]),
            ((4,), [[4], []]),
            (None, [list(range(6)), [0, 1, 2]]),
        ):
            change = action(model, Edit("2", positions=positions), {})
            found = change(torch.ones(2, 8, WIDTH), here)  # two places that the model pads inside
            assert found is not None
            shift = [0, 0] if side == 1 else [0, 3]
            for row in range(2):
                expected = [number + shift[row] for number in wanted[row]]
                assert (found[row].sum(-1) == 0).nonzero()[:, 0].tolist() == expected


def test_json_comes_back_and_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    file = saved(tmp_path, "d.safetensors", directions=drawn(1, WIDTH))
    edits = (Edit("2.heads", heads=(3, 1)), Edit(3, "add", subspace=file, strength=2, positions=(-1,)))
    assert edits[0].to_json() == {"site": "2.heads", "what": "zero", "heads": [1, 3], "strength": 1.0, "seed": 0}
    text = json.dumps([edit.to_json() for edit in edits])
    (tmp_path / "edits.json").write_text(text, encoding="utf-8")
    assert read_edits(text) == read_edits(tmp_path / "edits.json") == read_edits(json.loads(text)) == edits
    before = edits_digest(edits)
    moved = saved(tmp_path, "elsewhere.safetensors", directions=drawn(1, WIDTH))
    assert edits_digest([edits[0], Edit(3, "add", subspace=moved, strength=2, positions=(-1,))]) == before
    saved(tmp_path, "d.safetensors", directions=drawn(1, WIDTH, seed=1))
    assert edits_digest(edits) != before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"site": "2.heads", "unit": [1]}, "Got 'unit'. Did you mean 'units'"),
        ({"what": "zero"}, "needs a site"),
        ({"site": "x"}, "A place in a model"),
        ({"site": "2.weights"}, "No edit is made at '2.weights'"),
        ({"site": "2", "what": "ablate"}, "`what` option must be"),
        ({"site": "2", "what": "mean"}, "'mean' needs the `values`"),
        ({"site": "2", "values": "v"}, "'zero' takes no `values`"),
        ({"site": "2", "units": [-1]}, "`units` option must be whole numbers from 0"),
        ({"site": "2", "units": []}, "`units` option"),
        ({"site": "2.heads", "units": [1], "heads": [1]}, "not both"),
        ({"site": "2", "strength": "much"}, "`strength` option must be a number"),
    ],
)
def test_what_is_no_edit_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_edits([wrong])


def test_what_does_not_fit_the_model_is_refused(tmp_path: Path) -> None:
    model = loaded("bert")
    narrow = saved(tmp_path, "n.safetensors", directions=drawn(1, 8))
    for edit, error, says in (
        (Edit("2.heads", heads=[4]), UsageError, r"heads are 0 to 3\. Got 4"),
        (Edit("2", heads=[0]), UsageError, "At '2' there are no heads"),
        (Edit("2.mlp", units=[64]), UsageError, r"units are 0 to 63\. Got 64"),
        (Edit("9"), UsageError, "no place '9'"),
        (Edit("2", "project-out", subspace=narrow), InputError, r"'directions' .* must be \[rows, 32\]\. Got \[1, 8\]"),
        (Edit("2", "mean", values=narrow), InputError, "hold no tensor 'values'; they hold directions"),
        (Edit("2", "add", subspace=str(tmp_path / "none")), InputError, "cannot be read"),
    ):
        with pytest.raises(error, match=says):
            states(model, [edit])
