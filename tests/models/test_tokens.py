"""A tokenizer's private copy: special tokens cannot be spelled, nothing is cut or padded, slow ones work too."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tiny_models import FAMILIES, tiny_model
from transformers import AutoTokenizer

from probekit.errors import UsageError
from probekit.models.tokens.align import Aligner, Encoded

every_family = pytest.mark.parametrize("name", FAMILIES)


@cache
def tokenizer_of(name: str) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model(name))


@cache
def aligner_of(name: str) -> Aligner:
    return Aligner(tokenizer_of(name))


def inner(encoded: Encoded) -> list[int]:
    return encoded.ids[encoded.prefix : len(encoded.ids) - encoded.suffix].tolist()


@every_family
def test_a_word_that_spells_a_special_token_is_text(name: str) -> None:
    tokenizer, aligner = tokenizer_of(name), aligner_of(name)
    for token in tokenizer.all_special_tokens:
        words = ("the", token, "house")
        ident = tokenizer.convert_tokens_to_ids(token)
        encoded = aligner.encode_words([words])[0]
        assert 1 in encoded.spelled
        assert ident not in inner(encoded)
        assert ident in tokenizer(" ".join(words))["input_ids"]  # the trap is there
    assert aligner.encode_words([("the", "house")])[0].spelled == ()


def test_a_unigram_vocabulary_does_not_smuggle_the_special_token_in() -> None:
    """T5's model itself knows the piece ``</s>``, so that not cutting it out is not enough."""
    tokenizer = tokenizer_of("t5")
    naive = copy.deepcopy(tokenizer.backend_tokenizer)
    naive.encode_special_tokens = True
    assert tokenizer.eos_token_id in naive.encode("a</s>b", add_special_tokens=False).ids
    assert tokenizer.eos_token_id not in inner(aligner_of("t5").encode_words([("a</s>b",)])[0])


@every_family
def test_special_tokens_are_the_tokenizers_own(name: str) -> None:
    encoded = aligner_of(name).encode_words([("the", "house")])[0]
    kinds = {
        "gpt2": (0, 0), "gpt_neox": (0, 0), "opt": (1, 0), "llama": (1, 0), "t5": (0, 1),
    }  # fmt: skip
    assert (encoded.prefix, encoded.suffix) == kinds.get(name, (1, 1))
    assert (encoded.word[: encoded.prefix] == -1).all()
    assert (encoded.word[len(encoded.word) - encoded.suffix :] == -1).all()


def test_truncation_and_padding_of_the_file_are_off_and_the_users_tokenizer_is_untouched() -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=30)
    before = tokenizer.backend_tokenizer.to_str()
    aligner = Aligner(tokenizer)
    assert len(aligner.encode_words([("the",) * 10])[0].ids) == 12
    assert len(aligner.encode_words([("the",)])[0].ids) == 3
    assert tokenizer.backend_tokenizer.to_str() == before
    assert tokenizer.backend_tokenizer.encode_special_tokens is False
    assert len(tokenizer.backend_tokenizer.encode("the " * 10).ids) == 30


def test_a_special_token_that_only_the_added_ones_know_is_text_too() -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("gpt2"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|extra|>"]})
    ident = tokenizer.convert_tokens_to_ids("<|extra|>")
    assert ident in tokenizer("a <|extra|> b")["input_ids"]
    encoded = Aligner(tokenizer).encode_words([("a", "<|extra|>", "b")])[0]
    assert ident not in inner(encoded)
    assert encoded.spelled == (1,)


def test_a_slow_tokenizer_is_aligned_by_neighbours() -> None:
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    fast = tokenizer_of("bert")
    vocabulary = Path(tiny_model("bert")) / "slow-vocab.txt"
    pieces = sorted(fast.get_vocab(), key=fast.get_vocab().__getitem__)
    vocabulary.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    slow = BertTokenizerLegacy(str(vocabulary))
    vocabulary.unlink()
    assert not slow.is_fast
    sentences = [("the", "doctor", "[SEP]", "\u200b", "walked"), ("running", "home", ".")]
    ours, theirs = Aligner(slow).encode_words(sentences), aligner_of("bert").encode_words(sentences)
    for one, other in zip(ours, theirs, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.word.tolist() == other.word.tolist()
        assert one.missing == other.missing
    with pytest.raises(UsageError, match="--input words"):
        Aligner(slow).encode_text([("a b", ("a", "b"))])


def test_a_tokenizer_of_another_model_is_refused() -> None:
    with pytest.raises(UsageError, match="do not belong together"):
        Aligner(tokenizer_of("bert"), vocabulary=20).encode_words([("the", "doctor")])
