"""A planted direction moves its own label and no other's; the vector that is written does what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ablation.bearing_models import NOUNS, VERBS, bearing_corpus, directions, verb_of, write_bearing_model
from safetensors.numpy import load_file
from tiny_models import tiny_headed
from transformers import AutoModelForCausalLM

from probekit import steer
from probekit.ablation import Edit, edited
from probekit.ablation.steering.report import LOSS, ODDS, OVER_RANDOM, RANDOM, SteeringReport
from probekit.ablation.steering.run import _strengths
from probekit.ablation.steering.vector import Vector, find_vector
from probekit.ablation.subspaces import SUBSPACES
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.models.runtime.attach import attached
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import load_with_head

CPU = ScoringSpec(device="cpu")
NUMBERS = "words:are,were/is,was"


@pytest.fixture(scope="module")
def bearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bearing_model(tmp_path_factory.mktemp("bearing") / "model")


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "verbs.tsv"
    lines = ["good\tbad\tnumber"]
    for noun in range(NOUNS):
        number = VERBS[verb_of(noun)][0]
        good, bad = ("are", "is") if number == "Plur" else ("is", "are")
        lines.append(f"the noun{noun} {good}\tthe noun{noun} {bad}\t{number.lower()}")
    path.write_text("\n".join(lines) + "\n")
    return path


def steered(bearing: Path, caches: Path, task: str, ends: tuple[str, str], metric: str = NUMBERS) -> SteeringReport:
    return steer(
        task, bearing, toward=ends[0], away=ends[1], metric=metric, corpus=bearing_corpus(), layers=[1],
        doses=[-0.5, 0.05, 0.5], cost=1.0, draws=3, cache=caches, spec=CPU,
    )  # fmt: skip


def values(report: SteeringReport, method: str, metric: str = ODDS) -> list[float]:
    return [float(row.value) for row in report.curve(method, metric) if row.value is not None]


def test_the_direction_of_number_moves_number_and_that_of_tense_does_not(bearing: Path, caches: Path) -> None:
    number = steered(bearing, caches, "morph:Number", ("Plur", "Sing"))
    tense = steered(bearing, caches, "morph:Tense", ("Past", "Pres"))
    away, little, much = values(number, "means")
    assert away < -20
    assert 2 < little < 8
    assert much > 20
    for report, method in ((tense, "means"), (number, RANDOM)):
        assert np.abs(values(report, method)).max() < 0.12 * much
    assert number.chosen == (1, 0.05)  # the stronger one costs more than a nat a token
    assert values(number, "means", LOSS)[2] > 1
    row = number.curve(OVER_RANDOM)[2]
    assert row.low is not None
    assert row.low > 20


def test_answers_of_a_suite_move_to_the_class_that_is_right_of_half_of_its_items(
    bearing: Path, caches: Path, suite: Path
) -> None:
    report = steered(bearing, caches, "morph:Number", ("Plur", "Sing"), f"behave:{suite}")
    assert values(report, "means")[2] > 20
    turned = steered(bearing, caches, "morph:Number", ("Sing", "Plur"), f"behave:{suite}")
    np.testing.assert_allclose(values(turned, "means"), values(report, "means"), rtol=0.2)
    plain = [row.value for row in report.rows if row.metric == "log_odds"]
    assert plain == [pytest.approx(-row.value) for row in turned.rows if row.metric == "log_odds" and row.value]
    assert report.curve("means")[0].n == NOUNS // 2


@pytest.mark.parametrize("kind", ["means", "probe", "leace"])
def test_a_vector_is_found_with_its_sign(kind: str) -> None:
    draw, (truth, _, *rest) = np.random.default_rng(0), directions()
    toward = draw.random(300) < 0.4
    X = draw.standard_normal((300, len(rest))) @ np.stack(rest) + np.where(toward, 3, -3)[:, None] * truth
    vector = find_vector(2, X, toward, SUBSPACES.get(kind, "direction"), 0)
    assert vector.direction @ truth > 0.95
    assert find_vector(2, X, ~toward, SUBSPACES.get(kind, "direction"), 0).direction @ truth < -0.95
    assert vector.size == pytest.approx(np.sqrt(np.square(X).sum(1).mean()))


def test_the_file_is_the_subspace_of_an_edit_that_adds_what_plain_hooks_add(tmp_path: Path) -> None:
    folder = tiny_headed("gpt2", "AutoModelForCausalLM")
    draw = np.random.default_rng(0)
    direction = draw.standard_normal(32)
    vector = Vector(2, direction / np.linalg.norm(direction), 1.7)
    file = vector.save(tmp_path / "deep" / "v.safetensors")
    assert load_file(file)["directions"].shape == (1, 32)
    loaded = load_with_head(find_model(str(folder)), "causal", device="cpu", stacks=True)
    ids = torch.from_numpy(draw.integers(10, 200, (2, 6)))
    with torch.no_grad():
        with edited(loaded, [Edit("2", "add", subspace=str(file), strength=3.0)]):
            by_edit = loaded.model(input_ids=ids).logits.clone()
        with attached(loaded, {2: vector.adding(loaded, 3.0)}):
            by_vector = loaded.model(input_ids=ids).logits.clone()
        plain = AutoModelForCausalLM.from_pretrained(folder).eval()
        before = plain(ids).logits
        added = torch.from_numpy(3.0 * 1.7 * vector.direction).float()

        def add(module: object, args: object, output: object) -> object:
            return (output[0] + added, *output[1:]) if isinstance(output, tuple) else output + added  # type: ignore[operator]

        plain.transformer.h[1].register_forward_hook(add)
        wanted = plain(ids).logits
    torch.testing.assert_close(by_edit, by_vector)
    torch.testing.assert_close(torch.log_softmax(by_edit, -1), torch.log_softmax(wanted, -1), atol=1e-5, rtol=0)
    assert (wanted - before).abs().max() > 1e-3


def test_the_command_prints_one_table_and_writes_what_is_shown_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot, save = tmp_path / "a.jsonl", tmp_path / "a.svg", tmp_path / "v.safetensors"
    model = str(tiny_headed("bert", "AutoModelForMaskedLM"))
    words = ["ablate", "steer", "--task", "morph:Number", "--toward", "Plur", "--away", "Sing", "--limit", "4"]
    words += ["--model", model, "--metric", "words:the/a", "--cache", str(tmp_path / "c"), "--layers", "1"]
    words += ["--doses", "0.5,1", "--draws", "2", "--device", "cpu"]
    assert run([*words, "--states", "written", "--out", str(out), "--plot", str(plot), "--save", str(save)]) == 0
    shown = capsys.readouterr().out
    assert "* chosen on dev: layer 1, strength" in shown
    assert save.is_file()
    assert plot.stat().st_size
    assert run(["report", "show", str(out), "--plot", str(plot)]) == 0
    assert capsys.readouterr().out == shown
    rows = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    assert {row["stage"] for row in rows} == {"steer"}
    assert {row["role"] for row in rows} == {"floor", "estimator", "control", "difference"}
    capsys.readouterr()
    for changed, said in (
        (["--toward", "Plural"], "Did you mean 'Plur'"),
        (["--away", "Plur"], "Got 'Plur' twice"),
        (["--metric", "loss:x"], "words:A,B/C,D"),
        (["--metric", "words:the"], "Two sets of words"),
        (["--metric", "words:the/extraordinarily"], "Name words of one"),
        (["--direction", "das"], "means, probe"),
        (["--doses", "strong"], "must be numbers"),
        (["--layers", "9"], "must name layers of 0 to 3"),
    ):
        assert run([*words, *changed]) == 2, changed
        assert said in " ".join(capsys.readouterr().err.split()), changed


def test_a_strength_is_a_number_and_one_steers_toward() -> None:
    assert _strengths([2, -1, 0.5, 2]) == (-1.0, 0.5, 2.0)
    for wrong in ([0], [-1], ["much"], []):
        with pytest.raises(UsageError, match="doses"):
            _strengths(wrong)
