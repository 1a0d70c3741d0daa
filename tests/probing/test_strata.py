"""Strata and worst errors are counted again from the predictions of the report."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model

from probekit import ActivationCache, extract, probe
from probekit.corpus import open_corpus
from probekit.errors import UsageError
from probekit.probing.analyses.strata import _genres
from probekit.probing.settings import Settings
from probekit.probing.studies.study import run_probe

CORPUS = "grammar:n=200"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    made = extract(tiny_model("bert"), CORPUS, overflow="window", cache=tmp_path_factory.mktemp("root"))
    return ActivationCache.open(made.cache)


def test_where_no_strata_are_large_enough_that_is_said(
    opened: ActivationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.probing.analyses.strata.FEWEST", 10_000)
    notes = probe("pos", on=opened, layers=[1], fast=True, also="strata").provenance["notes"]
    assert "There are no two strata to tell apart." in notes
    assert any(note.startswith("Strata of fewer than 10000 targets are left out: sentence length ") for note in notes)


def test_bands_hold_what_they_say(opened: ActivationCache, tmp_path: Path) -> None:
    probing = run_probe(opened, Settings(task="pos", fast=True, control_seeds=0, also=("strata", "worst-errors")))
    report, best = probing.report, probing.report.best_layer().layer
    examples = {example.id: example for example in open_corpus(CORPUS)}
    trained = Counter(word for example in examples.values() if example.split == "train" for word in example.words)
    hits: dict[str, list[bool]] = {}
    errors = 0
    for line in probing.predictions():
        example = examples[line["example"]]
        length, count = len(example.words), trained[line["form"]]
        for name in (
            next(f"sentence length {low}-{top}" for low, top in ((0, 10), (11, 20), (21, 40)) if low <= length <= top),
            "frequency in training 0" if count == 0 else "",
            "frequency in training 100+" if count > 99 else "",
        ):
            hits.setdefault(name, []).append(line["right"])
        errors += not line["right"]
    hits.pop("", None)
    found = {row.method: row for row in report.rows if row.method.startswith("stratum:") and row.layer == best}
    shortest = next(name for name in found if name.endswith("-10"))
    for name, right in hits.items():
        row = found[shortest if name.endswith("0-10") else f"stratum:{name}"]
        assert (row.n, row.value) == (len(right), pytest.approx(np.mean(right)))
        assert row.low <= row.value <= row.high
    notes = report.provenance["notes"]
    assert any(note.startswith(f"By sentence length (layer {best}): ") for note in notes)
    assert report.metric == "accuracy"
    place = next(i for i, note in enumerate(notes) if "most confident of" in note)
    assert f"of {errors:,} test errors (layer {best})" in notes[place]
    confidence = [float(note.partition("(")[2].partition(")")[0]) for note in notes[place + 1 :]]
    assert confidence == sorted(confidence, reverse=True)
    wrong = [line for line in probing.predictions() if not line["right"]]
    for note in notes[place + 1 :]:
        assert any(
            note.startswith(f"{line['predicted']} for {line['gold']} (") and f"[{line['form']}]" in note
            for line in wrong
        )
    assert json.dumps(report.to_json())


def test_a_network_has_no_confidence_to_read(opened: ActivationCache) -> None:
    with pytest.raises(UsageError, match=r"needs a linear estimator.*Got the estimator 'mlp'.*fits: .*logistic"):
        run_probe(opened, Settings(task="pos", estimator="mlp", also=("worst-errors",)))


@pytest.mark.parametrize(
    ("groups", "genres"),
    [
        (["weblog-a_1", "email-b", "email-c"], ["weblog", "email", "email"]),
        (["GUM_academic_art", "GUM_news_x"], ["academic", "news"]),
        (["d1", "d2"], None),
        (["a-x", None], None),
    ],
)
def test_genres_are_read_off_names(groups: list[str | None], genres: list[str] | None) -> None:
    assert _genres(groups) == genres
