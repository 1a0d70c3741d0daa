"""Chats to tokens: the ids are those of transformers, a content stands whole in its tokens, or is refused."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from chat_templates import CHANGES, CHATML, DATED, DROPS, FAMILIES, GEMMA, MISTRAL, MOVES, PLAIN, REPEATS, SPECIAL
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_model

from probekit.errors import UsageError
from probekit.models.sources.find import find_model
from probekit.models.sources.templates import DAY, chat_template
from probekit.models.tokens.chat import ChatEncoder
from probekit.models.tokens.rendering import NotRendered

TOKENIZERS = ("gpt2", "llama", "opt", "bert")


@cache
def tokenizer_of(name: str, template: str) -> Any:
    """Return a tokenizer of its own kind that knows the special tokens of a template."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model(name))
    if tokenizer.bos_token is None:
        tokenizer.add_special_tokens({"bos_token": "<bos>", "eos_token": "<eos>"})
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL[template]})
    tokenizer.chat_template = FAMILIES[template]
    return tokenizer


@cache
def encoder_of(name: str, template: str) -> ChatEncoder:
    return ChatEncoder(tokenizer_of(name, template), FAMILIES[template])


def _contents() -> st.SearchStrategy[str]:
    # Words that templates write themselves, and white space where templates trim.
    words = st.sampled_from(
        ["user", "assistant", "the", "river", "Is", "it?", "café", "[INST]", "a", "model\n", "1999", "naïve."]
    )
    spaces = st.sampled_from(["", " ", "\n", "  "])
    inner = st.lists(words, min_size=1, max_size=6).flatmap(
        lambda chosen: st.sampled_from([" ", "\n", "  "]).map(lambda between: between.join(chosen))
    )
    return st.tuples(spaces, inner, spaces).map("".join)


@st.composite
def _chats(draw: Any) -> tuple[tuple[str, str], ...]:
    system = [("system", draw(_contents()))] if draw(st.booleans()) else []
    turns = [("user", "assistant")[at % 2] for at in range(draw(st.integers(1, 4)))]
    return tuple(system + [(role, draw(_contents())) for role in turns])


@pytest.mark.parametrize("template", FAMILIES)
@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=8, deadline=None)
@given(chat=_chats())
def test_every_content_stands_in_its_tokens(name: str, template: str, chat: tuple[tuple[str, str], ...]) -> None:
    tokenizer, encoder = tokenizer_of(name, template), encoder_of(name, template)
    if template == "gemma" and chat[0][0] == "system":
        with pytest.raises(NotRendered, match="System role not supported"):
            encoder.encode(chat)
        return
    encoded, counts = encoder.encode(chat)
    messages = [{"role": role, "content": content} for role, content in chat]
    asks = chat[-1][0] != "assistant"
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
    plain = tokenizer(rendered, add_special_tokens=False, return_offsets_mapping=True)
    assert encoded.ids.tolist() == plain["input_ids"]
    assert counts.messages == len(chat)
    if tokenizer.bos_token_id in encoded.ids and tokenizer.bos_token_id != tokenizer.eos_token_id:
        # The tokenizer of llama and opt would put another one in front of its own accord.
        assert encoded.ids.tolist().count(tokenizer.bos_token_id) == 1
    # Independently: a word's tokens lie, by transformers' own offsets, where the word stands in the rendering.
    words, at = [word for _, content in chat for word in content.split()], 0
    for number, word in enumerate(words):
        mine = np.flatnonzero(encoded.word == number)
        if not len(mine):
            assert number in encoded.missing or number > 0  # a token that two words share is the first one's
            continue
        assert (np.diff(mine) == 1).all()
        start = plain["offset_mapping"][mine[0]][0]
        stop = plain["offset_mapping"][mine[-1]][1]
        covered = rendered[start:stop]
        assert covered.strip().startswith(word) or word in covered
        assert start >= at - 1
        at = stop


def test_a_short_content_is_not_found_in_the_template() -> None:
    """Words that the template writes itself, before the very word of the message."""
    encoded, _ = encoder_of("gpt2", "plain").encode((("user", "User:"), ("assistant", "Assistant:")))
    first = int(np.flatnonzero(encoded.word == 0)[0])
    tokens = tokenizer_of("gpt2", "plain").convert_ids_to_tokens(encoded.ids.tolist())
    assert "".join(tokens[:first]).replace("Ġ", " ").strip() == "User:"


def test_the_last_token_of_a_prompt_is_where_the_answer_begins() -> None:
    encoder, tokenizer = encoder_of("llama", "chatml"), tokenizer_of("llama", "chatml")
    asked, _ = encoder.encode((("user", "the river"),))
    answered, _ = encoder.encode((("user", "the river"), ("assistant", "a house")))
    assert tokenizer.decode(asked.ids).endswith("<|im_start|>assistant\n")
    before = answered.ids[: int(np.flatnonzero(answered.word == 2)[0])].tolist()
    assert before == asked.ids[: len(before)].tolist()


