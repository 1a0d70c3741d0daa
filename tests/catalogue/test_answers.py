"""What the tasks answer on a sentence parsed by hand."""

from __future__ import annotations

import gzip
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from probekit.corpus import open_corpus
from probekit.errors import InputError
from probekit.example import Example, Span
from probekit.features import collect, keep_top
from probekit.tasks import Target, get_task

# id, form, lemma, upos, xpos, feats, head, deprel
ROWS = """
The the DET DT Definite=Def 2 det
cities city NOUN NNS Number=Plur 5 nsubj:pass
were be AUX VBD Tense=Past|VerbForm=Fin 5 aux:pass
not not PART RB _ 5 advmod
built build VERB VBN Tense=Past|VerbForm=Part 0 root
by by ADP IN _ 7 case
Ann Ann PROPN NNP Number=Sing 5 obl
, _ PUNCT _ _ 5 punct
"""


def parsed(rows: str, example_id: str = "s1") -> Example:
    cells = [line.split(" ") for line in rows.strip().splitlines()]
    column = [[None if cell == "_" else cell for cell in values] for values in zip(*cells, strict=True)]
    feats = [dict(pair.split("=") for pair in (value or "").split("|") if pair) for value in column[4]]
    names = ("lemma", "upos", "xpos", "feats", "head", "deprel")
    heads = [None if head is None else int(head) for head in column[5]]
    columns = (column[1], column[2], column[3], feats, heads, column[6])
    return Example(example_id, tuple(column[0]), annotations={n: tuple(c) for n, c in zip(names, columns, strict=True)})


EXAMPLE = parsed(ROWS)


def labels(name: str, example: Example = EXAMPLE) -> list[str | int | float]:
    return [target.label for target in get_task(name).targets(example)]


def test_words_in_order_and_unannotated_ones_left_out() -> None:
    assert labels("pos") == ["DET", "NOUN", "AUX", "PART", "VERB", "ADP", "PROPN", "PUNCT"]
    assert labels("xpos") == ["DT", "NNS", "VBD", "RB", "VBN", "IN", "NNP"]
    assert [target.spans for target in get_task("morph:Number").targets(EXAMPLE)] == [((1, 2),), ((6, 7),)]


def test_a_feature_is_asked_of_its_bearers_only() -> None:
    assert labels("morph:Number") == ["Plur", "Sing"]
    assert labels("morph:Tense") == ["Past", "Past"]
    assert labels("morph:Case") == []


def test_relations_are_whole_or_universal() -> None:
    assert labels("deprel") == ["det", "nsubj:pass", "aux:pass", "advmod", "root", "case", "obl", "punct"]
    assert labels("deprel:universal")[1:3] == ["nsubj", "aux"]


def test_numbers_are_counted_from_the_words() -> None:
    assert labels("word-length") == [3, 6, 4, 3, 5, 2, 3, 1]
    assert labels("position") == list(range(8))
    assert labels("sentence-length") == [8]


def test_neighbours_skip_the_edge_and_ignore_case() -> None:
    assert labels("prev-word") == ["the", "cities", "were", "not", "built", "by", "ann"]
    assert labels("next-word") == ["cities", "were", "not", "built", "by", "ann", ","]
    assert next(iter(get_task("prev-word").targets(EXAMPLE))) == Target(((1, 2),), "the", "cities")
    assert next(iter(get_task("next-word").targets(EXAMPLE))) == Target(((0, 1),), "cities", "The")


@pytest.mark.parametrize(
    ("form", "lemma", "expected"),
    [
        ("Walking", "walk", "-ing"),
        ("cities", "city", "-ies +y"),
        ("went", "go", "= go"),
        ("The", "the", "keep"),
        ("gesagt", "sagen", "ge- -t +en"),
        ("unhappy", "happy", "un-"),
        ("a", "an", "+n"),
    ],
)
def test_the_edit_script_leads_from_form_to_lemma(form: str, lemma: str, expected: str) -> None:
    assert labels("lemma-rule", parsed(f"{form} {lemma} X X _ 0 root")) == [expected]


def test_pairs_name_the_dependent_first() -> None:
    found = list(get_task("arc-label").targets(EXAMPLE))
    assert found[0] == Target(((0, 1), (1, 2)), "det", ("The", "cities"))
    assert [target.label for target in found] == ["det", "nsubj:pass", "aux:pass", "advmod", "case", "obl", "punct"]
    assert labels("arc-label:universal")[1] == "nsubj"


def test_half_of_the_arcs_are_none_and_no_arc_is_called_none() -> None:
    found = list(get_task("arc").targets(EXAMPLE))
    heads = EXAMPLE.annotations["head"]
    assert Counter(target.label for target in found) == {"arc": 7, "none": 7}
    for target in found:
        word, other = target.spans[0][0], target.spans[1][0]
        assert word != other
        assert (heads[word] - 1 == other) == (target.label == "arc")


def test_negatives_are_drawn_by_sentence_and_evenly() -> None:
    rows = "\n".join(["w0 w X X _ 0 root", *(f"w{i} w X X _ 1 dep" for i in range(1, 6))])
    drawn: Counter[int] = Counter()
    for number in range(400):
        found = list(get_task("arc").targets(parsed(rows, f"s{number}")))
        drawn.update(target.spans[1][0] for target in found if target.label == "none" and target.spans[0][0] == 1)
    assert set(drawn) == {2, 3, 4, 5}
    # 400 even draws over four words: five standard deviations of a count are 43.
    assert all(abs(count - 100) < 43 for count in drawn.values())


def test_two_words_leave_no_negative_to_draw() -> None:
    assert labels("arc", parsed("Go go VERB VB _ 0 root\non on ADV RB _ 1 advmod")) == []


