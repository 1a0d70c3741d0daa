"""What decoders look at, beside plain passes of transformers whose decoder inputs are written here by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from attention.translators import translator

from probekit.errors import UsageError
from probekit.models.runtime.cross_attention import PREDICTS, READS, Languages, cross_attention
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import load_with_head

SOURCE, TARGET = ("the", "quiet", "rivers", "follow"), ("numbers", "and", "a", "garden")

# What the decoder reads, of the ids of the target's text: from the documentation of each family in transformers.
READ: dict[str, tuple[Languages | None, Callable[[Any, list[int]], list[int]]]] = {
    "t5": (None, lambda its, ids: [its.pad_token_id, *ids]),
    "bart": (None, lambda its, ids: [its.eos_token_id, its.bos_token_id, *ids]),
    "marian": (None, lambda its, ids: [its.pad_token_id, *ids]),
    "marian-separate": (None, lambda its, ids: [its.pad_token_id, *ids]),
    "mbart": (
        ("en_XX", "ro_RO"),
        lambda its, ids: [its.convert_tokens_to_ids("ro_RO"), *ids, its.eos_token_id],
    ),
    "m2m_100": (("en", "fr"), lambda its, ids: [its.eos_token_id, its.get_lang_id("fr"), *ids]),
}


def loaded(name: str) -> Any:
    return load_with_head(find_model(str(translator(name))), "seq2seq", device="cpu", attention="eager")


@pytest.mark.parametrize("name", READ)
def test_weights_are_those_of_the_decoder_inputs_of_the_family(name: str) -> None:
    languages, read = READ[name]
    model = loaded(name)
    (seen,) = cross_attention(model, [(SOURCE, TARGET)], languages=languages)
    assert seen is not None
    tokenizer = loaded(name).tokenizer
    if languages is not None:
        tokenizer.src_lang, tokenizer.tgt_lang = languages
    source = tokenizer(" ".join(SOURCE))["input_ids"]
    ids = tokenizer(text_target=" ".join(TARGET), add_special_tokens=False)["input_ids"]
    written = read(tokenizer, ids)
    with torch.inference_mode():
        its = model.model(
            input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([written]), output_attentions=True
        ).cross_attentions
    np.testing.assert_allclose(seen.weights, torch.stack(its)[:, 0].numpy(), atol=1e-6)
    assert seen.weights.shape[2:] == (len(seen.target) + 1, len(source))
    # The row that reads a token of the text is that in which the token stands, behind what is read before it.
    text = seen.target >= 0
    assert [written[place + 1] for place in np.flatnonzero(text)] == ids
    np.testing.assert_array_equal(seen.rows(READS)[:, :, :-1], seen.rows(PREDICTS)[:, :, 1:])
    # Words in order, each with a token, and a word's pieces are what the word alone is split into.
    for words, of in ((SOURCE, seen.source), (TARGET, seen.target)):
        assert list(dict.fromkeys(of[of >= 0].tolist())) == list(range(len(words)))
    alone = [tokenizer(text_target=word, add_special_tokens=False)["input_ids"] for word in TARGET[:1]]
    assert (seen.target == 0).sum() == len(alone[0])


def test_pieces_of_the_target_are_none_of_the_source() -> None:
    model = loaded("marian")
    one, other = (model.tokenizer(**{side: " ".join(TARGET)})["input_ids"] for side in ("text", "text_target"))
    assert one != other


def test_a_tokenizer_reads_sources_again_behind_targets() -> None:
    model = loaded("marian-separate")
    before = model.tokenizer("the garden")["input_ids"]
    list(cross_attention(model, [(SOURCE, TARGET)]))
    assert model.tokenizer("the garden")["input_ids"] == before


def test_words_of_a_prefix_are_read_and_are_no_words_of_the_source() -> None:
    model = loaded("t5")
    (plain,), (seen,) = (cross_attention(model, [(SOURCE, TARGET)], prefix=its) for its in ((), ("a", "number")))
    more = len(seen.source) - len(plain.source)
    assert more > 0
    assert (seen.source[:more] == -1).all()
    np.testing.assert_array_equal(seen.source[more:], plain.source)
    assert not np.allclose(seen.weights[..., more:], plain.weights, atol=1e-3)


def test_code_before_a_source_of_marian_is_one_token() -> None:
    (seen,) = cross_attention(loaded("marian"), [(SOURCE, TARGET)], prefix=(">>xx<<",))
    assert seen.source.tolist()[:2] == [-1, 0]


def test_languages_are_asked_for_and_checked() -> None:
    for name, languages, said in (
        ("mbart", None, "--languages"),
        ("m2m_100", ("en", "xx"), "knows no language 'xx'"),
        ("t5", ("en", "fr"), "writes no code"),
    ):
        with pytest.raises(UsageError, match=said):
            list(cross_attention(loaded(name), [(SOURCE, TARGET)], languages=languages))


def test_pairs_that_are_longer_than_the_model_are_left_out() -> None:
    long = ("garden",) * 80
    found = list(cross_attention(loaded("bart"), [(long, TARGET), (SOURCE, long), (SOURCE, TARGET), ((), TARGET)]))
    assert [seen is None for seen in found] == [True, True, False, True]
