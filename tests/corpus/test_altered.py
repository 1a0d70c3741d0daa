"""Corpora of which half of the sentences are changed: what is, and that nothing else is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from probekit.corpus import open_corpus, reopen_corpus
from probekit.errors import InputError, UsageError
from probekit.example import Example

NAMES = ("bigram-shift", "odd-man-out", "coordination-inversion")


ROWS = (
    ("DET", 2, "det"),
    ("NOUN", 3, "nsubj"),
    ("VERB", 0, "root"),
    ("PUNCT", 8, "punct"),
    ("CCONJ", 8, "cc"),
    ("DET", 7, "det"),
    ("NOUN", 8, "nsubj"),
    ("VERB", 3, "conj"),
    ("PUNCT", 3, "punct"),
)
NOUNS, VERBS = ["dog", "cat", "bird", "fish", "horse"], ["runs", "sleeps", "eats", "waits"]


@pytest.fixture(scope="module")
def treebank(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two clauses in each of 300 sentences, in the built-in language's place: that has none."""
    path = tmp_path_factory.mktemp("coordinated") / "coordinated.conllu"
    draw = Random(0)
    parts = []
    for number in range(300):
        nouns, verbs = draw.sample(NOUNS, 2), draw.sample(VERBS, 2)
        words = ["The", nouns[0], verbs[0], ",", "and", "the", nouns[1], verbs[1], "."]
        lines = [
            f"{i}\t{word}\t_\t{upos}\t_\t_\t{head}\t{relation}\t_\t_"
            for i, (word, (upos, head, relation)) in enumerate(zip(words, ROWS, strict=True), start=1)
        ]
        parts.append("\n".join([f"# sent_id = s{number}", *lines]) + "\n\n")
    path.write_text("".join(parts))
    return str(path)


def source(name: str, treebank: str) -> str:
    return treebank if name == "coordination-inversion" else "grammar:n=1500"


@pytest.mark.parametrize("name", NAMES)
def test_half_is_changed_and_the_other_half_is_as_it_was(name: str, treebank: str) -> None:
    column = name.replace("-", "_")
    originals = {example.id: example for example in open_corpus(source(name, treebank))}
    corpus = open_corpus(f"{name}:{source(name, treebank)}")
    found = list(corpus)
    labels = Counter(example.annotations[column] for example in found)
    assert len(found) > 100
    assert 0.4 < labels["I"] / len(found) < 0.6
    for example in found:
        before = originals[example.id]
        assert (example.split, example.group) == (before.split, before.group)
        assert (example.words == before.words) is (example.annotations[column] == "O")
        assert set(example.annotations) == {column}
    assert [example.words for example in corpus] == [example.words for example in found], "the same every time"
    assert {example.split for example in found} == {"train", "dev", "test"}


def changed(name: str, of: str) -> list[tuple[Example, Example]]:
    column = name.replace("-", "_")
    originals = {example.id: example for example in open_corpus(of)}
    examples = open_corpus(f"{name}:{of}")
    return [(e, originals[e.id]) for e in examples if e.annotations[column] == "I"]


def test_a_bigram_shift_is_one_swap() -> None:
    places = set()
    for after, before in changed("bigram-shift", "grammar:n=500"):
        differ = [i for i, (a, b) in enumerate(zip(after.words, before.words, strict=True)) if a != b]
        i, j = differ
        assert (j, after.words[i], after.words[j]) == (i + 1, before.words[j], before.words[i])
        places.add(i)
    assert len(places) > 5


def test_the_odd_word_bears_the_same_tags() -> None:
    tags = {
        (word, upos, feats)
        for e in open_corpus("grammar:n=500")
        for word, upos, feats in zip(e.words, e.annotations["upos"], map(str, e.annotations["feats"]), strict=True)
    }
    for after, before in changed("odd-man-out", "grammar:n=500"):
        (i,) = (i for i, (a, b) in enumerate(zip(after.words, before.words, strict=True)) if a != b)
        notes = before.annotations
        assert notes["upos"][i] in ("NOUN", "VERB")
        assert (after.words[i], notes["upos"][i], str(notes["feats"][i])) in tags


