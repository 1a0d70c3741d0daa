"""Scores of the tokens of a cache stand at its rows, and are kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_headed, tiny_model

from probekit import ActivationCache, extract, score_tokens
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.models.sources.find import find_model

SENTENCES = [
    ["the", "doctor", "walks", "."],
    ["the", "doctors", "near", "the", "river", "walk", "."],
    ["they", "walk", "to", "the", "unhappiest", "tree", "!"],
]
HEADS = {"gpt2": "AutoModelForCausalLM", "bert": "AutoModelForMaskedLM"}


@pytest.mark.parametrize("family", HEADS)
def test_each_row_has_the_score_of_its_token(family: str, tmp_path: Path) -> None:
    folder = tiny_headed(family, HEADS[family])
    cache = ActivationCache.open(extract(folder, SENTENCES, cache=tmp_path, device="cpu"))
    found = score_tokens(cache, folder, device="cpu")
    assert found.logprob.shape == (cache.layer(0).shape[0],)
    session = Session(find_model(folder), ScoringSpec(device="cpu"))
    texts = session.score(session.read([" ".join(words) for words in SENTENCES]))
    for number, scores in enumerate(texts):
        rows = (found.example == number) & (found.word >= 0)
        assert found.logprob[rows] == pytest.approx(scores.logprob, abs=1e-5)
        assert np.isnan(found.logprob[(found.example == number) & (found.word < 0)]).all()
    frame = found.frame
    assert len(frame) == sum(map(len, SENTENCES))
    assert frame.groupby("example")["logprob"].sum().tolist() == pytest.approx([scores.total for scores in texts])
    assert (frame["tokens"] > 1).any()
    size = found.kept.stat().st_size
    again = score_tokens(cache, folder, device="cpu")
    assert np.array_equal(again.logprob, found.logprob, equal_nan=True)
    assert found.kept.stat().st_size == size


def test_what_the_cache_read_otherwise_has_no_score_and_is_named(tmp_path: Path) -> None:
    folder = tiny_headed("gpt2", HEADS["gpt2"])
    long = ["the", "river"] * 40
    cache = extract(folder, [SENTENCES[0], long], cache=tmp_path, device="cpu", overflow="truncate")
    found = score_tokens(cache.cache, folder, device="cpu")
    assert np.isnan(found.logprob[found.example == 1]).all()
    assert np.isfinite(found.logprob[found.example == 0]).all()
    assert "1 examples without scores, longer" in found.notes[0]
    assert found.frame["logprob"].isna().sum() == len(set(found.word[found.example == 1]))
    short = extract(folder, SENTENCES, cache=tmp_path, device="cpu", overflow="truncate", max_length=5)
    assert "other tokens" in " ".join(score_tokens(short.cache, folder, device="cpu").notes)


def test_another_model_than_that_of_the_cache_is_refused(tmp_path: Path) -> None:
    cache = extract(tiny_model("bert"), SENTENCES, cache=tmp_path, device="cpu")
    with pytest.raises(UsageError, match="with other weights"):
        score_tokens(cache.cache, tiny_headed("gpt2", HEADS["gpt2"]), device="cpu")


def test_extract_keeps_scores_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "text.txt"
    corpus.write_text("the doctor walks .\nthey walk .\n")
    gpt, root = str(tiny_headed("gpt2", HEADS["gpt2"])), str(tmp_path / "root")
    words = [str(corpus), "--device", "cpu", "--cache", root]
    assert run(["extract", gpt, *words, "--score", "auto"]) == 0
    shown = capsys.readouterr().out
    assert "rows, causal; before each text <|endoftext|>" in shown
    assert "kept in" in shown
    assert run(["extract", gpt, *words, "--score", "causal", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores["scored"] == scores["rows"] > 0
    # What cannot be scored is said before anything is extracted.
    for model, options, said in (
        (str(tiny_model("bert")), ["--score", "auto"], "has no head that predicts tokens"),
        (gpt, ["--score", "masked"], "--score causal"),
        (gpt, ["--score", "causl"], "Did you mean 'causal'"),
        (gpt, ["--score", "auto", "--random-weights", "1"], "--random-weights"),
        (gpt, ["--score", "auto", "--dry-run"], "--dry-run"),
        (gpt, ["--score", "auto", "--shard", "1/2"], "--shard"),
    ):
        assert run(["extract", model, *words, *options]) == 2
        assert said in capsys.readouterr().err
    assert len(list((tmp_path / "root").glob("*--*"))) == 1
