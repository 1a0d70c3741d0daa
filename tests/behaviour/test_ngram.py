"""N-gram models: equal to a published example, to the formulas written plainly, and to themselves in a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from behaviour.slow_kneser_ney import Slow

from probekit.behaviour.baselines import (
    NgramModel,
    UnigramModel,
    read_arpa,
    sentences_of,
    train_ngram,
    words_of,
    write_arpa,
)
from probekit.behaviour.baselines.kneser_ney import FALLBACK, discounts_of
from probekit.behaviour.items import SCORED, Item, Region, Sentence
from probekit.behaviour.valuing import baseline_methods
from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError

# Eight sentences and what KenLM's lmplz makes of them, posted in github.com/kpu/kenlm/issues/405.
PUBLISHED = ["I went to", "I go to", "You went to", "You go to", "Joe went to", "Joe go to", *["Anna went ski"] * 2]
ONE = {"<unk>": -1.30103, "</s>": -1.1249387, "I": -1.0579919, "went": -0.6726411, "to": -1.1249387, "go": -0.82390875}
WEIGHTS = {"<s>": -0.059768215, "I": -0.5228788, "went": -0.022929981, "to": -0.30103, "Anna": -0.059768215, "go": 0}
TWO = {
    "to </s>": -0.26962152,
    "ski </s>": -0.7123581,
    "<s> I": -0.9649993,
    "I went": -0.383262,
    "Anna went": -0.50341624,
}


def split(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def drawn(n: int, seed: int = 0) -> list[list[str]]:
    """Draw sentences in which words follow each other by a rule, with frequencies as steep as those of text."""
    rng = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(60)]
    out = []
    for _ in range(n):
        at, sentence = 0, []
        for _ in range(int(rng.integers(1, 9))):
            at = (3 * at + int(rng.zipf(1.7))) % len(words)
            sentence.append(words[at])
        out.append(sentence)
    return out


def contexts(sentences: list[list[str]], order: int) -> list[tuple[str, ...]]:
    found = {tuple(["<s>", *s][max(0, i - order + 1) : i + 1]) for s in sentences for i in range(len(s))}
    return [*sorted(found)[:: max(1, len(found) // 25)], (), ("<unk>",), ("w1", "<unk>")]


def probability(model: NgramModel, word: str, context: tuple[str, ...]) -> float:
    begin = context[:1] == ("<s>",)
    words = [*context[begin:], word]
    end = word == "</s>"
    return math.exp(model.logprobs_of([words[:-1] if end else words], begin=begin, end=end)[0][-1])


def test_equal_to_a_published_example() -> None:
    # lmplz counts the last word of its vocabulary (ski) among those of adjusted count 2 (issue 427): hence the
    # discounts of single words. Those of pairs follow from the formula.
    model = train_ngram(split(PUBLISHED), 2, discounts=[(0.4, 1.6, 1.4), None])
    number = {word: i for i, word in enumerate(model.words)}
    assert model.sizes == (11, 16)
    assert model.notes == ()
    for word, value in ONE.items():
        assert model.logprobs[0][number[word]] / math.log(10) == pytest.approx(value, abs=1e-6)
    for word, value in WEIGHTS.items():
        assert model.backoffs[0][number[word]] / math.log(10) == pytest.approx(value, abs=1e-6)
    for gram, value in TWO.items():
        first, second = gram.split()
        at = np.searchsorted(model.keys[0], number[first] * 11 + number[second])
        assert model.logprobs[1][at] / math.log(10) == pytest.approx(value, abs=1e-6)


def test_discounts_of_a_published_example() -> None:
    # Adjusted counts of its words: five of 1, two of 2, one of 3 and of 4.
    assert discounts_of(np.array([0, 0, 2, 1, 4, 2, 3, 1, 1, 1, 1])) == pytest.approx((5 / 9, 7 / 6, 7 / 9))
    assert discounts_of(np.array([1, 1, 3])) is None
    assert discounts_of(np.array([1, 2, 3, 3, 3, 4, 4, 4, 4, 4])) is None  # below 0


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equal_to_a_slow_implementation(order: int) -> None:
    sentences = drawn(150)
    model, slow = train_ngram(sentences, order), Slow(sentences, order, FALLBACK)
    for context in contexts(sentences, order):
        for word in ("w0", "w7", "</s>", "<unk>"):
            assert probability(model, word, context) == pytest.approx(slow.probability(word, context), rel=2e-6)


@pytest.mark.parametrize("fewest", [1, 3])
def test_probabilities_of_all_words_add_up_to_one(fewest: int) -> None:
    sentences = drawn(200, seed=1)
    model = train_ngram(sentences, 3, fewest=fewest)
    words = set(model.words) - {"<s>"}
    for context in contexts(sentences, 3)[::6]:
        assert sum(probability(model, word, context) for word in words) == pytest.approx(1, abs=1e-5)


def test_planted_order_is_found_and_shuffled_words_have_none() -> None:
    rng = np.random.default_rng(2)
    # Behind a stands b, behind c stands d; which pair comes is chance.
    sentences = [[w for _ in range(4) for w in (("a", "b") if rng.random() < 0.5 else ("c", "d"))] for _ in range(300)]
    shuffled = [[sentence[i] for i in rng.permutation(len(sentence))] for sentence in sentences]
    planted, flat = train_ngram(sentences, 3), train_ngram(shuffled, 3)
    gain = [model.score(["a", "b", "c", "d"]) - model.score(["a", "d", "c", "b"]) for model in (planted, flat)]
    assert gain[0] > 8
    assert abs(gain[1]) < 0.5


def test_a_sentence_is_the_sum_of_its_words_and_its_end(tmp_path: Path) -> None:
    model = train_ngram(drawn(100), 3)
    sentences = [["w0", "w3"], ["w5"], [], ["never", "w3", "w0", "w1"]]
    together = model.logprobs_of(sentences)
    for sentence, found in zip(sentences, together, strict=True):
        assert len(found) == len(sentence) + 1
        np.testing.assert_allclose(found, model.logprobs_of([sentence])[0])
        assert model.score(sentence) == pytest.approx(found.sum())
        assert model.score(sentence, end=False) == pytest.approx(found[:-1].sum())
    assert model.logprobs_of([["w0"]], begin=False)[0][0] == model.logprobs[0][model.words.index("w0")]
    assert model.logprobs_of([]) == []


def test_unknown_words_are_named_and_have_what_is_said() -> None:
    sentences = split(["a b", "a b", "c a"])
    model = train_ngram(sentences, 2)
    assert model.unknown(["a", "x", "b", "x"]) == ["x", "x"]
    assert model.score(["x"]) == model.score(["y"]) == model.score(["<unk>"])
    with_rare = train_ngram(sentences, 2, fewest=2)
    assert with_rare.unknown(["a", "c"]) == ["c"]
    assert with_rare.score(["c"]) > model.score(["x"])
    assert "1 words that occur less than 2 times" in with_rare.notes[0]


def test_a_small_text_says_that_its_discounts_are_a_fallback() -> None:
    model = train_ngram([["a", "b"]], 2)
    assert [note for note in model.notes if "too small" in note] == [
        "The text is too small to tell the discounts of 1-grams: 0.5, 1.0, 1.5 are taken.",
        "The text is too small to tell the discounts of 2-grams: 0.5, 1.0, 1.5 are taken.",
    ]


def test_what_cannot_be_counted_is_an_error() -> None:
    with pytest.raises(InputError, match="no word"):
        train_ngram([[]], 2)
    with pytest.raises(InputError, match="spells '</s>'"):
        train_ngram([["a", "</s>"]], 2)
    with pytest.raises(UsageError, match="must be 1 to 10"):
        train_ngram([["a"]], 0)
    with pytest.raises(UsageError, match="must have 2 entries"):
        train_ngram([["a"]], 2, discounts=[None])


def test_a_suite_is_looked_up_at_once_and_scored_as_one_sentence_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = train_ngram(drawn(150), 3)
    texts = [" ".join(words) for words in drawn(40, seed=3)]
    first, second = Region(SCORED, 0, 2), Region(SCORED, 3, 5)
    shapes: list[tuple[Region, ...]] = [(), (first,), (first, second)]
    items = [
        Item(f"i{i}", "s", "p", "t", tuple(Sentence(f"{start} {text}", shapes[i % 3]) for start in ("w1 w2", "w3 w4")))
        for i, text in enumerate(texts)
    ]
    calls, whole = [], NgramModel.logprobs_of
    monkeypatch.setattr(
        NgramModel, "logprobs_of", lambda self, rows, **ends: calls.append(len(rows)) or whole(self, rows, **ends)
    )
    (method,) = baseline_methods(items, {"ngram": model})
    assert len(calls) == 2
    for item, values in zip(items, method.values, strict=True):
        for sentence, value in zip(item.sentences, values, strict=True):
            words = sentence.text.split()
            logprobs = whole(model, [words])[0]
            alone = logprobs[: len(sentence.regions)] if sentence.regions else logprobs
            assert value.total == pytest.approx(float(alone.sum()))
            assert value.words == (len(sentence.regions) or len(words))


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
def test_a_file_gives_the_model_back(name: str, tmp_path: Path) -> None:
    model = train_ngram(drawn(150), 4)
    write_arpa(model, tmp_path / name)
    again = read_arpa(tmp_path / name)
    assert (again.words, again.sizes) == (model.words, model.sizes)
    for context in drawn(30, seed=3):
        assert again.score(context) == pytest.approx(model.score(context), abs=1e-5)


@pytest.mark.parametrize("harm", ["bits", "end", "sum", "plain"])
def test_a_packed_file_that_is_damaged_is_named_with_what_to_do(harm: str, tmp_path: Path) -> None:
    path = tmp_path / "model.arpa.gz"
    write_arpa(train_ngram(drawn(150), 3), path)
    data = bytearray(path.read_bytes())
    if harm == "bits":  # in the deflated data itself, which zlib finds
        data[40:200] = bytes(255 - byte for byte in data[40:200])
    elif harm == "sum":
        data[-8] ^= 1
    damaged = {"end": bytes(data[: len(data) // 2]), "plain": FOREIGN.encode()}.get(harm, bytes(data))
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"model\.arpa\.gz: the compressed file is damaged .* again\."):
        read_arpa(path)


# In an order of its own, without a weight where it would be 0, as SRILM writes; closed, for <unk> is not in it.
FOREIGN = """
made by hand
\\data\\
ngram 1=4
ngram 2=3