def test_an_odd_word_is_no_clitic(tmp_path: Path) -> None:
    """Of *I 've a dog* the noun is replaced, never the verb; and no clitic is put in elsewhere."""
    path = tmp_path / "clitics.conllu"
    draw = Random(0)
    lines = []
    for number in range(200):
        words = ["I", draw.choice(["'ve", "have", "\u2019ve", "want"]), "a", draw.choice(NOUNS)]
        tags = ("PRON", "VERB", "DET", "NOUN")
        rows = [f"{i + 1}\t{word}\t_\t{tags[i]}\t_\t_\t0\troot\t_\t_" for i, word in enumerate(words)]
        lines += [f"# sent_id = s{number}", *rows, ""]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs = changed("odd-man-out", str(path))
    assert len(pairs) > 50
    for after, before in pairs:
        (old, new) = next((a, b) for a, b in zip(before.words, after.words, strict=True) if a != b)
        assert not {"'", "\u2019"} & {old[0], new[0]}
    assert any(before.words[1] == "have" != after.words[1] for after, before in pairs)


def test_inverted_clauses_hold_the_same_words(treebank: str) -> None:
    for after, before in changed("coordination-inversion", treebank):
        assert after.words[:4] == ("The", *before.words[6:8], ",")
        assert Counter(map(str.lower, after.words)) == Counter(map(str.lower, before.words))
        assert after.words[-1] == before.words[-1]
        assert after.words[0][0].isupper() == before.words[0][0].isupper()


@pytest.fixture(scope="module")
def phrases(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same sentences as bracketed trees, the second clause of every third without a subject."""
    path = tmp_path_factory.mktemp("phrases") / "phrases.mrg"
    draw = Random(0)
    parts = []
    for number in range(300):
        nouns, verbs = draw.sample(NOUNS, 2), draw.sample(VERBS, 2)
        first = f"(S (NP-SBJ (DT The) (NN {nouns[0]})) (VP (VBZ {verbs[0]})))"
        second = f"(S (NP-SBJ (DT the) (NN {nouns[1]})) (VP (VBZ {verbs[1]})))"
        # A second clause without a subject is none.
        second = second if number % 3 else f"(S (VP (VBZ {verbs[1]})))"
        parts.append(f"(S {first} (, ,) (CC and) {second} (. .))")
    path.write_text("\n".join(parts))
    return str(path)


def test_trees_of_phrases_are_inverted_too(phrases: str) -> None:
    found = list(open_corpus(f"coordination-inversion:{phrases}"))
    assert len(found) == 200
    pairs = changed("coordination-inversion", phrases)
    assert 60 < len(pairs) < 140
    for after, before in pairs:
        old = before.words
        assert after.words == ("The", *old[6:8], ",", "and", "the", *old[1:3], ".")


def test_an_odd_word_of_a_tree_of_phrases_bears_its_tag(phrases: str) -> None:
    pairs = changed("odd-man-out", phrases)
    assert len(pairs) > 50
    for after, before in pairs:
        (i,) = (i for i, (a, b) in enumerate(zip(after.words, before.words, strict=True)) if a != b)
        assert after.words[i] in (NOUNS if before.annotations["xpos"][i] == "NN" else VERBS)


def test_a_plain_text_can_be_shifted_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("".join(f"the {n} dogs bark loudly at night .\n" for n in range(60)))
    corpus = open_corpus(f"bigram-shift:{path}")
    found = [(example.words, example.annotations) for example in corpus]
    assert len(found) == 60
    assert all(words[-1] == "." for words, _ in found)
    again = reopen_corpus(corpus.source)
    assert [(example.words, example.annotations) for example in again] == found
    assert again.name == corpus.name == "plain-bigram-shift"


def test_what_cannot_be_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("no tags here at all\n")
    for name in NAMES[1:]:
        with pytest.raises(InputError, match=r"which the corpus does not have\. Give a treebank"):
            list(open_corpus(f"{name}:{path}"))
    with pytest.raises(UsageError, match="bigram-shift:grammar"):
        open_corpus("bigram-shift:")
    with pytest.raises(UsageError, match="Did you mean 'grammar'"):
        open_corpus("odd-man-out:grammr")
