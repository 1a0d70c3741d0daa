"""``extract --chat``: the vectors are those of the rendering, the template is part of the cache, faults have lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_model

from probekit import extract
from probekit.cache.reader import ActivationCache
from probekit.cli.app import run
from probekit.errors import InputError, UsageError

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] | trim }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
CHATS = [
    [("system", "Be quiet."), ("user", " the  river "), ("assistant", "a house")],
    [("user", "the doctor walks")],
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "chatty"
    shutil.copytree(tiny_model("llama"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def write(path: Path, *chats: Any) -> Path:
    rows = [{"messages": [{"role": role, "content": content} for role, content in chat]} for chat in chats]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_vectors_are_those_of_the_rendering(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    made = extract(model, write(tmp_path / "chats.jsonl", *CHATS), chat=True, cache=tmp_path / "root")
    cache = ActivationCache.open(made.cache)
    index, last = cache.index(), 2
    tokenizer, net = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    for ordinal, chat in enumerate(CHATS):
        messages = [{"role": role, "content": content} for role, content in chat]
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=chat[-1][0] != "assistant", return_dict=False
        )
        mine = np.flatnonzero(index.example == ordinal)
        assert index.token[mine].tolist() == list(ids)
        assert ids.count(tokenizer.bos_token_id) == 1
        with torch.no_grad():
            states = net(torch.tensor([ids]), output_hidden_states=True).hidden_states
        np.testing.assert_allclose(cache.layer(last)[mine], states[last][0].numpy(), atol=1e-5)
    # The last token of the second chat is where an answer would begin.
    assert tokenizer.decode(index.token[index.example == 1]).endswith("[assistant]")
    assert any("4 messages of 2 chats" in note for note in made.notes)
    assert any("white space around 1 messages" in note for note in made.notes)
    capsys.readouterr()
    assert run(["cache", "info", str(made.cache)]) == 0
    told = capsys.readouterr().out
    assert "chats      4 messages of 2 chats stand whole in" in told
    assert "chats      The template leaves out white space around 1 messages." in told
    assert "{" not in told


def test_the_template_is_part_of_the_cache(model: Path, tmp_path: Path) -> None:
    corpus, root = write(tmp_path / "chats.jsonl", *CHATS), tmp_path / "root"
    other = tmp_path / "other.jinja"
    other.write_text(TEMPLATE.replace("[assistant]", "(assistant)"))
    words = extract(model, corpus, cache=root)
    own = extract(model, corpus, chat=True, cache=root)
    given = extract(model, corpus, chat_template=other, cache=root)
    assert len({words.cache, own.cache, given.cache}) == 3
    again = extract(model, corpus, chat=True, cache=root)
    assert again.reused
    assert again.cache == own.cache
    assert [note for note in again.notes if "Chats" in note] == [note for note in own.notes if "Chats" in note] != []


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        ([("user", "a </s> b")], r"message 1 \(user\) spells the special token"),
        ([("user", "word " * 80)], r"tokens under the template, and the model reads 64"),
    ],
)
def test_a_chat_that_cannot_be_read_is_named_with_its_line(model: Path, tmp_path: Path, chat: Any, reason: str) -> None:
    corpus = write(tmp_path / "chats.jsonl", CHATS[0], CHATS[1], chat)
    with pytest.raises(InputError, match=rf"1 of 3 chats .*chats.jsonl:3: .*{reason}"):
        extract(model, corpus, chat=True, cache=tmp_path / "root")
    assert not list((tmp_path / "root").glob("chatty*"))


def test_a_template_that_leaves_a_message_out_is_refused(model: Path, tmp_path: Path) -> None:
    template = tmp_path / "drops.jinja"
    kept = TEMPLATE.replace("%}[{{", "%}{% if message['role'] != 'system' %}[{{")
    template.write_text(kept.replace("\n{%", "\n{% endif %}{%"))
    with pytest.raises(InputError, match=r"chats.jsonl:1: message 1 \(system\): the template leaves out it"):
        extract(model, write(tmp_path / "chats.jsonl", *CHATS), chat_template=template, cache=tmp_path / "root")


def test_what_chats_do_not_go_with(model: Path, tmp_path: Path) -> None:
    corpus, root = write(tmp_path / "chats.jsonl", *CHATS), tmp_path / "root"
    with pytest.raises(UsageError, match="A chat is read whole"):
        extract(model, corpus, chat=True, overflow="truncate", cache=root)
    with pytest.raises(UsageError, match="--input text"):
        extract(model, corpus, chat=True, input="text", cache=root)
    with pytest.raises(UsageError, match="holds none"):
        extract(model, [["no", "chat"]], chat=True, cache=root)
    assert run(["extract", str(tiny_model("llama")), str(corpus), "--chat", "--cache", str(root)]) == 2
    (tmp_path / "bad.jsonl").write_text('{"messages": [{"role": "usr", "content": "a"}]}\n')
    assert run(["extract", str(model), str(tmp_path / "bad.jsonl"), "--chat", "--cache", str(root)]) == 3


def test_a_dry_run_says_what_was_found(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write(tmp_path / "chats.jsonl", *CHATS)
    assert run(["extract", str(model), str(corpus), "--chat", "--dry-run", "--cache", str(tmp_path / "root")]) == 0
    assert "4 messages of 2 chats stand whole" in capsys.readouterr().err