@pytest.mark.parametrize(
    ("template", "chat", "reason"),
    [
        (DROPS, (("system", "a"), ("user", "b")), r"1 \(system\): the template leaves out it"),
        (REPEATS, (("user", "b"),), r"1 \(user\): the template repeats it"),
        (
            MOVES,
            (("user", "a"), ("assistant", "b")),
            r"\(user\): the template moves it|\(assistant\): the template moves it",
        ),
        (CHANGES, (("user", "a"), ("assistant", "here")), r"2 \(assistant\) is changed by the template"),
        ("{{ bos_token }}{{ bos_token }}" + PLAIN, (("user", "a"),), "twice"),
        ("{{ messages[0].content.no.such }}", (("user", "a"),), "the template fails|the template refuses"),
        ("{% for %}", (("user", "a"),), "the template refuses"),
        (CHATML, (("user", "one <|im_end|> two"),), r"1 \(user\) spells the special token '<\|im_end\|>'"),
    ],
)
def test_what_a_template_does_wrong_is_refused(template: str, chat: Any, reason: str) -> None:
    encoder = ChatEncoder(tokenizer_of("opt", "chatml"), template)
    with pytest.raises(NotRendered, match=reason):
        encoder.encode(chat)


def test_a_special_token_that_is_the_unknown_one_too_is_found_where_it_is_spelled() -> None:
    """Of GPT-2 one token begins, ends and stands for the unknown; of BERT a word may be unknown and is none."""
    from transformers import AutoTokenizer

    one = AutoTokenizer.from_pretrained(tiny_model("gpt2"))
    word = one.convert_ids_to_tokens(5) if one.bos_token is None else one.bos_token
    one.add_special_tokens({"bos_token": word, "eos_token": word, "unk_token": word})
    assert one.unk_token_id == one.bos_token_id
    encoder = ChatEncoder(one, PLAIN)
    encoder.encode((("user", "the river"),))
    with pytest.raises(NotRendered, match=r"1 \(user\) spells the special token"):
        encoder.encode((("user", f"say {word} please"),))
    unknown = encoder_of("bert", "plain")
    encoded, _ = unknown.encode((("user", "the \u4e2d river"),))
    assert tokenizer_of("bert", "plain").unk_token_id in encoded.ids.tolist()


def test_offsets_that_lie_are_found() -> None:
    encoder = encoder_of("gpt2", "plain")

    class Lying:
        normalizer = None

        def __init__(self, inner: Any, shift: int) -> None:
            self.inner, self.shift = inner, shift

        def encode(self, text: str, **how: Any) -> Any:
            found = self.inner.encode(text, **how)
            offsets = [(max(0, a - self.shift), max(0, b - self.shift)) for a, b in found.offsets]
            return type("Encoding", (), {"ids": found.ids, "offsets": offsets})()

    honest, chat = encoder._fast, (("user", "the quiet river"), ("assistant", "walking"))
    try:
        encoder._fast = Lying(honest, 0)
        encoder.encode(chat)
        encoder._fast = Lying(honest, 3)
        with pytest.raises(NotRendered, match="is not what is written there"):
            encoder.encode(chat)
    finally:
        encoder._fast = honest


def test_every_day_is_one_day(tmp_path: Any) -> None:
    path = tmp_path / "dated.jinja"
    path.write_text(DATED)
    template = chat_template(find_model(tiny_model("llama")), path)
    encoder = ChatEncoder(tokenizer_of("llama", "plain"), template)
    text = encoder._renderer.render((("user", "a"),)).text
    assert text.startswith(f"{DAY.strftime('%d %B %Y')}\nUser: a")
    bare = tmp_path / "plain.jinja"
    bare.write_text(PLAIN)
    assert chat_template(find_model(tiny_model("llama")), bare) == PLAIN


def test_a_model_without_a_template_is_refused() -> None:
    with pytest.raises(UsageError, match=r"has no chat template.*--chat-template FILE"):
        chat_template(find_model(tiny_model("llama")))


def test_the_template_in_the_files_is_the_tokenizer_s_own(tmp_path: Any) -> None:
    import shutil

    tokenizer = tokenizer_of("llama", "mistral")
    for as_file in (True, False):
        folder = tmp_path / str(as_file)
        shutil.copytree(tiny_model("llama"), folder)
        tokenizer.save_pretrained(folder, save_jinja_files=as_file)
        assert (folder / "chat_template.jinja").is_file() is as_file
        assert chat_template(find_model(folder)) == tokenizer.chat_template == MISTRAL


def test_white_space_that_is_trimmed_is_counted() -> None:
    _, counts = encoder_of("llama", "llama3").encode((("user", "  the river \n"), ("assistant", "a house")))
    assert (counts.trimmed, counts.messages) == (1, 2)
    assert counts.template > 0
    assert GEMMA != MISTRAL
    assert re.search("trim", GEMMA)
