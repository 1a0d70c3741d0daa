"""Words and tokens: the joined text's ids, each token its own word's, nothing shifted, nothing lost in silence."""

from __future__ import annotations

import gzip
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_models import FAMILIES, tiny_model, training_text
from tokenizers import Tokenizer, models, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from probekit.errors import InputError
from probekit.models.tokens.align import Aligner, Encoded
from probekit.models.tokens.alignment_counts import AlignmentCounts

every_family = pytest.mark.parametrize("name", FAMILIES)
STRANGE = [
    "\u200b", "\ufffd", "e\u0301", "\u0301", "👩\u200d👩\u200d👧", "🏳️\u200d🌈", "New York", "10\u00a0km", "\u00a0",
    "x" * 500, "[SEP]", "</s>", "<|endoftext|>", "<pad>", "東京都", "नमस्ते", "ﬁ", "½", "...", "''", "``", "\u00ad", "İ",
    "ß", "_", "▁", "Ġ", "##ing", "<0x41>", "don't", "-", "\u2028", "٣", "e\u0301\u0323", "ａ",
]  # fmt: skip


@cache
def tokenizer_of(name: str) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model(name))


@cache
def aligner_of(name: str) -> Aligner:
    return Aligner(tokenizer_of(name))


def inner(encoded: Encoded) -> list[int]:
    return encoded.ids[encoded.prefix : len(encoded.ids) - encoded.suffix].tolist()


def words_alone(aligner: Aligner, words: tuple[str, ...]) -> list[str]:
    """What each word's tokens spell, by the backend's own decoder, without spaces."""
    encoded = aligner.encode_words([words])[0]
    return [aligner.backend._fast.decode(encoded.ids[encoded.word == at].tolist()) for at in range(len(words))]


def squeezed(text: str) -> str:
    """A text without what tokenizers differ in: case, accents, compatibility forms, spaces, invisible characters."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in plain if unicodedata.category(char)[0] in "LNPS" and char not in "▁Ġ")


@every_family
def test_ids_are_those_of_the_joined_words(name: str) -> None:
    sentences = [tuple(text.split()) for text in training_text()[:60]]
    sentences += [("He", "'s", "n't", "U.S.", "naïve", ".", "."), ("one",)]
    theirs = tokenizer_of(name)([" ".join(words) for words in sentences])["input_ids"]
    ours = aligner_of(name).encode_words(sentences)
    assert [item.ids.tolist() for item in ours] == theirs
    assert not any(item.retokenised or item.missing for item in ours)


@pytest.mark.parametrize("name", [name for name, tiny in FAMILIES.items() if tiny.marks_spaces])
def test_pre_split_words_alone_would_be_another_text(name: str) -> None:
    """The opposite: what a tokenizer that marks spaces makes of words glued together is something else."""
    words = ("the", "doctor", "walked")
    glued = tokenizer_of(name)("".join(words))["input_ids"]
    assert glued != aligner_of(name).encode_words([words])[0].ids.tolist()


@every_family
def test_every_token_spells_text_of_its_word(name: str) -> None:
    aligner = aligner_of(name)
    for text in training_text()[:80]:
        words = tuple(text.split())
        for word, spelled in zip(words, words_alone(aligner, words), strict=True):
            if tokenizer_of(name).unk_token not in spelled:
                assert squeezed(spelled) == squeezed(word) or squeezed(spelled) == squeezed(
                    "".join(char for char in unicodedata.normalize("NFD", word) if not unicodedata.combining(char))
                )


@every_family
@pytest.mark.parametrize("word", STRANGE)
def test_fault_14_a_strange_word_never_shifts_its_neighbours(name: str, word: str) -> None:
    aligner = aligner_of(name)
    words = ("the", word, "doctor", word, word, "walked")
    encoded = aligner.encode_words([words])[0]
    plain = aligner.encode_words([("the", "doctor", "walked")])[0]
    for strange_at, plain_at in ((0, 0), (2, 1), (5, 2)):
        assert encoded.ids[encoded.word == strange_at].tolist() == plain.ids[plain.word == plain_at].tolist()
    labels = encoded.word[encoded.prefix : len(encoded.word) - encoded.suffix]
    kept = labels[labels >= 0]
    assert (np.diff(kept) >= 0).all()
    assert set(encoded.missing) == set(range(6)) - set(kept.tolist())
    assert not set(inner(encoded)) & aligner.backend.special


letters = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6)
corpus_word = st.one_of(letters, st.sampled_from(STRANGE), st.sampled_from(["the", "doctor", "walked", ".", "12"]))


@every_family
@given(words=st.lists(corpus_word, min_size=1, max_size=8))
@example(words=["\u0301", "a"])
@example(words=["a", "\u200b", "\u200b"])
@example(words=[" ", "a", " "])
@example(words=["0 ", "0"])
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_fault_14_labels_never_shift(name: str, words: list[str]) -> None:
    """Between any words, a known word keeps its tokens: those it has after the same neighbour elsewhere."""
    aligner = aligner_of(name)
    line = [part for word in words for part in ("the", word)] + ["walked"]
    encoded = aligner.encode_words([line])[0]
    first, later = (
        item.ids[item.word == at].tolist()
        for item, at in zip(aligner.encode_words([("the",), (".", "the")]), (0, 1), strict=True)
    )
    labels = encoded.word[encoded.prefix : len(encoded.word) - encoded.suffix]
    kept = labels[labels >= 0]
    assert (np.diff(kept) >= 0).all()
    assert set(encoded.missing) == set(range(len(line))) - set(kept.tolist())
    assert not set(inner(encoded)) & aligner.backend.special
    for at in range(0, 2 * len(words), 2):
        assert encoded.ids[encoded.word == at].tolist() == (first if at == 0 else later), (at, line)


@every_family
def test_lying_offsets_are_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [("the", "doctor", "walked", "to", "the", "river"), ("a", "house")]
    honest = aligner_of(name).encode_words(sentences)
    aligner = Aligner(tokenizer_of(name))
    encode = aligner.backend.encode

    def lying(texts: Any) -> Any:
        return [(ids, [(start + 3, stop + 3) for start, stop in offsets]) for ids, offsets in encode(texts)]

    monkeypatch.setattr(aligner.backend, "encode", lying)
    for one, other in zip(honest, aligner.encode_words(sentences), strict=True):
        assert one.word.tolist() == other.word.tolist()
        assert one.ids.tolist() == other.ids.tolist()
        assert not other.retokenised


def test_an_offset_that_lies_by_one_token_is_found_out_by_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets that rise, stay inside words and leave none empty, and yet give a word's end to its neighbour."""
    words = ("running", "doctor", "walked", "house")
    for name in ("bert", "gpt2", "t5", "llama"):
        aligner = Aligner(tokenizer_of(name))
        honest = aligner.encode_words([words])[0]
        encode = aligner.backend.encode
        last = int(np.flatnonzero(honest.word == 0)[-1]) - honest.prefix
        assert last > 0

        def lying(texts: Any, encode: Any = encode, last: int = last) -> Any:
            return [
                (ids, [offsets[min(at + 1, len(ids) - 1)] if at == last else pair for at, pair in enumerate(offsets)])
                for ids, offsets in encode(texts)
            ]

        monkeypatch.setattr(aligner.backend, "encode", lying)
        assert aligner.encode_words([words])[0].word.tolist() == honest.word.tolist()


