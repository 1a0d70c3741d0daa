"""Steering by a direction found at a position of chats: which it is, where it is added, and what is read of chats."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from ablation.bearing_models import NOUNS, VERBS, verb_of, write_chat_model
from safetensors.numpy import load_file
from tiny_models import tiny_headed
from transformers import AutoModelForCausalLM, AutoTokenizer

from probekit import steer
from probekit.ablation.concept.words import Texts
from probekit.ablation.steering.report import LOSS, ODDS, RANDOM, SteeringReport
from probekit.ablation.steering.sentences import Parts
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cache.reader import ActivationCache
from probekit.cli.app import run
from probekit.corpus import Corpus, open_corpus
from probekit.errors import UsageError
from probekit.example import Example
from probekit.extraction.run import extract
from probekit.models.sources.find import find_model
from probekit.report.page.commands import reproduction

NUMBERS = "words:are,were/is,was"
DOSES = [0.05, 0.5]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_chat_model(tmp_path_factory.mktemp("chats"))


def steered(made: dict[str, Path], task: str, ends: tuple[str, str], metric: str = NUMBERS, **given) -> SteeringReport:  # type: ignore[no-untyped-def]
    return steer(
        f"label:{task}", made["model"], toward=ends[0], away=ends[1], metric=metric, corpus=made["chats"], layers=[1],
        doses=DOSES, cost=1.0, draws=2, cache=made["root"] / "caches", spec=ScoringSpec(device="cpu"), **given,
    )  # fmt: skip


def values(report: SteeringReport, method: str, metric: str = ODDS) -> list[float]:
    return [float(row.value) for row in report.curve(method, metric) if row.value is not None]


def loss_of(model: torch.nn.Module, texts: list[torch.Tensor], begin: int) -> tuple[float, int]:
    """Return the loss of all words that stand behind something, and how many tokens they are."""
    total, count = 0.0, 0
    for ids in texts:
        with torch.no_grad():
            said = model(ids).logits[0].double().log_softmax(-1)
        places = [place for place in range(1, ids.shape[1]) if ids[0, place] != begin]
        total -= sum(float(said[place - 1, ids[0, place]]) for place in places)
        count += len(places)
    return total, count


def test_number_found_before_the_answer_moves_number_and_tense_does_not(made: dict[str, Path]) -> None:
    number = steered(made, "number", ("Plur", "Sing"), chat=True, at="last-prompt")
    tense = steered(made, "tense", ("Past", "Pres"), chat=True, at="last-prompt")
    little, much = values(number, "means")
    assert 2 < little < 8
    assert much > 20
    for report, method in ((tense, "means"), (number, RANDOM)):
        assert np.abs(values(report, method)).max() < 0.15 * much
    tokenizer, model = AutoTokenizer.from_pretrained(made["model"]), AutoModelForCausalLM.from_pretrained(made["model"])
    rows = [json.loads(line) for line in made["chats"].read_text().splitlines()]
    texts = [" ".join(one["content"] for one in row["messages"]) for row in rows if row["split"] == "test"]
    # Nothing stands before the first word, which no one predicts.
    loss, count = loss_of(model, [torch.tensor([tokenizer(text).input_ids]) for text in texts], -1)
    shown = next(row for row in number.rows if row.metric == "loss")
    assert shown.value == pytest.approx(loss / count, abs=1e-4)
    text = str(number)
    for said in (
        "Sing -> Plur, found at 'last-prompt'",
        "Added at every token is ",
        "of training examples, each at 'last-prompt' (the last token before the answer), from Sing to Plur; the",
        "Words are asked for at a token of each example that the seed draws, whatever the position.",
        "Read at 'last-prompt', the last token before the answer: all 240 targets have it.",
    ):
        assert said in text, said
    command = reproduction("steer", number.provenance).command
    assert {"--at", "last-prompt", "--chat"} <= set(command.split())
    assert "--states" not in command


def test_the_vector_and_what_it_costs_chats_are_those_of_the_bare_model(made: dict[str, Path], tmp_path: Path) -> None:
    asked = {"chat_template": made["other"], "at": "assistant", "save": tmp_path / "v.safetensors"}
    report = steered(made, "number", ("Plur", "Sing"), **asked)
    tokenizer, model = AutoTokenizer.from_pretrained(made["model"]), AutoModelForCausalLM.from_pretrained(made["model"])
    rows = [json.loads(line) for line in made["chats"].read_text().splitlines()]
    begin = tokenizer.convert_tokens_to_ids("<s>")

    def read(row: dict[str, list[dict[str, str]]]) -> torch.Tensor:
        text = " ".join(f"<s> {message['content']}" for message in row["messages"])
        return torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])

    answered = [row for row in rows if row["split"] == "train" and len(row["messages"]) == 2]
    with torch.no_grad():
        states = np.stack([
            model(read(row), output_hidden_states=True).hidden_states[1][0, -1].double().numpy() for row in answered
        ])  # fmt: skip
    plural = np.array([row["number"] == "Plur" for row in answered])
    apart = states[plural].mean(0) - states[~plural].mean(0)
    vector = apart / np.linalg.norm(apart) * np.sqrt(np.square(states).sum(1).mean())
    np.testing.assert_allclose(load_file(tmp_path / "v.safetensors")["directions"][0], vector, atol=1e-4)
    said = f"{len(answered) + 60:,} targets have it, 5 are left out: no answer of the assistant at its end"
    assert said in str(report)
    before, count = loss_of(model, [read(row) for row in rows if row["split"] == "test"], begin)
    shown = next(row for row in report.rows if row.metric == "loss")
    assert shown.value == pytest.approx(before / count, abs=1e-4)

    def add(module: object, inputs: object, output: object) -> object:
        added = torch.from_numpy(0.5 * vector).float()
        return (output[0] + added, *output[1:]) if isinstance(output, tuple) else output + added  # type: ignore[operator]

    handle = model.transformer.h[0].register_forward_hook(add)
    after, _ = loss_of(model, [read(row) for row in rows if row["split"] == "test"], begin)
    handle.remove()
    assert values(report, "means", LOSS)[1] == pytest.approx((after - before) / count, abs=1e-3)


def test_a_masked_model_reads_chats_with_the_words_masked(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "the doctor walked"}, {"role": "assistant", "content": "It is"}],
             "split": "dev"}]  # fmt: skip
    (tmp_path / "chats.jsonl").write_text(json.dumps(rows[0]) + "\n")
    (tmp_path / "t.jinja").write_text("{% for message in messages %}( {{ message['content'] }} ) {% endfor %}")
    folder = tiny_headed("bert", "AutoModelForMaskedLM")
    made = extract(folder, tmp_path / "chats.jsonl", chat_template=tmp_path / "t.jinja", cache=tmp_path, device="cpu")
    cache = ActivationCache.open(made.cache)
    texts = Texts(cache.index())
    with Session(find_model(str(folder)), ScoringSpec(device="cpu"), stacks=True) as session:
        parts = Parts(session, cache, open_corpus(tmp_path / "chats.jsonl"), chats=True, batch_tokens=64)
        found = parts.sentences("dev")
        (question,) = parts.places("dev", ((5,), (6,)), 0)
        mask = session.loaded.tokenizer.mask_token_id
    ids, words = texts.ids(0), [texts.places(0, word, word + 1) for word in range(5)]
    assert found.tokens.tolist() == [sum(map(len, words))]
    assert len(ids) > sum(map(len, words)) + 3  # the template's tokens are no one's
    whole = [np.flatnonzero(row == mask).tolist() for each in found.passes for row in each.batch.ids]
    assert sorted(whole) == sorted(words)
    assert question.row[question.place] == mask
    assert len(question.row) == len(ids)


def test_sentences_that_are_left_out_are_counted(made: dict[str, Path]) -> None:
    """One word has no place at which another could stand; thirty are more than the model reads."""
    words = [["the"], ["the"] * 30, ["the", "noun1", "is"]]
    corpus = Corpus.from_examples([Example(f"e{n}", its, split="train") for n, its in enumerate(map(tuple, words))])
    cache = ActivationCache.open(extract(made["model"], corpus, overflow="truncate", cache=made["root"] / "few").cache)
    with Session(find_model(str(made["model"])), ScoringSpec(device="cpu"), stacks=True) as session:
        parts = Parts(session, cache, corpus, chats=False, batch_tokens=64)
        assert (len(parts.sentences("train").groups), len(parts.places("train", ((5,), (6,)), 0))) == (2, 1)
    said = "no token of them is predicted, or they are longer than the model reads."
    assert parts.notes == [
        f"{n} of 3 sentences of train are left out of {what}: {said}"
        for n, what in ((1, "the loss"), (2, "the questions"))
    ]


def test_the_command_takes_chats_and_what_has_no_effect_is_refused(
    made: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "verbs.tsv"
    right = {"Plur": ("are", "is"), "Sing": ("is", "are")}
    lines = []
    for noun in range(NOUNS):
        number = VERBS[verb_of(noun)][0]
        lines.append("\t".join([*(f"the noun{noun} {verb}" for verb in right[number]), number.lower()]))
    suite.write_text("\n".join(["good\tbad\tnumber", *lines]) + "\n")
    words = ["ablate", "steer", "--task", "label:number", "--toward", "Plur", "--away", "Sing", "--layers", "1"]
    words += ["--model", str(made["model"]), "--corpus", str(made["chats"]), "--at", "last-prompt", "--doses", "0.5"]
    words += ["--draws", "1", "--device", "cpu", "--cache", str(made["root"] / "caches")]
    assert run([*words, "--chat", "--metric", f"behave:{suite}"]) == 0
    shown = capsys.readouterr().out
    assert "Items of the suite are read as they are, not by the chat template." in shown
    assert re.search(r"; [0-9]+ chats of [0-9]+ documents", shown)
    assert "Random: one direction of the same length." in " ".join(shown.split())
    for changed, says in (
        (["--metric", NUMBERS, "--states", "written"], "`states` has nothing to choose"),
        (["--metric", NUMBERS, "--chat", "--begin", "token"], "Leave out --begin and --end"),
        (["--metric", NUMBERS, "--task", "pos"], "'pos' is about words of its own"),
    ):
        assert run([*words, *changed]) == 2, changed
        assert says in " ".join(capsys.readouterr().err.split()), changed
    with pytest.raises(UsageError, match="must be one of"):
        steered(made, "number", ("Plur", "Sing"), at="lst")
