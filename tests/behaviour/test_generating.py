"""Continuations: those of a plain loop, the same in every batch and order, read again as the rows that they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_headed

from probekit import extract
from probekit.behaviour.generating.decoding import Decoding, choose, stream
from probekit.behaviour.generating.run import _Writer, generate
from probekit.cli.app import run
from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
ROWS = [
    {"id": "a", "prompt": "the quiet river", "label": "x"},
    {"id": "b", "prompt": "Is it the house of the doctor?", "label": "y"},
    {"id": "c", "prompt": "run", "completion": "fast", "label": "x"},
]
DRAWN = Decoding(seed=3, n=2, temperature=1.0, top_p=0.9, max_new_tokens=6)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "chatty"
    shutil.copytree(tiny_headed("llama", "AutoModelForCausalLM"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_most_probable_tokens_are_those_of_a_plain_loop(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    net, tokenizer = AutoModelForCausalLM.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
    made = generate(model, write(tmp_path / "p.jsonl", ROWS), decoding=Decoding(max_new_tokens=5), chat=True)
    assert any("1 chats had an answer" in note for note in made.notes)
    for row, given in zip(made.rows, ROWS, strict=True):
        messages = [{"role": "user", "content": given["prompt"]}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        start = len(ids)
        with torch.no_grad():
            while len(ids) < start + 5 and (len(ids) == start or ids[-1] != tokenizer.eos_token_id):
                ids = [*ids, int(net(torch.tensor([ids])).logits[0, -1].argmax())]
        expected = tokenizer.decode(ids, skip_special_tokens=True)
        assert expected.endswith(row["messages"][-1]["content"])
        assert row["generated"]["tokens"] == len(ids) - start - (ids[-1] == tokenizer.eos_token_id)


def test_a_row_is_the_same_in_every_batch_and_order(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", ROWS)
    first = generate(model, path, decoding=DRAWN, batch_size=4)
    assert any("same made alone and beside others" in note for note in first.notes)
    alone = generate(model, path, decoding=DRAWN, batch_size=1)
    turned = generate(model, write(tmp_path / "q.jsonl", ROWS[::-1]), decoding=DRAWN, batch_size=3)
    by_id = {row["id"]: row for row in first.rows}
    assert {row["id"]: row for row in alone.rows} == by_id == {row["id"]: row for row in turned.rows}
    other = generate(model, path, decoding=Decoding(seed=4, n=2, temperature=1.0, top_p=0.9, max_new_tokens=6))
    assert [row["completion"] for row in other.rows] != [row["completion"] for row in first.rows]
    assert by_id["a:0"]["completion"] != by_id["a:1"]["completion"]


def test_rows_that_differ_beside_others_are_made_alone(model: Path, tmp_path: Path, monkeypatch: Any) -> None:
    path, honest = write(tmp_path / "p.jsonl", ROWS), _Writer._run
    alone = generate(model, path, decoding=DRAWN, batch_size=1)

    def padded(self: _Writer, batch: Any) -> list[list[int]]:
        made = honest(self, batch)
        return [[7, *new] for new in made] if len(batch) > 1 else made

    monkeypatch.setattr(_Writer, "_run", padded)
    made = generate(model, path, decoding=DRAWN, batch_size=4)
    assert made.rows == alone.rows
    assert any("4 of 4 continuations differ beside others" in note for note in made.notes)


def test_tokens_are_drawn_as_their_probabilities_say() -> None:
    logits = torch.log(torch.tensor([0.1, 0.6, 0.3]))
    warm = Decoding(temperature=1.0)
    draws = stream(0, "row", 0).random(2000)
    counts = torch.bincount(torch.tensor([choose(logits, warm, float(u)) for u in draws]), minlength=3) / 2000
    assert torch.allclose(counts, torch.tensor([0.1, 0.6, 0.3]), atol=0.03)
    narrow = Decoding(temperature=1.0, top_p=0.85)
    assert {choose(logits, narrow, float(u)) for u in draws[:200]} == {1, 2}
    assert choose(logits, Decoding(), 0.99) == 1
    # A hotter model draws the rare one more often.
    hot = [choose(logits, Decoding(temperature=5.0), float(u)) for u in draws]
    assert hot.count(0) > 400
    assert stream(0, "row", 0).random() == stream(0, "row", 0).random() != stream(0, "row", 1).random()


def test_rows_are_read_again_and_keep_what_they_were_made_by(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn.jsonl"
    asked = ["generate", str(model), str(write(tmp_path / "p.jsonl", ROWS)), "--chat", "--n", "2", "--temperature", "1"]
    assert run([*asked, "--max-new-tokens", "4", "--out", str(out)]) == 0
    examples = list(open_corpus(out))
    for example in examples:
        by = example.annotations["generated"]
        assert (by["seed"], by["temperature"], by["max_new_tokens"], by["model"]) == (0, 1.0, 4, "chatty")
        assert len(by["weights"]) == len(by["template"]) == 64
        assert example.messages[-1][0] == "assistant"
    assert {example.annotations["label"] for example in examples} == {"x", "y"}
    groups = {example.id.split(":")[0]: set() for example in examples}
    for example in examples:
        groups[example.id.split(":")[0]].add((example.group, example.split))
    assert all(len(places) == 1 for places in groups.values())
    assert extract(model, out, chat=True, cache=tmp_path / "root").complete


def test_texts_are_continued_as_they_are(model: Path, tmp_path: Path) -> None:
    made = generate(model, write(tmp_path / "p.jsonl", ROWS), decoding=Decoding(max_new_tokens=4))
    path = write(tmp_path / "again.jsonl", made.rows)
    for example, row in zip(open_corpus(path), made.rows, strict=True):
        assert example.messages == (("user", row["prompt"]), ("assistant", row["completion"]))


def test_a_contrast_is_one_prompt_without_what_spoke_of_its_completions(model: Path, tmp_path: Path) -> None:
    pair = {"prompt": "Is it the river?", "chosen": "yes it is", "rejected": "no"}
    whole = [[{"role": "user", "content": "run"}, {"role": "assistant", "content": text}] for text in ("fast", "old")]
    rows: list[dict[str, Any]] = [
        {"id": "a", **pair, "topic": "t", "marks": {"what": "the river?"}},
        {"id": "b", "chosen": whole[0], "rejected": whole[1], "label": "own"},
        {"id": "c", "prompt": "the quiet house", "label": "x"},
    ]
    path = write(tmp_path / "p.jsonl", rows)
    made = generate(model, path, decoding=Decoding(max_new_tokens=3), chat=True)
    assert made.prompts == 3
    assert [row["id"] for row in made.rows] == ["a:0", "b:0", "c:0"]
    assert not any("side" in row for row in made.rows)
    assert [row.get("label") for row in made.rows] == [None, "own", "x"]
    assert made.rows[0]["topic"] == "t"
    assert any(note.startswith("4 examples were sides of contrasts") for note in made.notes)
    assert any(note.startswith("2 chats had an answer") for note in made.notes)
    # By a label of its own and without an id it is known by its one prompt; a name that is taken it does not take.
    others = [{**pair, "label": "own"}, {"id": "a", **pair, "prompt": "Is it old?"}, {"id": "a", "prompt": "run"}]
    made = generate(model, write(tmp_path / "others.jsonl", others), decoding=Decoding(max_new_tokens=3))
    assert [row["id"] for row in made.rows] == ["others:0:0", "a:chosen:0", "a:0"]
    assert [(row.get("label"), "side" in row) for row in made.rows] == [("own", False), (None, False), (None, False)]
    # A column `side` of rows that are no contrast is the user's.
    own = [{"prompt": word, "completion": "b", "side": side} for word, side in (("a", "positive"), ("b", "negative"))]
    path = write(tmp_path / "own.jsonl", own)
    made = generate(model, path, decoding=Decoding(max_new_tokens=3))
    assert [row["side"] for row in made.rows] == ["positive", "negative"]
    # Completions that answer different prompts are two, and say nothing of what the model wrote either.
    turns = [[{"role": "user", "content": side}, {"role": "assistant", "content": "b"}] for side in ("left", "right")]
    made = generate(
        model, write(tmp_path / "q.jsonl", [{"chosen": turns[0], "rejected": turns[1]}]), chat=True,
        decoding=Decoding(max_new_tokens=3),
    )  # fmt: skip
    assert [(row["id"], "label" in row) for row in made.rows] == [("q:0:0", False), ("q:1:0", False)]


@pytest.mark.parametrize("chat", [True, False])
def test_marks_of_a_prompt_are_those_of_its_row_and_others_are_said(model: Path, tmp_path: Path, chat: bool) -> None:
    row: dict[str, Any] = {
        "prompt": "Is it the river?",
        "completion": "it runs",
        "marks": {"what": "the river", "late": "runs"},
    }
    row["spans"] = {"sentences": [[0, 4, ""]]}  # those of the prompt alone would hide those of the answer
    made = generate(model, write(tmp_path / "p.jsonl", [row]), decoding=Decoding(max_new_tokens=4, seed=1), chat=chat)
    (again,) = open_corpus(write(tmp_path / "again.jsonl", made.rows))
    (span,) = again.spans["what"]
    assert again.words[span.start : span.stop] == ("the", "river?")
    assert not {"late", "sentences"} & set(made.rows[0]["spans"])
    assert any("are left out: sentences (1), late (1)." in note for note in made.notes)
    tagged = {"words": ["run", "fast"], "upos": ["VERB", "ADV"]}
    made = generate(model, write(tmp_path / "w.jsonl", [tagged]), decoding=Decoding(max_new_tokens=2))
    assert any("Columns with a value a word are left out: upos (1)." in note for note in made.notes)


def test_what_cannot_be_continued_is_refused(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", ROWS)
    with pytest.raises(UsageError, match="does not continue a text"):
        generate(tiny_headed("bert", "AutoModelForMaskedLM"), path)
    with pytest.raises(UsageError, match="has no chat template"):
        generate(tiny_headed("gpt2", "AutoModelForCausalLM"), path, chat=True)
    with pytest.raises(InputError, match="3 of 3 prompts are too long, the first 'a'"):
        generate(model, path, decoding=Decoding(max_new_tokens=63))
    rows = [{"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}]
    several = write(tmp_path / "s.jsonl", rows)
    with pytest.raises(InputError, match=r"a chat of 2 messages.*Say --chat"):
        generate(model, several)
    with pytest.raises(UsageError, match="are the same one"):
        Decoding(n=2)
    with pytest.raises(UsageError, match=r"--top-p 0\.5 has no use\. Give --temperature"):
        Decoding(top_p=0.5)
    with pytest.raises(UsageError, match=r"must be 0, or a number from 1e-100\. Got 1e-310"):
        Decoding(temperature=1e-310)
    # At the coldest that is taken the most probable token is drawn, whatever the logits.
    largest = torch.tensor([-3e38, 3e38, 2.9e38])
    assert choose(largest, Decoding(temperature=1e-100, top_p=0.5), 0.99) == 1
    assert run(["generate", str(model), str(path)]) == 2
    assert run(["generate", str(model), str(path), "--top-p", "0", "--out", str(tmp_path / "o.jsonl")]) == 2
