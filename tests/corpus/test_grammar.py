"""The built-in language: the stream, the trees, the brackets, the roles."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest

from probekit.example import SPLITS, Example
from probekit.grammar import generate

SEEDS = (0, 1, 7, 2026)
COLUMNS = ("lemma", "upos", "xpos", "feats", "head", "deprel", "roles")


@pytest.fixture(scope="module", params=SEEDS)
def examples(request: pytest.FixtureRequest) -> list[Example]:
    return list(generate(n=700, seed=request.param))


def digest(examples: list[Example]) -> str:
    return hashlib.sha256("\n".join(f"{e.id} {e.text} {e.annotations['head']}" for e in examples).encode()).hexdigest()


def test_the_seed_fixes_every_sentence_in_any_process() -> None:
    program = (
        "import hashlib; from probekit.grammar import generate; "
        "print(hashlib.sha256('\\n'.join(f\"{e.id} {e.text} {e.annotations['head']}\""
        " for e in generate(300, 5)).encode()).hexdigest())"
    )
    here = digest(list(generate(300, 5)))
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    short, long = list(generate(37, 3)), list(generate(120, 3))
    assert len(short) == 37
    assert long[:37] == short


def test_another_seed_is_another_corpus() -> None:
    first, second = ({e.text for e in generate(300, seed)} for seed in (0, 1))
    assert len(first & second) < 10


def test_splits_are_80_10_10_by_documents() -> None:
    corpus = list(generate(1_000))
    assert Counter(e.split for e in corpus) == {"train": 800, "dev": 100, "test": 100}
    assert len({e.id for e in corpus}) == len(corpus)
    splits_of: dict[str | None, set[str | None]] = {}
    for example in corpus:
        splits_of.setdefault(example.group, set()).add(example.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert {e.split for e in corpus[:30]} == set(SPLITS)


def test_ten_thousand_sentences_give_documents_enough_and_take_under_three_seconds() -> None:
    began = time.process_time()
    groups = {(e.split, e.group) for e in generate()}
    seconds = time.process_time() - began
    assert Counter(split for split, _ in groups) == {"train": 800, "dev": 100, "test": 100}
    assert seconds < 3


def test_columns_are_as_long_as_the_words(examples: list[Example]) -> None:
    for example in examples:
        assert tuple(example.annotations) == COLUMNS
        for column in example.annotations.values():
            assert isinstance(column, tuple)
            assert len(column) == len(example.words)
        for feats in example.annotations["feats"]:
            assert all(isinstance(key, str) and isinstance(value, str) for key, value in feats.items())


def test_lengths_vary_within_4_to_30(examples: list[Example]) -> None:
    lengths = Counter(len(e.words) for e in examples)
    assert min(lengths) >= 4
    assert max(lengths) <= 30
    assert max(lengths) >= 20
    assert len(lengths) >= 18


def well_formed(heads: Sequence[int]) -> bool:
    """Tell whether one root reaches every word."""
    for word in range(1, len(heads) + 1):
        steps = 0
        while word and steps <= len(heads):
            word, steps = heads[word - 1], steps + 1
        if word:
            return False
    return heads.count(0) == 1  # type: ignore[attr-defined]


def projective(heads: Sequence[int]) -> bool:
    arcs = [(min(word, head), max(word, head)) for word, head in enumerate(heads, 1) if head]
    return not any(a < c < b < d for a, b in arcs for c, d in arcs)


def test_trees_are_rooted_connected_and_projective(examples: list[Example]) -> None:
    assert not well_formed((2, 1, 0))
    assert not projective((3, 4, 0, 3))
    for example in examples:
        heads, relations = example.annotations["head"], example.annotations["deprel"]
        assert well_formed(heads), example.text
        assert projective(heads), example.text
        assert [head == 0 for head in heads] == [relation == "root" for relation in relations]


FUNCTIONAL = {
    "det": {"DET"},
    "det:predet": {"DET"},
    "case": {"ADP", "PART"},
    "mark": {"SCONJ", "PART"},
    "aux": {"AUX"},
    "aux:pass": {"AUX"},
    "cop": {"AUX"},
    "cc": {"CCONJ"},
    "punct": {"PUNCT"},
    "nummod": {"NUM"},
    "discourse": {"INTJ"},
    "expl": {"PRON"},
    "compound:prt": {"ADP"},
}


def test_relations_fit_the_parts_of_speech(examples: list[Example]) -> None:
    for example in examples:
        tags, relations = example.annotations["upos"], example.annotations["deprel"]
        for tag, relation, head in zip(tags, relations, example.annotations["head"], strict=True):
            if relation in FUNCTIONAL:
                assert tag in FUNCTIONAL[relation], example.text
            if tag in ("PUNCT", "CCONJ", "AUX"):
                assert relation in FUNCTIONAL, example.text
            if head:  # function words have no dependents but other function words
                assert tags[head - 1] not in ("PUNCT", "CCONJ", "SCONJ", "AUX", "DET"), example.text


def test_brackets_nest_and_each_has_one_head(examples: list[Example]) -> None:
    for example in examples:
        spans = example.spans["constituents"]
        heads = example.annotations["head"]
        assert (spans[0].start, spans[0].stop) == (0, len(example.words))
        assert spans[0].label in ("S", "SQ", "SBARQ")
        for outer, inner in pairwise(spans):  # outermost first, so each is inside the last or after it
            assert inner.start < outer.stop <= len(example.words) or inner.start >= outer.stop
        for a in spans:
            for b in spans:
                assert not a.start < b.start < a.stop < b.stop, example.text
            outside = [not a.start < head <= a.stop for head in heads[a.start : a.stop]]
            assert outside.count(True) == 1, (example.text, a)


RELATIONS = """nsubj nsubj:pass csubj expl obj iobj obl obl:agent obl:unmarked xcomp ccomp advcl acl acl:relcl conj nmod
nmod:poss amod compound compound:prt flat advmod aux aux:pass cop det:predet discourse"""


def test_every_construction_occurs() -> None:
    corpus = list(generate(3_000))
    relations = Counter(relation for e in corpus for relation in e.annotations["deprel"])
    assert all(relations[relation] >= 10 for relation in RELATIONS.split()), relations
    labels = Counter(span.label for e in corpus for span in e.spans["constituents"])
    wanted_labels = ("S", "SQ", "SBARQ", "SBAR", "NP", "VP", "PP", "ADJP", "ADVP", "WHNP", "WHADVP", "PRT", "INTJ")
    assert set(labels) == set(wanted_labels)
    verbs = Counter((tag, *sorted(feats.items())) for e in corpus for tag, feats in tags_and_feats(e) if tag[0] == "V")
    assert len(verbs) >= 16
    ends = Counter(e.words[-1] for e in corpus)
    assert set(ends) == {".", "?", "!"}


def tags_and_feats(example: Example) -> list[tuple[str, dict[str, str]]]:
    return list(zip(example.annotations["xpos"], example.annotations["feats"], strict=True))


def test_text_is_the_words_as_they_are_written(examples: list[Example]) -> None:
    for example in examples:
        text = example.text
        assert text is not None
        assert text.replace(" ", "") == "".join(example.words)
        assert text[0].isupper() or text[0].isdigit()
        assert not re.search(r" [.,?!']| n't|  ", text)
        proper = zip(example.words[1:], example.annotations["upos"][1:], strict=True)
        assert all(word.islower() or tag == "PROPN" or word == "I" or not word.isalpha() for word, tag in proper)


def test_the_indefinite_article_fits_its_neighbour(examples: list[Example]) -> None:
    vowel_sound = re.compile(r"(?!uni|use|usu|eu|one)[aeiou]|hour|hon", re.I)
    seen = Counter()
    for example in examples:
        for word, following in pairwise(example.words):
            if word.lower() in ("a", "an"):
                seen[word.lower()] += 1
                assert bool(vowel_sound.match(following)) == (word.lower() == "an"), example.text
    assert min(seen.values()) > 5


def test_roles_are_spans_of_predicates(examples: list[Example]) -> None:
    for example in examples:
        for word, arguments in enumerate(example.annotations["roles"]):
            if arguments:
                assert example.annotations["upos"][word] in ("VERB", "AUX"), example.text
            for argument in arguments:
                assert 0 <= argument.start < argument.stop <= len(example.words)
                assert not argument.start <= word < argument.stop, (example.text, argument)
                assert re.fullmatch(r"(R-)?ARG(0|1|2|M-(TMP|LOC|MNR|CAU|ADV|NEG|MOD))", argument.label)
            cores = [argument.label for argument in arguments if not argument.label.startswith("ARGM")]
            assert len(cores) == len(set(cores)), (example.text, arguments)


def test_passive_turns_the_roles_around() -> None:
    turned = 0
    for example in generate(2_000):
        heads, relations = example.annotations["head"], example.annotations["deprel"]
        for agent, relation in enumerate(relations):
            if relation != "obl:agent":
                continue
            verb = heads[agent] - 1
            roles = {argument.label: argument for argument in example.annotations["roles"][verb]}
            assert roles["ARG0"].start < agent < roles["ARG0"].stop
            subjects = [
                w for w, (h, r) in enumerate(zip(heads, relations, strict=True)) if (h, r) == (verb + 1, "nsubj:pass")
            ]
            if subjects and example.annotations["upos"][subjects[0]] != "PRON":
                assert roles["ARG1"].start <= subjects[0] < roles["ARG1"].stop
                turned += 1
    assert turned > 50