def test_a_pronoun_is_paired_with_every_candidate() -> None:
    spans = {"pronoun": (Span(3, 4, "pronoun"),), "candidates": (Span(0, 2, "other"), Span(2, 3, "same"))}
    example = Example("s", ("the", "bee", "sees", "it"), spans=spans)
    assert list(get_task("pronoun").targets(example)) == [
        Target(((0, 2), (3, 4)), "other", ("the bee", "it")),
        Target(((2, 3), (3, 4)), "same", ("sees", "it")),
    ]


def test_tense_is_that_of_the_finite_word_of_the_main_clause() -> None:
    assert labels("tense") == ["Past"]
    perfect = "has have AUX VBZ Tense=Pres|VerbForm=Fin 2 aux\ngone go VERB VBN Tense=Past|VerbForm=Part 0 root"
    future = "will will AUX MD VerbForm=Fin 2 aux\ngo go VERB VB VerbForm=Inf 0 root"
    assert labels("tense", parsed(perfect)) == ["Pres"]
    assert labels("tense", parsed(future)) == []


def test_number_of_subject_and_object_speaks_of_the_main_clause() -> None:
    assert labels("subj-number") == ["Plur"]
    assert labels("obj-number") == []
    below = "dogs dog NOUN NNS Number=Plur 2 obj\nsee see VERB VB _ 3 csubj\nhelps help VERB VBZ _ 0 root"
    assert labels("obj-number", parsed(below)) == []
    pronoun = "they they PRON PRP Number=Plur 2 nsubj\ngo go VERB VBP _ 0 root"
    assert labels("subj-number", parsed(pronoun)) == []


def test_depth_counts_arcs_from_the_root() -> None:
    assert labels("tree-depth") == [2]
    assert labels("tree-depth", parsed("Go go VERB VB _ 0 root")) == [0]


def test_depth_counts_phrases_around_the_deepest_word() -> None:
    spans = {"constituents": (Span(0, 3, "S"), Span(0, 1, "NP"), Span(1, 3, "VP"), Span(2, 3, "NP"))}
    whole = Example("s", ("she", "sees", "him"), spans=spans)
    assert labels("tree-depth:constituents", whole) == [3]
    pieces = Example("s", ("she", "sees", "him"), spans={"constituents": (Span(0, 2, "S"),)})
    assert labels("tree-depth:constituents", pieces) == []


def test_a_sentence_is_seen_if_all_its_runs_stand_in_the_texts(tmp_path: Path) -> None:
    text = "It was a dark\nand stormy night; the rain fell in torrents, as ever."
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "b.txt").write_text("Call me Ishmael.\n")
    name = f"seen-in-training:{tmp_path}/*.txt*"

    def label(sentence: str) -> list[str | int | float]:
        return labels(name, Example("s", tuple(sentence.split())))

    assert label("a dark and STORMY night the rain fell !") == ["seen"]
    assert label("night : the rain fell in torrents as ever") == ["seen"]
    assert label("a dark and stormy night the snow fell") == ["unseen"]
    # Its first eight words stand there, its last eight do not.
    assert label("a dark and stormy night the rain fell on Ishmael") == ["unseen"]
    assert label("dark a and stormy night the rain fell") == ["unseen"]
    # The first file ends where the second begins: no run lies across.
    assert label("fell in torrents as ever call me Ishmael") == ["unseen"]
    assert label("call me Ishmael") == []
    assert label("and stormy night the rain fell in snow") == ["unseen"]


def test_texts_that_change_are_read_anew_and_missing_ones_refused(tmp_path: Path) -> None:
    text, sentence = tmp_path / "a.txt", "one two three four five six seven eight"
    text.write_text("nothing\n")
    example = Example("s", tuple(sentence.split()))
    assert labels(f"seen-in-training:{text}", example) == ["unseen"]
    text.write_text(sentence)
    os.utime(text, ns=(1, 1))
    assert labels(f"seen-in-training:{text}", example) == ["seen"]
    with pytest.raises(InputError, match="there is no such file"):
        get_task(f"seen-in-training:{tmp_path}/none*")


@pytest.mark.parametrize(
    ("name", "rows"), [("tree-depth", "a a X X _ 2 dep\nb b X X _ 1 dep"), ("arc", "a a X X _ 3 dep")]
)
def test_a_broken_tree_is_an_error_that_names_the_sentence(name: str, rows: str) -> None:
    with pytest.raises(InputError, match="'s1'"):
        labels(name, parsed(rows))


def test_the_common_substring_is_common_and_as_long_the_other_way() -> None:
    common = sys.modules[get_task("lemma-rule").targets.__module__].common
    for form, lemma in (("cities", "city"), ("gesagt", "sagen"), ("are", "be"), ("worse", "bad"), ("x", "x")):
        at, to, length = common(form, lemma)
        assert form[at : at + length] == lemma[to : to + length]
        assert common(lemma, form)[2] == length


def test_word_content_is_asked_of_all_its_thousand_words(data: Path) -> None:
    task = get_task("label:word_content")
    table = collect(task, open_corpus(f"{data}/senteval_xprobe/en/word_content.*"), where="here")
    kept, left_out = keep_top(task, table)
    assert (len(set(table.labels)), len(kept), left_out) == (1000, 20_000, Counter())


def test_labels_beyond_the_thousand_most_frequent_are_left_out() -> None:
    notes = [{"label": f"{number // 3:04}"} for number in range(3300)]
    examples = [Example(f"s{i}", ("a",), annotations=note, split="train") for i, note in enumerate(notes)]
    task = get_task("label")
    kept, left_out = keep_top(task, collect(task, examples, where="here"))
    assert sorted(set(kept.labels)) == [f"{number:04}" for number in range(1000)]
    assert left_out == {f"{number:04}": 3 for number in range(1000, 1100)}
