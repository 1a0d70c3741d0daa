"""Concepts found at a position of chats: what is used is told from what is readable, in the model's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ablation.bearing_models import write_chat_model
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from probekit import ConceptReport, ablate_concept
from probekit.ablation.erasure import leace
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.report.page.commands import reproduction


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model, whose verb follows from the noun before it, with chats: the noun is asked and the verb answered."""
    return write_chat_model(tmp_path_factory.mktemp("chats"))


@pytest.fixture(scope="module")
def report(made: dict[str, Path]) -> ConceptReport:
    return ablate_concept(
        ["label:number", "label:tense"], made["model"], corpus=made["chats"], chat=True, at="last-prompt", layers="1",
        draws=3, save=made["root"] / "erasers", cache=made["root"] / "caches", device="cpu",
    )  # fmt: skip


def value(report: ConceptReport, task: str, method: str, metric: str = "accuracy") -> float:
    row = report.row(task, 1, method, metric)
    assert row is not None
    assert row.value is not None
    return row.value


def test_at_the_last_token_before_the_answer_number_is_used_and_tense_is_not(report: ConceptReport) -> None:
    for task in ("label:number", "label:tense"):
        assert value(report, task, "probe") > 0.95
        assert value(report, task, "probe after leace") < 0.75
        row = report.row(task, 1, "probe")
        assert row is not None
        assert row.pooling == "last-prompt"
    assert report.used("label:number", 1)
    assert not report.used("label:tense", 1)


def test_the_eraser_is_that_of_the_states_at_the_token_and_acts_at_every_one(
    report: ConceptReport, made: dict[str, Path]
) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(made["model"]), AutoModelForCausalLM.from_pretrained(made["model"])
    rows = [json.loads(line) for line in made["chats"].read_text().splitlines()]
    contents = [[message["content"] for message in row["messages"]] for row in rows]

    def read(texts: list[str]) -> torch.Tensor:
        return torch.tensor([tokenizer(" ".join(texts), add_special_tokens=False).input_ids])

    states, codes = [], []
    for row, texts in zip(rows, contents, strict=True):
        if row["split"] == "train":
            with torch.no_grad():
                states.append(model(read(texts[:1]), output_hidden_states=True).hidden_states[1][0, -1].numpy())
            codes.append(int(row["number"] == "Sing"))
    by_hand = leace(np.stack(states).astype(np.float64), np.array(codes))
    saved = load_file(next((made["root"] / "erasers").glob("label-number*1*.safetensors")))
    np.testing.assert_allclose(saved["mean"].ravel(), by_hand.mean, atol=1e-4)
    found = saved["duals"].T @ saved["directions"]
    np.testing.assert_allclose(found, by_hand.duals.T @ by_hand.directions, atol=1e-3)

    def erase(_module: object, _inputs: object, output: object) -> object:
        first = output[0] if isinstance(output, tuple) else output
        assert isinstance(first, torch.Tensor)
        changed = first - (first - torch.from_numpy(saved["mean"]).view(-1)) @ torch.from_numpy(found)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    def said(texts: list[str]) -> list[float]:
        """Return the log-probability of every word that something stands before."""
        ids = read(texts)
        with torch.no_grad():
            logits = model(ids).logits[0].double().log_softmax(-1)
        return [float(logits[place - 1, ids[0, place]]) for place in range(1, ids.shape[1])]

    # An example without an answer has all of its words too: its prompt ends where its last token is.
    test = [texts for row, texts in zip(rows, contents, strict=True) if row["split"] == "test"]
    for method in ("whole", "leace"):
        handle = model.transformer.h[0].register_forward_hook(erase) if method == "leace" else None
        values = [value for texts in test for value in said(texts)]
        row = report.row("label:number", 1, method, "logprob")
        assert row is not None
        assert row.n == len(values)
        assert row.value == pytest.approx(np.mean(values), abs=2e-3)
        if handle is not None:
            handle.remove()


def test_output_and_report_say_where_it_was_found_and_where_it_was_erased(
    report: ConceptReport, tmp_path: Path
) -> None:
    text = str(ConceptReport.read(report.write(tmp_path / "report.jsonl")))
    for said in (
        "leace at one layer, found at 'last-prompt'",
        "at every token that the model reads, special ones too",
        "fitted on training to the states at 'last-prompt' (the last token before the answer) alone.",
        "which lies along the directions found at 'last-prompt'. The words that bear the label are all words of the",
        "Fitted on 180 states of training, each at 'last-prompt' of its example.",
        "Read at 'last-prompt', the last token before the answer: all 240 targets have it.",
    ):
        assert said in text, said
    command = reproduction("ablate-concept", report.provenance).command
    assert "--at last-prompt" in command
    assert "--chat" in command.split()


def test_a_template_of_ones_own_moves_the_token_and_the_command_takes_it(
    made: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["ablate", "concept", "--task", "label:number", "--model", str(made["model"])]
    asked += ["--corpus", str(made["chats"]), "--draws", "1", "--cache", str(tmp_path), "--device", "cpu"]
    template = ["--chat-template", str(made["other"])]
    assert run([*asked, "--at", "last-prompt", *template, "--layers", "1", "--everywhere"]) == 0
    shown = capsys.readouterr().out
    # The blocks add nothing, so the token behind the noun knows nothing of it.
    assert "leace at all layers, found at 'last-prompt'" in shown
    assert shown.split("readable\n")[1].splitlines()[1].split()[-1] == "no"
    for task, says in (("pos", "'pos' is about words of its own"), ("tree-distance", "over trees")):
        with pytest.raises(UsageError, match=says):
            ablate_concept(task, made["model"], corpus=made["chats"], at="last", cache=tmp_path)
    with pytest.raises(UsageError, match="must be one of"):
        ablate_concept("label:number", made["model"], corpus=made["chats"], at="lst", cache=tmp_path)
