"""A whole probe with its code length: every layer priced, task against control."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_models import LAYERS, tiny_model

from probekit import ActivationCache, extract, probe
from probekit.errors import UsageError
from probekit.probing.analyses import ANALYSES, Context, analyses
from probekit.probing.analyses.code_length.online import online_codes
from probekit.probing.analyses.online_code import CONTROL_METHOD, METHOD, OnlineCodes
from probekit.probing.estimators import LayerMatrix, StudySettings, get_estimator
from probekit.probing.problem import Problem
from probekit.report import Measurement


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=200", overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


def test_every_layer_has_bits_and_compression_of_task_and_control(opened: ActivationCache) -> None:
    report = probe("pos", on=opened, also=["online-code"], control_seeds=2)
    for method in (METHOD, CONTROL_METHOD):
        for metric in ("bits", "compression"):
            points = report.points(method, split="train", metric=metric)
            assert list(points) == [*range(LAYERS + 1)]
    for layer in range(LAYERS + 1):
        task, control = (report.points(m, split="train", metric="compression")[layer] for m in (METHOD, CONTROL_METHOD))
        assert task.value > control.value
    assert any("Online code of" in note for note in report.provenance["notes"])
    assert report.metric == "accuracy"
    assert report.method == "logistic"
    plain = probe("pos", on=opened, control_seeds=2)
    assert plain.rows == tuple(row for row in report.rows if row.split != "train")


def test_rows_are_the_codes_of_the_layer(opened: ActivationCache) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    X = (rng.normal(size=(3, 8))[y] + rng.normal(size=(300, 8))).astype(np.float32)
    asked = [Problem("task", y[:200], y[200:250], y[250:], 3)]
    study = StudySettings(np.arange(200) // 4, 7, "cpu")
    linear = get_estimator("logistic")
    coder = OnlineCodes(Context(SimpleNamespace(problems=asked), linear, study, {}))  # type: ignore[arg-type]
    matrix = LayerMatrix(5, X[:200], X[200:250], X[250:])
    for _, results in linear.study([matrix], asked, study):
        coder.see(matrix, results)
    (code,) = online_codes(X[:200], asked, groups=study.sentences, seed=7)
    blank = Measurement(
        stage="probe", task="t", model="m", corpus="c", split="test", layer=None, method="", role="companion",
        metric="", value=None,
    )  # fmt: skip
    bits, compression = coder.rows(blank)
    assert (bits.layer, bits.split, bits.n, bits.n_groups, bits.seed) == (5, "train", 200, 50, 7)
    assert (bits.value, compression.value, bits.strength) == (code.bits, code.compression, code.strength)
    assert (bits.role, bits.strength_name) == ("companion", "C")
    assert "layer 5 takes fewest" in coder.notes()[0]


def test_another_estimator_has_no_code_length(opened: ActivationCache, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Got the estimator 'mlp'"):
        probe("pos", on=opened, estimator="mlp", also=["online-code"])


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("complexity", {"estimator": "attention"}, "needs an estimator that reads one vector a target.*'attention'"),
        ("strengths", {"estimator": "knn"}, "needs a linear estimator with an L2 penalty.*'knn'.*fits: logistic"),
        ("strata", {"task": "tree-distance"}, "reads labels or numbers, and 'tree-distance' is over trees"),
        ("variational-code", {"task": "position", "estimator": "ridge"}, "reads labels, and 'position' is .* numbers"),
    ],
)
def test_an_analysis_that_does_not_fit_is_refused_before_anything_is_read(
    opened: ActivationCache, monkeypatch: pytest.MonkeyPatch, name: str, asked: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(ActivationCache, "layer", None)
    monkeypatch.setattr(ActivationCache, "index", None)
    with pytest.raises(UsageError, match=f"`--also {name}` {said}"):
        probe(**{"task": "pos", **asked}, on=opened, also=[name])  # type: ignore[arg-type]


def test_every_analysis_is_named_as_its_file() -> None:
    for name, entry in ANALYSES.entries().items():
        assert entry.package or Path(entry.place).stem.replace("_", "-") == name


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), "grammar:n=60", overflow="window", cache=tmp_path_factory.mktemp("few"))
    return ActivationCache.open(made.cache)


@pytest.mark.parametrize("name", analyses())
def test_an_analysis_changes_no_score_or_says_why_it_does_not_fit(name: str, sentences: ActivationCache) -> None:
    assert analyses()[name].help.endswith(".")
    task = "sentence-length"
    plain = probe(task, on=sentences, layers=[1], fast=True)
    try:
        report = probe(task, on=sentences, layers=[1], fast=True, also=[name])
    except UsageError:  # it does not fit this study, and says so
        return
    assert report.rows[: len(plain.rows)] == plain.rows
    added = report.rows[len(plain.rows) :]
    assert all(row.task == task and row.role != "estimator" for row in added)


def test_a_wrong_analysis_is_named(opened: ActivationCache) -> None:
    with pytest.raises(UsageError, match=r"'onlinecode'.*Did you mean"):
        probe("pos", on=opened, also=["onlinecode"])
    with pytest.raises(UsageError, match="twice"):
        probe("pos", on=opened, also=["online-code", "online-code"])
