"""Parts left out in many ways at once: each is what a whole run under the edit gives; the table says how it came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import LAYERS, tiny_headed

from probekit import AblationReport, ablate
from probekit.ablation import Edit, edited
from probekit.ablation.curves import curve_of, steps_of
from probekit.ablation.importance import IMPORTANCES
from probekit.ablation.metrics import METRICS, Entry, loss
from probekit.ablation.metrics._headed import halves
from probekit.ablation.parts import KINDS, parts_of, removal_of
from probekit.ablation.passes import Scored, passes_of, scored_tokens
from probekit.ablation.runs import Runs
from probekit.ablation.standing import means
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import run
from probekit.models.runtime.attach import attached
from probekit.models.sources.find import find_model
from probekit.sites import site_of

TEXTS = ["the doctor walks", "the teacher walk in the garden", "it was quiet .", "a river"]
CLASSES = {"gpt2": "AutoModelForCausalLM", "bert": "AutoModelForMaskedLM", "llama": "AutoModelForCausalLM"}


@contextmanager
def session_of(name: str) -> Iterator[Session]:
    source = find_model(str(tiny_headed(name, CLASSES[name])))
    with Session(source, ScoringSpec(device="cpu"), stacks=True) as session:
        if session.method == "masked":
            session._scorer.head.narrow = None  # type: ignore[attr-defined]  # narrowed rows are no places of edits
        yield session


def runs_of(session: Session, batch_tokens: int = 64) -> tuple[Runs[Any], list[Any]]:
    readings = session.read(TEXTS)
    texts = [Scored(reading, scored_tokens(reading, session)) for reading in readings]
    return Runs(session.loaded, passes_of(session, texts, 16), len(texts), batch_tokens=batch_tokens), readings


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_removals_in_one_batch_from_the_middle_are_whole_runs_under_edits(name: str) -> None:
    with session_of(name) as session:
        runs, readings = runs_of(session)
        parts = {part.name: part for kind in KINDS for part in parts_of(session.loaded, kind, "all")}
        heads, units = sorted({name for name in parts if ".heads" in name}), ["3.mlp 1", "3.mlp 5"]
        cases: list[tuple[list[str], list[Edit]]] = [
            ([], []),
            ([heads[-1]], [Edit("3.heads", heads=(3,))]),
            (["2.heads 1", *units], [Edit("2.heads", heads=(1,)), Edit("3.mlp", units=(1, 5))]),
            (["0 4"], [Edit("0", units=(4,))]),
            (["2 7", "2 9"], [Edit("2", units=(7, 9))]),
            ([f"{LAYERS} 7"], [Edit(str(LAYERS), units=(7,))]),
            (["block 1"], [Edit("1.heads"), Edit("1.mlp")]),
        ]
        found = runs.totals([removal_of(parts[part] for part in names) for names, _ in cases])
        assert not runs.notes
        for (names, edits), totals in zip(cases, found, strict=True):
            with edited(session.loaded, edits):
                expected = [scores.total for scores in session.score(readings)]
            np.testing.assert_allclose(totals, expected, rtol=1e-5, atol=1e-5, err_msg=str(names))
        assert np.abs(found[1:] - found[0]).max(axis=1).min() > 1e-4


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_effects_are_slopes_of_what_leaving_out_does(name: str) -> None:
    with session_of(name) as session:
        runs, _ = runs_of(session)
        site, weights, step = site_of("2.heads"), np.array([1.0, -1, 0.5, 2]), 1e-2
        (mean,) = runs.means([site]).values()
        runs.instead = means(runs, [site])
        foretold = sum(found[site].sum() for found in runs.effects([site], weights))
        moved, toward = [], torch.from_numpy(mean)
        for share in (step, -step):
            with attached(session.loaded, {site: lambda states, rows, share=share: states + share * (toward - states)}):
                moved.append(float(runs.totals([{}])[0] @ weights))
        assert foretold == pytest.approx((moved[1] - moved[0]) / (2 * step), rel=0.02)


def test_the_mean_stands_in_the_place_of_what_is_left_out() -> None:
    with session_of("gpt2") as session:
        runs, _ = runs_of(session)
        (part,) = parts_of(session.loaded, "layers", [2])
        seen: list[torch.Tensor] = []  # the mean is over the tokens of the texts, and over no trial run's
        first = runs.means(part.sites)
        with attached(session.loaded, {part.sites[0]: lambda states, rows: seen.append(states[rows.real])}):
            runs.totals([{}])
        np.testing.assert_allclose(first[part.sites[0]], torch.cat(seen).mean(0), atol=1e-5)
        plain = runs.totals([{}, removal_of([part])])
        runs.instead = means(runs, part.sites)
        (mean,) = runs.totals([removal_of([part])])
        with attached(session.loaded, {site: lambda states, rows, to=to: torch.from_numpy(to).expand_as(states)
                                       for site, to in runs.means(part.sites).items()}):  # fmt: skip
            np.testing.assert_allclose(mean, runs.totals([{}])[0], rtol=1e-5)
        assert np.abs(mean - plain).min() > 1e-4


def test_curves_meet_at_both_ends_and_intervals_are_of_the_items_shown() -> None:
    assert steps_of(4, 12) == (0, 1, 2, 3, 4)
    many = steps_of(1000, 10)
    assert (many[0], many[-1]) == (0, 1000)
    assert len(many) <= 12
    assert many[1] == 10
    draw = np.random.default_rng(0)
    hits = draw.random((3, 4, 200)) < np.array([0.9, 0.6, 0.7, 0.5])[:, None]
    hits[:, 0], hits[:, -1] = hits[0, 0], hits[0, -1]
    counts = np.stack([hits, np.ones_like(hits)], -1).astype(float)
    metric = METRICS.get("behave", "metric")
    curve = curve_of(counts, (0, 1, 2, 3), clusters=[str(n // 2) for n in range(200)], metric=metric, seed=0)
    assert (curve.n, curve.n_clusters) == (200, 100)
    assert curve.difference[0].value == curve.difference[-1].value == 0
    assert curve.difference[0].interval is curve.difference[-1].interval is None  # the same runs
    for step in range(4):
        assert curve.ordered[step].value == pytest.approx(hits[0, step].mean())
        assert curve.control[step].value == pytest.approx(hits[1:, step].mean())
        assert curve.ordered[step].interval is not None
    entries = [Entry(str(n % 7), ()) for n in range(40)]
    choosing, showing = halves(entries, 0, "template")
    assert len(choosing) + len(showing) == 40
    assert not {entry.cluster for entry in choosing} & {entry.cluster for entry in showing}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "some.txt"
    path.write_text("\n".join(f"the {noun} walks in the {other} ." for noun in ("doctor", "teacher", "house")
                              for other in ("garden", "river", "tree", "window")) + "\n")  # fmt: skip
    return path


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_loss_of_the_whole_model_is_its_scores(name: str, corpus: Path) -> None:
    model = tiny_headed(name, CLASSES[name])
    report = ablate("units", model, metric=f"loss:{corpus}", layers=[2], orders=2, steps=3, device="cpu")
    row = report.select("estimator")[0]
    with session_of(name) as session:
        read = loss.read(str(corpus), session, None)
        _, shown = halves(read.entries, 0, read.unit)
        scores = session.score([entry.outcomes[0].reading for entry in shown])
    assert row.value == pytest.approx(-sum(s.total for s in scores) / sum(s.n_tokens for s in scores), rel=1e-5)
    assert row.n == 6
    assert len(report.importance) == parts_width(model)


def parts_width(model: Path) -> int:
    config = json.loads((model / "config.json").read_text())
    return int(config.get("intermediate_size") or config.get("n_inner") or 4 * config["n_embd"])


def test_the_command_prints_one_table_and_writes_what_is_shown_again(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_headed("gpt2", CLASSES["gpt2"]))
    words = ["--metric", f"loss:{corpus}", "--model", model, "--device", "cpu", "--orders", "2", "--steps", "3"]
    out, plot = tmp_path / "a.jsonl", tmp_path / "a.svg"
    assert run(["ablate", "dims", *words, "--instead", "mean", "--out", str(out), "--plot", str(plot)]) == 0
    shown = capsys.readouterr().out
    assert "random orders" in shown
    assert "6 items of 6 documents" in shown
    assert "on 6 items of 6 documents; the curve is of the 6 items of the 6 others" in shown
    assert "its mean over the tokens" in shown
    assert "Dims are of layer 1" in shown
    assert plot.stat().st_size
    assert run(["report", "show", str(out), "--plot", str(plot)]) == 0
    assert capsys.readouterr().out == shown
    assert AblationReport.read(out).table() == shown.rstrip("\n")
    assert run(["ablate", "heads", *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {row["stage"] for row in document["rows"]} == {"ablate"}
    assert len(document["importance"]) == 12


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--metric", "loss"], 2, "loss:CORPUS"),
        (["--metric", "lost:x"], 2, "Did you mean 'loss'"),
        (["--metric", "loss:{corpus}", "--importance", "gradeint"], 2, "Did you mean 'gradient'"),
        (["--metric", "loss:{corpus}", "--layers", "9"], 2, "must be some of 1 to 3"),
        (["--metric", "loss:{corpus}", "--layers", "final"], 2, "numbered layers"),
        (["--metric", "loss:{corpus}", "--instead", "noise"], 2, "instead"),
        (["--metric", "loss:{corpus}", "--limit", "1"], 3, "are of one document"),
        (["--metric", "behave:nosuch"], 2, "no suite 'nosuch'"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str], code: int, said: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_headed("gpt2", CLASSES["gpt2"]))
    given = [word.format(corpus=corpus) for word in words]
    assert run(["ablate", "heads", *given, "--model", model, "--device", "cpu"]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "heads --metric loss:{corpus}",
        "layers --metric behave:grammar",
        "dims --metric probe:pos --corpus {corpus}",
        "inputs --metric probe:pos --corpus {corpus}",
        "attention --metric loss:{corpus}",
        "weights --metric loss:{corpus}",
        "interchange --metric behave:grammar",
        "concept --task pos --corpus {corpus}",
        "steer --task pos --toward X --away Y --metric words:a/b --corpus {corpus}",
    ],
)
def test_an_encoder_decoder_is_refused_with_the_reason_and_the_way_out(
    words: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_headed("t5", "AutoModelForSeq2SeqLM"))
    assert run(["ablate", *words.format(corpus=corpus).split(), "--model", model, "--device", "cpu"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "is an encoder-decoder: it reads in one stack of blocks and predicts in another" in said
    assert "Name a causal or a masked model; `probekit behave` and `probekit probe` take this one." in said


def test_members_of_the_catalogues_say_what_they_are() -> None:
    assert set(METRICS.members()) >= {"behave", "loss"}
    assert set(IMPORTANCES.members()) >= {"ablation", "attribution", "gradient"}
    for metric in METRICS.members().values():
        assert metric.argument.isupper()
        assert metric.help.endswith(".")
    for importance in IMPORTANCES.members().values():
        assert importance.said
        assert "http" in importance.reference
