"""Other attention: what a head that is used does not bear, and what one that is not used does."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from behaviour.agreeing_models import CONSTANT, NOUN, NOUNS, WIDTH, write_agreeing_model
from scipy.spatial.distance import jensenshannon
from tiny_models import tiny_headed, tiny_model
from transformers import AutoModel, GPT2LMHeadModel

from probekit import ablate_attention
from probekit.ablation.attention.adversary import Adversary
from probekit.ablation.attention.changes import drawn, permuted, uniform
from probekit.ablation.attention.distances import jensen_shannon, total_variation
from probekit.ablation.attention.report import AttentionChangeReport
from probekit.ablation.attention.seeing import Attending
from probekit.ablation.passes import Scored, passes_of, scored_tokens
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.models.runtime.attach import Rows
from probekit.models.runtime.forward import forward, model_inputs
from probekit.models.runtime.middle import trial_batch
from probekit.models.runtime.weighing import weighed
from probekit.models.sources.find import find_model
from probekit.sites import WEIGHTS, Site

TEXTS = ["the doctor walks", "the teacher walk in the garden", "a river"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attends") / "two-heads"
    write_agreeing_model(folder, nearest=False, heads=2, blocks=2)
    made, size = GPT2LMHeadModel.from_pretrained(folder), WIDTH // 2
    with torch.no_grad():  # heads that bear nothing look at nouns too
        for block, head in ((0, 1), (1, 0), (1, 1)):
            matrix = made.transformer.h[block].attn.c_attn.weight
            matrix[CONSTANT, head * size] = matrix[NOUN, WIDTH + head * size] = 3.0
    made.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("suite") / "agreement.tsv"
    lines = ["good\tbad"]
    for head, other in product(NOUNS, NOUNS):
        good, bad = ("are", "is") if NOUNS[head] > 0 else ("is", "are")
        if NOUNS[head] != NOUNS[other]:
            lines.append(f"the {head} near the {other} {good}\tthe {head} near the {other} {bad}")
    path.write_text("\n".join(lines) + "\n")
    return f"behave:{path}"


@pytest.fixture(scope="module")
def report(model: Path, suite: str) -> AttentionChangeReport:
    return ablate_attention(
        model, metric=suite, spec=ScoringSpec(device="cpu"), epsilons=[0.02], draws=2, search_steps=25
    )


def one(report: AttentionChangeReport, metric: str, layer: str | None, method: str, role: str | None = None) -> float:
    (row,) = (row for row in report.select(metric, role=role) if (row.layer, row.method) == (layer, method))
    assert row.value is not None
    return row.value


def test_permuting_the_head_that_copies_number_breaks_agreement_and_permuting_others_does_not(
    report: AttentionChangeReport,
) -> None:
    assert one(report, "accuracy", None, "own") == 1
    for layer, method in (("1.weights", "permuted head 0"), ("1.weights", "permuted"), (None, "permuted")):
        assert one(report, "accuracy", layer, method, "difference") < -0.2
        assert one(report, "output_tvd", layer, method) > 0.2
    for layer, method in (("1.weights", "permuted head 1"), ("2.weights", "permuted"), ("2.weights", "uniform")):
        assert one(report, "accuracy", layer, method, "difference") == 0
        assert one(report, "output_tvd", layer, method) < 0.01
        assert one(report, "attention_jsd", layer, method) > 0.05


def test_distant_attention_is_found_where_a_head_is_unused_and_not_where_it_is_the_only_route(
    report: AttentionChangeReport,
) -> None:
    used = one(report, "attention_jsd", "1.weights", "adversarial head 0")
    free = [one(report, "attention_jsd", "1.weights", "adversarial head 1"),
            one(report, "attention_jsd", "2.weights", "adversarial")]  # fmt: skip
    assert min(free) > 0.25
    assert used < min(free) / 2
    for layer in ("1.weights", "2.weights", None):
        assert one(report, "output_tvd", layer, "adversarial") <= 0.02
        assert one(report, "accuracy", layer, "adversarial", "difference") == 0


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_what_is_changed_in_a_batch_is_what_is_changed_alone_and_bounds_are_kept(name: str) -> None:
    kind = {"gpt2": "AutoModelForCausalLM", "bert": "AutoModelForMaskedLM"}[name]
    with Session(
        find_model(str(tiny_headed(name, kind))), ScoringSpec(device="cpu"), stacks=True, attention="eager"
    ) as session:
        texts = [Scored(reading, scored_tokens(reading, session)) for reading in session.read(TEXTS)]
        sites = [Site(WEIGHTS, 2), Site(WEIGHTS, 3)]
        attending = Attending(session.loaded, sites)
        adversary = Adversary(attending, steps=3, seed=0)
        said: dict[int, list[list[np.ndarray]]] = {}
        for tokens in (4096, 1):
            found: list[list[np.ndarray]] = [[] for _ in TEXTS]
            for each in passes_of(session, texts, tokens):
                seen = attending.see(each)
                far = adversary.furthest(each, seen, sites, 0.05)
                kept = total_variation(seen.said, attending.say(each, far))
                assert float(kept.max()) <= 0.05 + 1e-6
                changed = (
                    permuted(seen, {sites[0]: (1,), sites[1]: None}, "0 0"),
                    uniform(seen, {sites[0]: None}),
                    far,
                )
                for site, weights in changed[0].items():
                    torch.testing.assert_close(weights.sort(-1)[0], seen.weights[site].sort(-1)[0])
                    assert not torch.equal(weights, seen.weights[site])
                torch.testing.assert_close(changed[0][sites[0]][:, 0], seen.weights[sites[0]][:, 0])
                assert all(float(made.masked_fill(seen.allowed[site], 0).abs().max()) == 0 for made_of in changed
                           for site, made in made_of.items() if name == "gpt2")  # fmt: skip
                for place, owner in enumerate(each.owners):
                    found[owner].append(np.stack([attending.say(each, made)[place].detach().numpy()
                                                  for made in changed]))  # fmt: skip
            said[tokens] = found
        for whole, single in zip(said[4096], said[1], strict=True):
            np.testing.assert_allclose(np.stack(whole), np.stack(single), atol=1e-3)


def test_weights_are_those_that_transformers_returns_and_what_is_given_is_used() -> None:
    for name in ("llama", "deberta-v2", "t5"):
        loaded = find_model(str(tiny_model(name))).load(device="cpu", attention="eager")
        batch, stack = trial_batch(loaded), loaded.stacks[-1]
        peer = AutoModel.from_pretrained(tiny_model(name), attn_implementation="eager").eval()
        seen: list[torch.Tensor] = []
        with torch.no_grad(), model_inputs(loaded, batch) as inputs:
            expected = peer(**inputs, output_attentions=True)
            weights = expected["decoder_attentions" if name == "t5" else "attentions"][1]
        site = Site(WEIGHTS, 2, stack.name)
        with weighed(loaded, {site: lambda own, may, rows, seen=seen: seen.append(own)}, stack):  # type: ignore[misc]
            same = forward(loaded, batch)
        torch.testing.assert_close(seen[0], weights)
        torch.testing.assert_close(same[0], expected[0])
        alike = {site: lambda own, may, rows: may / may.sum(-1, keepdim=True).clamp_min(1)}
        with weighed(loaded, alike, stack), torch.no_grad(), model_inputs(loaded, batch) as inputs:
            given = loaded.model(**inputs, output_attentions=True)
        row = given["decoder_attentions" if name == "t5" else "attentions"][1][1, 0, 2]
        real = int(batch.lengths[1]) if name == "deberta-v2" else 3
        assert row.tolist() == pytest.approx([1 / real] * real + [0] * (len(row) - real))
        torch.testing.assert_close(forward(loaded, batch)[0], expected[0])  # nothing is left behind


def test_distances_are_those_of_scipy() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.dirichlet(np.full(6, 0.3), size=(2, 20))
    one[0], other[0] = np.eye(6)[:2]
    found = jensen_shannon(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    np.testing.assert_allclose(found, [jensenshannon(*pair) ** 2 for pair in zip(one, other, strict=True)], atol=1e-9)
    assert found[0] == pytest.approx(math.log(2))
    apart = total_variation(torch.from_numpy(one).log(), torch.from_numpy(other).log()).numpy()
    np.testing.assert_allclose(apart, np.maximum(one - other, 0).sum(1), atol=1e-9)


def test_what_is_drawn_depends_on_the_text_alone() -> None:
    ids = torch.tensor([[5, 6, 7, 0], [5, 6, 7, 8]])
    found = drawn(Rows(ids, ids > 0), torch.Size([2, 1, 4, 4]), "x")
    alone = drawn(Rows(ids[:1, :3], ids[:1, :3] > 0), torch.Size([1, 1, 3, 3]), "x")
    torch.testing.assert_close(found[:1, :, :3, :3], alone)
    assert not torch.equal(found[0, :, :3, :3], found[1, :, :3, :3])


def test_what_cannot_be_replaced_is_refused_with_the_reason(model: Path, suite: str) -> None:
    loaded = find_model(str(model)).load(device="cpu")
    with pytest.raises(UsageError, match=r"cannot be replaced: .* It was loaded with 'sdpa' attention"):
        Attending(loaded, [Site(WEIGHTS, 1)])
    with pytest.raises(UsageError, match="Did you mean 'uniform'"):
        ablate_attention(model, metric=suite, changes=["uniforn"])
    with pytest.raises(UsageError, match="between 0 and 1"):
        ablate_attention(model, metric=suite, epsilons=[2])


def test_the_command_prints_a_table_that_is_shown_again(
    model: Path, suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "a.jsonl", tmp_path / "a.png"
    words = ["ablate", "attention", "--metric", suite, "--model", str(model), "--device", "cpu", "--limit", "4"]
    words += ["--epsilon", "0.1", "--search-steps", "3", "--permutations", "2", "--layers", "1"]
    assert run([*words, "--out", str(out), "--plot", str(plot)]) == 0
    shown = capsys.readouterr().out
    assert "adversarial 0.1" in shown
    assert "mean of 2 draws" in shown
    assert plot.stat().st_size > 10_000
    assert run(["report", "show", str(out)]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("width", "gone"), [(60, ["moves", "output", "change"]), (70, ["moves", "output"]), (80, ["moves"]), (100, [])]
)
def test_the_table_has_whole_columns_at_any_width(report: AttentionChangeReport, width: int, gone: list[str]) -> None:
    shown = report.table(width)
    lines = [line for line in shown.splitlines() if not line.startswith("note: ")]
    assert "…" not in shown
    body = [line for line in lines if line.split()[:1] and line.split()[0] in ("all", "1", "2")]
    assert len(body) > 10
    assert max(map(len, body)) <= width
    assert body[0].count("[") == 3 - len(gone)
    said = ", ".join(f"the interval of {name}" for name in gone)
    assert (f"not shown at this width: {said}" in lines) is bool(gone)
