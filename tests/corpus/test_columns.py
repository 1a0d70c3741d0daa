"""Which column of a file is what: found by its rows, said by the user or by a header, and always said."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.corpus import Corpus, open_corpus, reopen_corpus
from probekit.corpus.opening import CorpusSource
from probekit.errors import InputError, UsageError


@pytest.fixture
def opened(tmp_path: Path):
    def opened(text: str, name: str = "x.conll", scheme: str = "") -> Corpus:
        (tmp_path / name).write_text(text)
        return open_corpus(f"{scheme}{tmp_path / name}")

    return opened


def said(corpus: Corpus) -> str:
    list(corpus)
    return " ".join(corpus.remarks)


GERMEVAL = "1\tAnna\tB-PER\tO\n2\tran\tO\tO\n\n1\tBo\tB-PER\tO\n2\tsat\tO\tO\n"
MIT = "O\tshow\nB-ACTOR\ttom\nI-ACTOR\thanks\n\nO\tgo\n"
CONLL_2002 = "Melbourne NP B-LOC\nes VMI O\n\nA SP O\n"
CONLL_2000 = "He PRP B-NP\nran VBD B-VP\n. . O\n"
CONLL_2003 = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nran VBD B-VP O\n"
MULTICONER = "# id 5239\tdomain=en\nanna _ _ B-PER\nran _ _ O\n\n# id 5240\tdomain=en\nbo _ _ B-PER\n"


@pytest.mark.parametrize(
    ("text", "words", "columns"),
    [
        (GERMEVAL, ("Anna", "ran"), "id=1 word=2 ner=3 column4=4,"),
        ("0\tAnna\tB-PER\n1\tran\tO\n\n0\tBo\tB-PER\n", ("Anna", "ran"), "id=1 word=2 ner=3,"),
        (GERMEVAL.replace("\t", " "), ("Anna", "ran"), "id=1 word=2 ner=3"),
        ("1\tAnna\tB-PER\n2\tran\tO\n\n3\tBo\tB-PER\n4\tsat\tO\n", ("Anna", "ran"), "id=1 word=2 ner=3,"),
        ("Anna\tB-PER\t1\nran\tO\t2\n", ("Anna", "ran"), "word=1 ner=2 id=3,"),
        ("1\tAnna\tN\n2\tran\tV\n", ("Anna", "ran"), "id=1 word=2 tag=3,"),
        (MIT, ("show", "tom", "hanks"), "ner=1 word=2,"),
        (CONLL_2000, ("He", "ran", "."), "word=1 xpos=2 chunk=3,"),
        (CONLL_2002, ("Melbourne", "es"), "word=1 xpos=2 ner=3,"),
        (CONLL_2003, ("EU", "ran"), "word=1 xpos=2 chunk=3 ner=4,"),
        (CONLL_2003.replace("B-NP", "O").replace("B-VP", "O"), ("EU", "ran"), "word=1 xpos=2 chunk=3 ner=4,"),
        (MULTICONER, ("anna", "ran"), "word=1 ner=4, found by the rows; left out, for it says nothing: 2, 3"),
        ("word\tner\nAnna\tB-PER\nran\tO\n", ("Anna", "ran"), "word=1 ner=2, named by the first row"),
        ("Token POS Label\nAnna N B-PER\nran V O\n", ("Anna", "ran"), "word=1 xpos=2 ner=3, named by the first row"),
        ("word\tN\nAnna\tN\nran\tV\n", ("word", "Anna", "ran"), "word=1 tag=2, found by the rows"),
        ("Anna\tO\nran\tO\n", ("Anna", "ran"), "word=1 ner=2,"),
        ("I\tO\nran\tV\nit\tO\nto\tP\n.\t,\n", ("I", "ran", "it", "to", "."), "word=1 tag=2,"),
        ("# global.columns = FORM NER\nAnna\tB-PER\n", ("Anna",), "word=1 ner=2 (x.conll)."),
        ("Anna\u00a0B B-PER\nran O\n", ("Anna\u00a0B", "ran"), "word=1 ner=2,"),
    ],
)  # fmt: skip
def test_the_columns_taken_are_the_right_ones_and_are_said(opened, text: str, words: tuple[str, ...], columns: str):
    corpus = opened(text)
    assert next(iter(corpus)).words == words
    assert f"columns: {columns}" in said(corpus)


@pytest.mark.parametrize(
    "text",
    [
        "doc1\tB-PER\n" + "doc1\tO\n" * 20,
        "Anna\ta\tN\nran\trun\tV\n",
        "1\tAnna\tanna\tN\tN\t_\t2\tsubj\n2\tran\trun\tV\tV\t_\t0\troot\n",
        "1\t2\n2\t3\n",
        "Anna\nran\n",
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_the_way_out(opened, text: str) -> None:
    with pytest.raises(InputError, match=r"columns:word=\d"):
        list(opened(text))


def test_the_user_says_which_column_is_what_and_the_record_keeps_it(opened, tmp_path: Path) -> None:
    corpus = opened(GERMEVAL, "x.tab", "columns:word=2,tag=4,ner=3:")
    (first, second) = corpus
    assert (first.words, first.annotations) == (("Anna", "ran"), {"tag": ("O", "O"), "ner": ("B-PER", "O")})
    assert [span.label for span in second.spans["entities"]] == ["PER"]
    assert "columns: word=2 ner=3 tag=4 (x.tab)." in corpus.remarks
    assert corpus.source is not None
    again = reopen_corpus(CorpusSource.from_json(corpus.source.to_json()))
    assert list(again) == [first, second]


def test_heads_of_a_column_are_numbers_of_words(opened) -> None:
    (example,) = opened("Dogs\t2\nbark\t0\n", "x.tab", "columns:word=1,head=2:")
    assert example.annotations["head"] == (2, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [("ner=3", "which one is the word"), ("word=x", "a number from 1"), ("word=0", "a number from 1"),
     ("word=1,ner=1", "Two names"), ("word=9", "4 columns, and column 9")],
)  # fmt: skip
def test_wrong_options_are_refused(opened, options: str, message: str) -> None:
    with pytest.raises((UsageError, InputError), match=message):
        list(opened(GERMEVAL, "x.tab", f"columns:{options}:"))


def test_other_readers_take_no_options(opened) -> None:
    with pytest.raises(UsageError, match="The reader 'conllu' takes no options"):
        opened("", "x.conllu", "conllu:word=2:")


CUPT = """# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC PARSEME:MWE
# sent_id = a
1-2\tcannot\t_\t_\t_\t_\t_\t_\t_\t_\t*
1\tcan\tcan\tAUX\t_\t_\t3\taux\t_\t_\t*
2\tnot\tnot\tPART\t_\tPolarity=Neg\t3\tadvmod\t_\t_\t*
3\tgo\tgo\tVERB\t_\t_\t0\troot\t_\t_\t1:VID
3.1\tgone\tgo\tVERB\t_\t_\t_\t_\t_\t_\t*
4\ton\ton\tADP\t_\t_\t3\tcompound:prt\t_\t_\t1
"""


@pytest.mark.parametrize("name", ["x.cupt", "x.conllup", "x.conllu", "x.conll"])
def test_conllu_plus_is_conllu_with_more_columns(opened, name: str) -> None:
    corpus = opened(CUPT, name)
    (example,) = corpus
    assert (example.id, example.words) == ("a", ("can", "not", "go", "on"))
    assert example.annotations["head"] == (3, 3, 0, 3)
    assert example.annotations["feats"] == ({}, {"Polarity": "Neg"}, {}, {})
    assert example.annotations["parseme:mwe"] == ("*", "*", "1:VID", "1")
    assert corpus.notes.counts == {"multiword tokens": 1, "empty nodes": 1}


HEADED = "# global.columns = ID FORM UPOS HEAD DEPREL\n1\tDogs\tNOUN\t2\tnsubj\n2\tbark\tVERB\t0\troot\n"


@pytest.mark.parametrize("last", ["root", "-"])
def test_a_header_is_stronger_than_a_shape(opened, last: str) -> None:
    corpus = opened(HEADED.replace("nsubj", last).replace("root", last))
    (example,) = corpus
    assert example.words == ("Dogs", "bark")
    assert example.annotations == {"upos": ("NOUN", "VERB"), "head": (2, 0), "deprel": (last, last)}
    assert corpus.source is not None
    assert corpus.source.kind == "conllu"


def test_entities_of_conllu_plus_are_spans(opened) -> None:
    (example,) = opened("# global.columns = ID FORM NER\n1\tAnna\tB-PER\n2\tran\t_\n")
    assert [(span.start, span.label) for span in example.spans["entities"]] == [(0, "PER")]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("2\tnsubj", "x\tnsubj", ":2:13: the HEAD 'x' is not a number"),
        ("2\tbark", "3\tbark", ":3:1: the ID 2 is missing"),
        ("\troot", "", ":3:14: 4 columns instead of 5"),
        ("ID FORM", "ID WORD", ":1:1: global.columns names the columns"),
    ],
)
def test_a_fault_of_conllu_plus_is_named_with_its_place(opened, old: str, new: str, place: str) -> None:
    with pytest.raises(InputError, match=place):
        list(opened(HEADED.replace(old, new), "x.conllup"))


def test_five_columns_that_end_in_a_hyphen_are_not_propbank(opened) -> None:
    with pytest.raises(InputError, match="5 columns without names and the first of them counts the words"):
        list(opened("1\tDogs\tNNS\tdog\t-\n2\tbark\tVBP\tbark\t-\n"))
