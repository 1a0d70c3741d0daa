"""Masks leave out exactly the share that is asked for, the smallest weights, and leave the model as it was."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from behaviour.agreeing_models import NOUNS, write_agreeing_model
from tiny_models import tiny_headed
from tuning.tuned_runs import corpus as few_words

from probekit import ablate_weights
from probekit.ablation.weights.mask_file import MaskFile, weights_of_run
from probekit.ablation.weights.masks import at_random, by_magnitude, prunable, pruned, sparsity_of
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import run
from probekit.errors import InputError, UsageError
from probekit.models.runtime.forward import forward
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import load_with_head
from probekit.tuning.data.materials import gather
from probekit.tuning.plans import make_plan
from probekit.tuning.training.run import run_plan

GPT2 = "AutoModelForCausalLM"
SPEC = ScoringSpec(device="cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("masked") / "some.txt"
    path.write_text("\n".join(f"the {noun} walks in the {other} ." for noun in ("doctor", "teacher", "house")
                              for other in ("garden", "river")) + "\n")  # fmt: skip
    return f"loss:{path}"


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.999, 1.0])
def test_a_mask_leaves_out_exactly_that_share_and_the_smallest_weights(sparsity: float) -> None:
    draw = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(7, 9, generator=draw).half().float(), "b": 3 * torch.randn(20, 10, generator=draw)}
    weights["b"][:5] = 0.25  # ties
    n = sum(matrix.numel() for matrix in weights.values())
    masks = by_magnitude(weights, sparsity, "global")
    assert sum(int((~mask).sum()) for mask in masks.values()) == round(sparsity * n)
    sizes = np.concatenate([matrix.abs().flatten() for matrix in weights.values()])
    gone = ~np.concatenate([mask.flatten() for mask in masks.values()])
    assert np.sort(sizes[gone]).tolist() == np.sort(sizes)[: round(sparsity * n)].tolist()
    assert sparsity_of(masks) == pytest.approx(round(sparsity * n) / n)
    for name, mask in by_magnitude(weights, sparsity, "matrix").items():
        assert int((~mask).sum()) == round(sparsity * mask.numel())
        assert (
            not 0 < int(mask.sum()) < mask.numel()
            or weights[name][mask].abs().min() >= weights[name][~mask].abs().max()
        )
    beside = at_random(masks, "0")
    assert [int(mask.sum()) for mask in beside.values()] == [int(mask.sum()) for mask in masks.values()]
    assert all(torch.equal(mask, again) for mask, again in zip(
        beside.values(), at_random(masks, "0").values(), strict=True))  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [("gpt2", GPT2), ("bert", "AutoModelForMaskedLM")])
def test_the_matrices_of_the_blocks_alone_are_masked_and_put_back_after_an_error(name: str, kind: str) -> None:
    source = find_model(str(tiny_headed(name, kind)))
    loaded = load_with_head(source, "causal" if name == "gpt2" else "masked", device="cpu", stacks=True)
    matrices, left_out = prunable(loaded)
    assert all(".h." in f".{one}" or "layer." in one for one in matrices)
    assert all(matrix.ndim == 2 for matrix in matrices.values())
    assert len(matrices) == 3 * (4 if name == "gpt2" else 6)
    assert sum(left_out.values()) + sum(m.numel() for m in matrices.values()) == loaded.parameters
    assert left_out["embeddings"] > 0
    before = {one: parameter.clone() for one, parameter in loaded.model.named_parameters()}
    said = forward(loaded, trial_batch(loaded)).logits.clone()
    masks = by_magnitude(matrices, 0.6, "global")

    def fail() -> None:
        with pruned(matrices, masks):
            zeros = sum(int((parameter == 0).sum()) for parameter in matrices.values())
            assert zeros == round(0.6 * sum(m.numel() for m in matrices.values()))
            assert not torch.equal(forward(loaded, trial_batch(loaded)).logits, said)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(torch.equal(before[one], parameter) for one, parameter in loaded.model.named_parameters())
    assert torch.equal(forward(loaded, trial_batch(loaded)).logits, said)


def test_weights_of_no_account_may_go_and_others_may_not(tmp_path: Path) -> None:
    model = write_agreeing_model(tmp_path / "agreeing", nearest=False)
    suite = tmp_path / "agreement.tsv"
    lines = []
    for noun, other in product(NOUNS, NOUNS):
        good, bad = ("are", "is") if NOUNS[noun] > 0 else ("is", "are")
        lines.append(f"the {noun} near the {other} {good}\tthe {noun} near the {other} {bad}")
    suite.write_text("\n".join(["good\tbad", *lines]) + "\n")
    with Session(find_model(str(model)), SPEC, stacks=True) as session:
        matrices, _ = prunable(session.loaded)
        written = sum(int((matrix != 0).sum()) for matrix in matrices.values())
        n = sum(matrix.numel() for matrix in matrices.values())
    report = ablate_weights(model, metric=f"behave:{suite}", sparsity=[1 - written / n, 1.0], masks=4, spec=SPEC)
    scores = {(row.role, round(row.strength or 0, 3)): row.value for row in report.rows}
    least = round(1 - written / n, 3)
    assert scores["estimator", 0] == scores["estimator", least] == 1  # all that go are zeros
    assert scores["control", least] < 0.9  # type: ignore[operator]
    assert scores["estimator", 1] == scores["control", 1] == 0.5
    assert {row.note for row in report.select("control")} == {"mean of 4 masks"}


def test_a_saved_mask_is_scored_again_and_refuses_other_weights(
    corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, file = str(tiny_headed("gpt2", GPT2)), tmp_path / "mask.safetensors"
    words = ["ablate", "weights", "--metric", corpus, "--model", model, "--device", "cpu", "--masks", "2"]
    out = tmp_path / "w.jsonl"
    made = [*words, "--sparsity", "0.3,0.55", "--scope", "matrix", "--save", str(file), "--out", str(out)]
    assert run([*made, "--plot", str(tmp_path / "w.png")]) == 0
    shown = capsys.readouterr().out
    assert "55.0%" in shown
    assert "weights of 12 matrices in the blocks; not embeddings" in shown
    assert run(["report", "show", str(out)]) == 0
    assert capsys.readouterr().out == shown
    first = ablate_weights(model, metric=corpus, sparsity=[0.55], scope="matrix", masks=2, spec=SPEC)
    again = ablate_weights(model, metric=corpus, mask_from=file, masks=2, spec=SPEC)
    assert [row.value for row in again.select("estimator")] == [row.value for row in first.select("estimator")]
    read = MaskFile.read(file)
    assert read.said["scope"] == "matrix"
    assert file.stat().st_size < sum(mask.numel() for mask in read.masks.values()) / 8 + 4000
    with pytest.raises(InputError, match="has other weights"):
        ablate_weights(model, metric=corpus, mask_from=file, spec=ScoringSpec(device="cpu", random_weights=0))
    with pytest.raises(UsageError, match="saved mask has its own"):
        ablate_weights(model, metric=corpus, mask_from=file, sparsity=[0.5], spec=SPEC)
    with pytest.raises(InputError, match="is no mask"):
        MaskFile.read(Path(model) / "model.safetensors")
    with pytest.raises(UsageError, match="above 0 and up to 1"):
        ablate_weights(model, metric=corpus, sparsity=[1.5], spec=SPEC)


def test_a_lottery_ticket_has_the_magnitudes_of_the_run_and_the_weights_of_the_model(
    corpus: str, tmp_path: Path
) -> None:
    model = tiny_headed("gpt2", GPT2)
    materials = gather("text", model=str(model), corpus=few_words(), device="cpu")
    plan = make_plan("full", materials.facts, "text", kind="sentence", targets="text")
    run_plan(materials, plan.with_set("loop.epochs=1", "rate=constant", "rate.peak=0.03"), tmp_path / "run")
    ticket = ablate_weights(
        model, metric=corpus, sparsity=[0.5], mask_from=tmp_path / "run", masks=1, spec=SPEC,
        save=tmp_path / "ticket.safetensors",
    )  # fmt: skip
    tuned = load_with_head(find_model(str(tmp_path / "run")), "causal", device="cpu", stacks=True)
    own = load_with_head(find_model(str(model)), "causal", device="cpu", stacks=True)
    expected = by_magnitude(prunable(tuned)[0], 0.5, "global")
    other = by_magnitude(prunable(own)[0], 0.5, "global")
    read = MaskFile.read(tmp_path / "ticket.safetensors")
    assert all(torch.equal(mask, expected[name]) for name, mask in read.masks.items())
    assert not all(torch.equal(mask, other[name]) for name, mask in read.masks.items())
    assert read.weights == own.weights_digest()
    assert {row.method for row in ticket.select("estimator")} == {"tuned_magnitude"}
    with pytest.raises(InputError, match="was tuned from"):
        weights_of_run(tmp_path / "run", prunable(tuned)[0], tuned.weights_digest(), "run")
