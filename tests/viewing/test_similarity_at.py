"""``view similarity --at``: one state of each chat, the very token, of one cache and of two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

from probekit import extract
from probekit.cli.app import app
from probekit.errors import UsageError
from probekit.report.page.commands import reproduction
from probekit.statistics.similarity import MEASURES
from probekit.viewing import view_similarity

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
PROMPTS = [
    f"{a} {noun} {verb}" for a in ("the", "a") for noun in ("river", "house", "doctor") for verb in ("runs", "walks")
]
FEW = ["--layers", "1,2", "--shuffles", "0"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Chats in caches of tokens and of positions, and of an untrained model; two chats begin with the answer."""
    root = tmp_path_factory.mktemp("similar-at")
    shutil.copytree(tiny_model("llama"), root / "chatty")
    (root / "chatty" / "chat_template.jinja").write_text(TEMPLATE)
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "It is."}], "id": f"c{n}",
         "label": "ab"[n % 2]}
        for n, text in enumerate(PROMPTS)
    ]  # fmt: skip
    rows += [{**row, "messages": row["messages"][1:], "id": f"d{n}"} for n, row in enumerate(rows[:2])]
    path = root / "chats.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = {"tokens": {}, "kept": {"keep": "last-prompt,last"}, "random": {"random_weights": 1}}
    caches = {
        name: extract(root / "chatty", path, chat=True, cache=root / name, **options).cache
        for name, options in asked.items()
    }
    return {"model": root / "chatty", **caches}


def test_rows_are_the_states_that_the_model_has_at_the_token(made: dict[str, Path]) -> None:
    tokenizer, model = (each.from_pretrained(made["model"]) for each in (AutoTokenizer, AutoModel))
    states: list[list[np.ndarray]] = [[], []]
    for text in PROMPTS:
        head = tokenizer.bos_token + f"[user] {text}\n[assistant] "
        found = tokenizer(head + "It is.\n", add_special_tokens=False, return_offsets_mapping=True)
        # The first token of the answer reaches behind what stands before it.
        place = next(at for at, (_, stop) in enumerate(found["offset_mapping"]) if stop > len(head)) - 1
        with torch.no_grad():
            hidden = model(torch.tensor([found["input_ids"]]), output_hidden_states=True).hidden_states
        for own, layer in zip(states, (1, 2), strict=True):
            own.append(hidden[layer][0, place].numpy())
    cka = MEASURES.members()["cka"]
    expected = cka.value(cka.gather(*map(np.stack, states)))
    report = view_similarity(made["tokens"], at="last-prompt", layers=[1, 2], shuffles=0)
    assert report.matrix().loc[1, 2] == pytest.approx(expected, abs=1e-5)
    for other in ({"at": "last"}, {"over": "sentences"}):
        changed = view_similarity(made["tokens"], layers=[1, 2], shuffles=0, **other)
        assert abs(changed.matrix().loc[1, 2] - expected) > 1e-3
    assert {row.n for row in report.rows} == {len(PROMPTS)}
    assert {(row.task, row.pooling) for row in report.rows} == {("chats at last-prompt", "last-prompt")}
    said = "12 targets have it, 2 are left out: no word before the answer (d0, d1)."
    assert any(note.startswith("Read at 'last-prompt', ") and said in note for note in report.notes)
    assert report.caption.startswith("12 chats at last-prompt of 12 chats of ")
    assert "; floor: none, --shuffles 0" in report.table()
    assert "shuffled" not in report.table()
    asked = reproduction("view-similarity", report.provenance).command
    assert "--over sentences" in asked
    assert "--at last-prompt" in asked


def test_a_cache_of_positions_gives_what_a_cache_of_tokens_gives(made: dict[str, Path]) -> None:
    asked = {"layers": [1, 2], "shuffles": 0, "at": "last-prompt"}
    whole = view_similarity(made["tokens"], made["random"], **asked)
    kept = view_similarity(made["kept"], made["random"], **asked)
    np.testing.assert_allclose(kept.matrix(), whole.matrix(), atol=1e-6)
    of_task = view_similarity(made["kept"], made["random"], over="label", **asked)
    np.testing.assert_allclose(of_task.matrix(), whole.matrix(), atol=1e-6)
    assert of_task.rows[0].task == "targets of label at last-prompt"
    few = view_similarity(made["tokens"], made["random"], over="sentences", most=4, layers=[1], shuffles=0)
    assert "4 of 14 chats are compared: those of 4 of 14 chats, drawn whole" in " ".join(few.notes)
    assert "The compared part has 4 chats: fewer than 5" in " ".join(few.notes)
    assert {row.unit for row in few.rows} == {"chat"}
    assert few.caption.startswith("4 chats of 4 chats of ")
    with pytest.raises(UsageError, match="--at last or --at last-prompt"):
        view_similarity(made["kept"], over="sentences")


def test_words_have_no_position_and_the_command_says_so(made: dict[str, Path]) -> None:
    command = ["view", "similarity", str(made["kept"]), *FEW]
    done = CliRunner().invoke(app, [*command, "--at", "last-prompt"])
    assert done.exit_code == 0, done.output
    assert "12 chats at last-prompt of 12 chats of chats" in done.stdout
    assert "sentence" not in done.output
    for over, says in (("words", "words are read each where it stands"), ("pos", "'pos' is about words of its own")):
        with pytest.raises(UsageError, match=says):
            view_similarity(made["tokens"], over=over, at="last")
    with pytest.raises(UsageError, match="`pool` has nothing to choose"):
        view_similarity(made["tokens"], at="last", pool="first")