def test_offsets_that_fall_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two equal words whose tokens change places: only the order tells."""
    aligner = Aligner(tokenizer_of("bert"))
    encode = aligner.backend.encode
    monkeypatch.setattr(aligner.backend, "encode", lambda texts: [(ids, places[::-1]) for ids, places in encode(texts)])
    assert aligner.encode_words([("the", "the")])[0].word.tolist() == [-1, 0, 1, -1]


def test_a_token_across_two_words_that_both_have_others() -> None:
    vocabulary = {piece: at for at, piece in enumerate(["?", "i", "n", " ", "t", "h", "e", "n ", "n t", "he"])}
    crossing = Tokenizer(models.BPE(vocab=vocabulary, merges=[("n", " "), ("n ", "t"), ("h", "e")], unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=crossing, unk_token="?")
    assert tokenizer.tokenize("in the") == ["i", "n t", "he"]
    encoded = Aligner(tokenizer).encode_words([("in", "the")])[0]
    assert encoded.retokenised
    spelled = [tokenizer.convert_ids_to_tokens(encoded.ids[encoded.word == at].tolist()) for at in range(2)]
    assert spelled == [["i", "n"], ["t", "he"]]


def test_tokens_that_cross_words_make_the_sentence_be_read_word_by_word() -> None:
    crossing = Tokenizer(models.BPE(unk_token="?"))
    text = ["in the house of the doctor in the house"] * 20
    crossing.train_from_iterator(text, trainers.BpeTrainer(vocab_size=80, special_tokens=["?"], show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=crossing, unk_token="?")
    words = ("in", "the", "house")
    assert any(" " in token.strip() for token in tokenizer.tokenize(" ".join(words)))  # they do cross
    encoded = Aligner(tokenizer).encode_words([words])[0]
    assert encoded.retokenised
    spelled = ["".join(tokenizer.convert_ids_to_tokens(encoded.ids[encoded.word == at])).strip() for at in range(3)]
    assert spelled == list(words)
    assert AlignmentCounts.of([encoded], [words]).retokenised == 1


def test_surface_text_is_aligned_by_offsets() -> None:
    text = 'She  cannot walk,"quietly" .'
    words = ("She", "can", "not", "walk", ",", '"', "quietly", '"', ".")
    for name in ("bert", "gpt2", "t5", "llama"):
        encoded = aligner_of(name).encode_text([(text, words)])[0]
        assert encoded.ids.tolist() == tokenizer_of(name)(text)["input_ids"]
        kept = encoded.word[encoded.word >= 0]
        assert (np.diff(kept) >= 0).all()
        assert set(encoded.missing) == set(range(len(words))) - set(kept.tolist())
        assert {0, 1, 3, 6, 8} <= set(kept.tolist())
    with pytest.raises(InputError, match="'quietly' is not next"):
        aligner_of("bert").encode_text([("She walks", ("She", "quietly"))])


def test_the_counts_name_words_and_adds_up() -> None:
    aligner = aligner_of("bert")
    sentences = [("the", "\u200b", "running"), ("[SEP]", "house")]
    encoded = aligner.encode_words(sentences)
    whole = AlignmentCounts.of(encoded, sentences, ["s1", "s2"])
    parts = AlignmentCounts.of(encoded[:1], sentences[:1], ["s1"]) + AlignmentCounts.of(
        encoded[1:], sentences[1:], ["s2"]
    )
    assert whole == parts
    assert (whole.examples, whole.words, whole.covered, whole.missing) == (2, 5, 4, 1)
    assert whole.covered + whole.missing == whole.words
    assert whole.missing_words == ("s1: \u200b",)
    assert whole.special_words == ("s2: [SEP]",)
    assert whole.tokens == sum(len(inner(item)) for item in encoded)
    assert AlignmentCounts.from_json(whole.to_json()) == whole
    assert AlignmentCounts.of([], []) == AlignmentCounts()


def test_no_sentences_and_empty_sentences() -> None:
    aligner = aligner_of("bert")
    assert aligner.encode_words([]) == []
    empty, full = aligner.encode_words([(), ("the",)])
    assert empty.word.tolist() == [-1, -1]
    assert full.word.tolist() == [-1, 0, -1]
    blank = aligner.encode_words([("", "the", "")])[0]
    assert blank.missing == (0, 2)
    assert blank.word.tolist() == [-1, 1, -1]


def ewt_words(data: Path) -> list[tuple[str, ...]]:
    sentences, words = [], []
    with gzip.open(data / "ud_english_ewt" / "en_ewt-ud-dev.conllu.gz", "rt", encoding="utf-8") as handle:
        for line in handle:
            fields = line.rstrip("\n").split("\t")
            if len(fields) == 10 and fields[0].isdigit():
                words.append(fields[1])
            elif words and not line.strip():
                sentences.append(tuple(words))
                words = []
    return sentences


def test_real_text_and_a_real_byte_level_model(data: Path, models: Path) -> None:
    sentences = ewt_words(data)
    tokenizer = AutoTokenizer.from_pretrained(models / "gpt-novels")
    encoded = Aligner(tokenizer).encode_words(sentences)
    theirs = tokenizer([" ".join(words) for words in sentences])["input_ids"]
    assert [item.ids.tolist() for item in encoded] == theirs
    counts = AlignmentCounts.of(encoded, sentences)
    assert (counts.words, counts.covered, counts.retokenised) == (25147, 25147, 0)
    for words, item in zip(sentences, encoded, strict=True):
        tokens = [tokenizer.decode(item.ids[item.word == at]).strip() for at in range(len(words))]
        assert tokens == list(words)


@pytest.mark.parametrize(("name", "space"), [("gpt2", "Ġ"), ("t5", "▁"), ("llama", "▁"), ("bert", None)])
def test_a_space_alone_is_a_piece_of_the_word_behind_it_and_has_no_text(name: str, space: str | None) -> None:
    aligner, tokenizer = aligner_of(name), tokenizer_of(name)
    pieces = tokenizer.convert_ids_to_tokens(list(aligner.textless))
    assert (space in pieces) == (space is not None)
    assert all(re.fullmatch("[ĠĊĉċČč▁]|<0x..>", piece) for piece in pieces)
    words = ("the", "zq", "?", "doctor")
    encoded = aligner.encode_words([words])[0]
    for at in np.flatnonzero(np.isin(encoded.ids, aligner.textless)):
        assert encoded.word[at] == encoded.word[at + 1] != encoded.word[at - 1]
    with_text = ~np.isin(encoded.ids, aligner.textless)
    assert set(encoded.word[with_text].tolist()) >= set(range(4))


def test_gpt_novels_puts_spaces_alone_before_their_words(models: Path) -> None:
    aligner = Aligner(AutoTokenizer.from_pretrained(models / "gpt-novels"))
    encoded = aligner.encode_words([("Please", "?", "us", "ages", "!")])[0]
    alone = np.flatnonzero(np.isin(encoded.ids, aligner.textless))
    assert encoded.word[alone].tolist() == encoded.word[alone + 1].tolist()
    assert {1, 4} <= set(encoded.word[alone].tolist())
