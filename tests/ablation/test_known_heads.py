"""A model written by hand, one head of which copies number from subject to verb: what is found is what is there."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch
from behaviour.agreeing_models import NOUNS, write_agreeing_model
from safetensors.torch import save_file

from probekit import ablate
from probekit.ablation import Edit, edited, read_edits
from probekit.ablation.metrics import METRICS, Wanted
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.sides import Side
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.errors import UsageError
from probekit.models.runtime.forward import forward
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.find import find_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_agreeing_model(tmp_path_factory.mktemp("known") / "two-heads", nearest=False, heads=2, blocks=2)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("suite") / "agreement.tsv"
    lines = ["good\tbad"]
    for head, other in product(NOUNS, NOUNS):
        good, bad = ("are", "is") if NOUNS[head] > 0 else ("is", "are")
        lines.append(f"the {head} near the {other} {good}\tthe {head} near the {other} {bad}")
    path.write_text("\n".join(lines) + "\n")
    return f"behave:{path}"


@pytest.mark.parametrize("importance", ["ablation", "gradient", "attribution"])
def test_the_head_that_copies_number_is_found_and_it_alone_breaks_agreement(
    model: Path, suite: str, importance: str
) -> None:
    report = ablate("heads", model, metric=suite, importance=importance, orders=6, device="cpu")
    (first, most), *others = report.importance
    assert first == "1.heads 0"
    assert len(others) == 3
    assert all(abs(value) < 0.02 * most for _, value in others)
    by_count = {row.strength: row for row in report.select("estimator")}
    assert by_count[0].value == 1
    assert [by_count[count].value for count in (1, 2, 3, 4)] == [0.5] * 4  # a tie at every item
    # A random order breaks agreement where that head is gone, and nowhere before.
    for scores in report.provenance["random"]:
        assert sorted(scores, reverse=True) == scores
        assert set(scores) == {1.0, 0.5}


def test_other_heads_and_all_neurons_break_nothing(model: Path, suite: str) -> None:
    for parts, layers in (("heads", "2"), ("units", None), ("layers", "2")):
        report = ablate(parts, model, metric=suite, layers=layers, orders=2, device="cpu")
        assert {row.value for row in report.rows if row.role != "difference"} == {1.0}, parts
    broken = ablate("layers", model, metric=suite, orders=2, device="cpu")
    assert broken.importance[0][0] == "block 1"
    assert broken.select("estimator")[1].value == 0.5


def test_what_is_pruned_and_saved_scores_as_the_curve_says(model: Path, suite: str, tmp_path: Path) -> None:
    for instead in ("zero", "mean"):
        file = tmp_path / f"{instead}.json"
        report = ablate("heads", model, metric=suite, instead=instead, first="least", prune=3, save=file, orders=2,
                        steps=2, device="cpu")  # fmt: skip
        assert report.importance[-1][0] == "1.heads 0"
        assert set(report.provenance["pruned"]) == {"1.heads 1", "2.heads 0", "2.heads 1"}
        by_count = {row.strength: row.value for row in report.select("estimator")}
        assert by_count[3] == 1  # the head that copies number stays
        assert by_count[4] < 1
        edits = read_edits(file)
        assert [(edit.site, edit.what, edit.heads) for edit in edits] == [
            ("1.heads", instead, (1,)), ("2.heads", instead, None)]  # fmt: skip
        behave, spec = METRICS.get("behave", "metric"), ScoringSpec(device="cpu")
        wanted = Wanted(suite.partition(":")[2], find_model(str(model)), spec, None, 0, ProbeSpec())
        with behave.open(wanted) as reading:
            side = Side.of(reading, reading.showing, behave, 256)
            with edited(reading.loaded, edits):
                right = side.counts(side.runs.totals([{}])[0])
        assert right[:, 0].mean() == by_count[3]
    with pytest.raises(UsageError, match="say how many parts"):
        ablate("heads", model, metric=suite, save=file)
    with pytest.raises(UsageError, match="at most the number of heads, 4"):
        ablate("heads", model, metric=suite, prune=5, orders=1, device="cpu")


def test_resampling_a_unit_that_nobody_hears_changes_nothing(model: Path, tmp_path: Path) -> None:
    with Session(find_model(str(model)), ScoringSpec(device="cpu"), stacks=True) as session:
        loaded, batch = session.loaded, trial_batch(session.loaded)
        values = torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
        save_file({"values": values}, tmp_path / "values.safetensors")
        plain = forward(loaded, batch).logits.clone()
        for unit, same in ((39, True), (0, False)):
            edit = Edit("1.mlp", "resample", units=(unit,), values=str(tmp_path / "values.safetensors"), seed=3)
            with edited(loaded, [edit]):
                assert torch.equal(forward(loaded, batch).logits, plain) is same