\\1-grams:
-0.5 b
-0.30103\ta\t-0.1
-99 <s> -0.2
-0.9 </s>

\\2-grams:
-0.7 b a
-0.1 <s> b
-0.4 a b

\\end\\
"""


def test_a_file_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "other.arpa"
    path.write_bytes(FOREIGN.replace("\n", "\r\n").encode())
    model = read_arpa(path)
    found = model.logprobs_of([["b", "a", "a"]])[0] / math.log(10)
    np.testing.assert_allclose(found, [-0.1, -0.7, -0.1 - 0.30103, -0.1 - 0.9], atol=1e-6)
    assert model.unknown(["a", "z"]) == ["z"]
    assert model.score(["a", "z"]) == -math.inf
    assert model.logprobs_of([["z", "a"]], begin=False)[0][1] == pytest.approx(-0.30103 * math.log(10))


def test_lines_are_read_alike_however_their_fields_are_set_apart(tmp_path: Path) -> None:
    model = train_ngram(drawn(60), 3)
    plain, spaced = tmp_path / "plain.arpa", tmp_path / "spaced.arpa"
    write_arpa(model, plain)
    spaced.write_text(plain.read_text().replace("\t", "  ").replace("<unk>", "<UNK>"))
    one, other = read_arpa(plain), read_arpa(spaced)
    assert one.words == other.words
    for name in ("keys", "logprobs", "backoffs"):
        for mine, its in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-0.1 <s> b", "-0.1 <s>", r":15: this is none of the 3 lines"),
        ("-0.1 <s> b", "x <s> b", r":15: this is none"),
        # Two fields too many in one line, two too few in another.
        ("-0.7 b a\n-0.1 <s> b", "-0.7 b a -1 a\n-0.1", r":14: this is none"),
        ("-0.1 <s> b", "-0.1 <s> z", r":15: a word of this n-gram is no 1-gram"),
        ("ngram 2=3", "ngram 2=4", "none of the 4 lines"),
        ("-0.1 <s> b", "-0.4 a b", "'a b' is there twice"),
        ("-0.9 </s>", "-0.9 c", "the word </s> is no 1-gram"),
        ("\\data\\", "data", "no line .data. begins an ARPA file"),
        ("\\end\\", "", "should end with"),
    ],
)
def test_a_file_at_fault(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.arpa"
    path.write_text(FOREIGN.replace(old, new))
    with pytest.raises(InputError, match=said):
        read_arpa(path)


def test_an_ngram_without_its_first_words_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "wrong.arpa"
    path.write_text(
        FOREIGN.replace("ngram 2=3", "ngram 2=3\nngram 3=1").replace("\\end\\", "\\3-grams:\n-0.1 a a b\n\n\\end\\")
    )
    with pytest.raises(InputError, match="the 3-gram 'a a b' is there without its first 2 words"):
        read_arpa(path)
    with pytest.raises(InputError, match="no such file"):
        read_arpa(tmp_path / "none.arpa")


def test_a_word_with_a_space_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot hold the word 'New York'"):
        write_arpa(train_ngram([["New York", "is"]], 2), tmp_path / "a.arpa")
    assert list(tmp_path.iterdir()) == []


def test_frequencies_are_those_of_the_text() -> None:
    sentences = split(["a a b", "a c"])
    model = UnigramModel.train(sentences)
    assert model.score(["a", "b", "z"]) == pytest.approx(math.log(4 / 9) + math.log(2 / 9) + math.log(1 / 9))
    assert model.unknown(["a", "z"]) == ["z"]
    beside = train_ngram(sentences, 2).unigram
    assert beside is not None
    assert beside.score(["a", "b", "z"]) == pytest.approx(model.score(["a", "b", "z"]))
    assert beside.unknown(["</s>", "b"]) == ["</s>"]


def test_running_text_is_cut_into_sentences_and_words(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(
        'He saw Mr. Reed. "Come!" said J. Eyre; "it isn’t far." Then?\n\nA half-line (1.5 miles).\n'
    )
    assert [" ".join(words) for words in sentences_of(open_corpus(tmp_path / "text.txt"))] == [
        "He saw Mr . Reed .",
        '" Come ! " said J . Eyre ; " it isn\'t far . "',
        "Then ?",
        "A half-line ( 1.5 miles ) .",
    ]
    assert words_of("The Cats' <unk> DON'T", lower=True) == ["the", "cats", "'", "<unk>", "don't"]
    assert list(sentences_of(open_corpus([["One.", "Word"]]), lower=True)) == [["one.", "word"]]
