"""The readers of annotated formats: what a small file of each gives, its faults by place, fuzzed bytes, real counts."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probekit.corpus import Example, Span, open_corpus
from probekit.corpus.readers._rows import spans_of_tags
from probekit.corpus.readers._tokenise import tokenise, tokenise_at_marks
from probekit.errors import InputError, UsageError

ROW = "1\tdog\tdog\tNOUN\tNN\t_\t0\troot\t_\t_"


class Sample(NamedTuple):
    """A file of a format, and the examples that it holds."""

    reader: str
    file: str
    text: str
    examples: list[Example]


NER = Sample(
    "columns",
    "a.conll",
    "EU\tB-ORG\n#tag\tO\n\t\nNew\tB-LOC\nYork\tI-LOC\n",
    [
        Example("", ("EU", "#tag"), None, {"ner": ("B-ORG", "O")}, {"entities": (Span(0, 1, "ORG"),)}),
        Example("", ("New", "York"), None, {"ner": ("B-LOC", "I-LOC")}, {"entities": (Span(0, 2, "LOC"),)}),
    ],
)
CHUNKS = Sample(
    "columns",
    "b.conll",
    "The DT B-NP\n# # I-NP\nran VBD B-VP\n",
    [
        Example(
            "",
            ("The", "#", "ran"),
            None,
            {"xpos": ("DT", "#", "VBD"), "chunk": ("B-NP", "I-NP", "B-VP")},
            {"chunks": (Span(0, 2, "NP"), Span(2, 3, "VP"))},
        )
    ],
)
NAMED = Sample(
    "columns",
    "c.conll",
    "# global.columns = FORM UPOS\n# newdoc id = d\n# sent_id = s\n# text = a b\na\tX\nb\t_\n",
    [Example("s", ("a", "b"), "a b", {"upos": ("X", None)}, group="d")],
)
CONLL_2003 = Sample(
    "columns",
    "d.conll",
    "-DOCSTART- -X- -X- O\n\nEU NNP B-NP I-ORG\n\n-DOCSTART- -X- -X- O\n\nIt PRP B-NP O\n",
    [
        Example(
            "",
            ("EU",),
            None,
            {"xpos": ("NNP",), "chunk": ("B-NP",), "ner": ("I-ORG",)},
            {"entities": (Span(0, 1, "ORG"),), "chunks": (Span(0, 1, "NP"),)},
            "d:document:0",
        ),
        Example(
            "",
            ("It",),
            None,
            {"xpos": ("PRP",), "chunk": ("B-NP",), "ner": ("O",)},
            {"entities": (), "chunks": (Span(0, 1, "NP"),)},
            "d:document:1",
        ),
    ],
)
IOB2 = Sample(
    "iob2",
    "a.iob2",
    "# newdoc id = d\n# sent_id = s\n# text = Ann B\n1\tAnn\tB-PER\t-\tx\n2\tB\tI-PER\t-\tx\n\n"
    "# sent_id = t\n1\ta\tO\t-\t-\n",
    [
        Example("s", ("Ann", "B"), "Ann B", {"ner": ("B-PER", "I-PER")}, {"entities": (Span(0, 2, "PER"),)}, "d"),
        Example("t", ("a",), None, {"ner": ("O",)}, {"entities": ()}, "d"),
    ],
)
PROPBANK = Sample(
    "propbank",
    "p.conll",
    "# sent_id = s\n1\tThey\tPRP\t-\t-\t(ARG0*)\t*\n2\tgave\tVBD\tgive\tgive.16\t(V*\t*\n3\tup\tRP\t-\t-\t*)\t*\n"
    "4\ttrying\tVBG\ttry\ttry.01\t(ARG1*)\t(V*)\n\n# sent_id = t\n1\tNo\tUH\t-\t-\n",
    [
        Example(
            "s",
            ("They", "gave", "up", "trying"),
            None,
            {
                "xpos": ("PRP", "VBD", "RP", "VBG"),
                "roleset": (None, "give.16", None, "try.01"),
                "roles": ((), (Span(0, 1, "ARG0"), Span(3, 4, "ARG1")), (), ()),
            },
        ),
        Example("t", ("No",), None, {"xpos": ("UH",), "roleset": (None,), "roles": ((),)}),
    ],
)
PMB = Sample(
    "pmb",
    "m.conll",
    "### made by\n# newdoc id = p1/d2\n# tok:gold\tsym:gold\tsem:gold\tcat:gold\tsns:gold\n# raw sent = New York is\n"
    "New~York\tnew~york\tGPE\tn\tcity.n.01\nis\tbe\tNOW\ts\\np\tO\n\n~\t~\tNIL\t.\tO\n",
    [
        Example(
            "p1/d2",
            ("New York", "is"),
            "New York is",
            {
                "lemma": ("new~york", "be"),
                "semtag": ("GPE", "NOW"),
                "ccg": ("n", "s\\np"),
                "sense": ("city.n.01", None),
            },
            group="p1/d2",
        ),
        Example(
            "p1/d2#2",
            ("~",),
            None,
            {"lemma": ("~",), "semtag": ("NIL",), "ccg": (".",), "sense": (None,)},
            group="p1/d2",
        ),
    ],
)
CONLL_2012 = Sample(
    "conll2012",
    "z.conll",
    "#begin document (b); part 0\n"
    "b\t0\t0\tHe\t_\t(1)\t\nb\t0\t1\tsaw\t_\t_\t\nb\t0\t2\this\t_\t(2|(1)\t\nb\t0\t3\tdog\t_\t2)\t\n\n"
    "b\t0\t0\tOh\t_\t(3\t\n\n#end document\n",
    [
        Example(
            "b.0:0",
            ("He", "saw", "his", "dog"),
            spans={"mentions": (Span(0, 1, "1"), Span(2, 4, "2"), Span(2, 3, "1"))},
            group="b.0",
        ),
        Example("b.0:1", ("Oh",), spans={"mentions": ()}, group="b.0"),
    ],
)
BRACKETS = Sample(
    "brackets",
    "t.ptb",
    "# newdoc id = d\n(ROOT\n"
    "  (S (NP-SBJ (DT The) (NN dog))\n   (VP (VBZ barks) (NP (-NONE- *T*)) (X (-LRB- -LRB-) (SYM a\\/b-RRB-)))))\n\n"
    "(S (NP (NP (PRP It)))) ( (UH No) )\n",
    [
        Example(
            "d-1",
            ("The", "dog", "barks", "(", "a/b)"),
            None,
            {"xpos": ("DT", "NN", "VBZ", "-LRB-", "SYM")},
            {"constituents": (Span(0, 5, "S"), Span(0, 2, "NP-SBJ"), Span(2, 5, "VP"), Span(3, 5, "X"))},
            "d",
        ),
        Example(
            "d-2",
            ("It",),
            None,
            {"xpos": ("PRP",)},
            {"constituents": (Span(0, 1, "S"), Span(0, 1, "NP"), Span(0, 1, "NP"))},
            "d",
        ),
        Example("d-3", ("No",), None, {"xpos": ("UH",)}, {"constituents": ()}, "d"),
    ],
)
LEX = Sample(
    "conllulex",
    "l.conllulex",
    f"# newdoc id = d\n# sent_id = s\n{ROW}\t1:1\tN\tdog run\tn.ANIMAL\t_\t_\t_\t_\tB-N-n.ANIMAL\n",
    [
        Example(
            "s",
            ("dog",),
            None,
            {
                "lemma": ("dog",),
                "upos": ("NOUN",),
                "xpos": ("NN",),
                "feats": ({},),
                "head": (0,),
                "deprel": ("root",),
                "misc": (None,),
                "lexcat": ("N",),
                "supersense": ("n.ANIMAL",),
                "function": (None,),
                "lextag": ("B-N-n.ANIMAL",),
            },
            group="d",
        )
    ],
)
SEMEVAL = Sample(
    "semeval",
    "TRAIN_FILE.TXT",
    '7\t"An <e1>old dog</e1> isn\'t in <e2>Paris</e2>."\r\nContent-Container(e1,e2)\r\nComment: no\r\n\r\n',
    [
        Example(
            "7",
            ("An", "old", "dog", "isn't", "in", "Paris", "."),
            "An old dog isn't in Paris.",
            {"relation": "Content-Container(e1,e2)"},
            {"e1": (Span(1, 3, "e1"),), "e2": (Span(5, 6, "e2"),)},
        )
    ],
)
SENTEVAL = Sample(
    "senteval",
    "tense.te.txt",
    "He ran .\tPast\nIt is .\tPres\n",
    [
        Example("", ("He", "ran", "."), None, {"tense": "Past"}),
        Example("", ("It", "is", "."), None, {"tense": "Pres"}),
    ],
)
DISCOEVAL = Sample(
    "discoeval",
    "SP.x.txt",
    "3\ta b\tc\td\te\tf g\n",
    [
        Example(
            "",
            ("a", "b", "c", "d", "e", "f", "g"),
            None,
            {"place": "3"},
            {
                "sentences": tuple(
                    Span(a, b, c) for a, b, c in [(0, 2, "1"), (2, 3, "2"), (3, 4, "3"), (4, 5, "4"), (5, 7, "5")]
                )
            },
        )
    ],
)
DPR = Sample(
    "dpr",
    "train.c.txt",
    "Ann's dog saw Bea before she left.\nshe\nAnn,Bea\nBea\n\n"
    " Ann's dog saw Bea after [MASK]  left. \n[MASK]\nann , The Bea \n Ann \n",
    [
        Example(
            "",
            ("Ann", "'s", "dog", "saw", "Bea", "before", "she", "left", "."),
            "Ann's dog saw Bea before she left.",
            {},
            {"pronoun": (Span(6, 7, "pronoun"),), "candidates": (Span(0, 1, "other"), Span(4, 5, "same"))},
            "train.c:pair:0",
        ),
        Example(
            "",
            ("Ann", "'s", "dog", "saw", "Bea", "after", "[MASK]", "left", "."),
            "Ann's dog saw Bea after [MASK]  left.",
            {},
            {"pronoun": (Span(6, 7, "pronoun"),), "candidates": (Span(0, 1, "same"), Span(4, 5, "other"))},
            "train.c:pair:0",
        ),
    ],
)
GAP = Sample(
    "gap",
    "gap-development.tsv",
    "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL\n"
    "d-1\tAnn's dog saw Bea before she left.\tshe\t25\tAnn\t0\tFALSE\tBea\t14\tTRUE\tw/Bea\n",
    [
        Example(
            "d-1",
            ("Ann", "'s", "dog", "saw", "Bea", "before", "she", "left", "."),
            "Ann's dog saw Bea before she left.",
            {},
            {"pronoun": (Span(6, 7, "pronoun"),), "candidates": (Span(0, 1, "other"), Span(4, 5, "same"))},
            "w/Bea",
        )
    ],
)
ENTITIES = Sample(
    "conllu",
    "e.conllu",
    "# global.Entity = GRP-etype-x\n# sent_id = s\n1\ta\t_\tX\t_\t_\t0\troot\t_\tEntity=(1-person-n(2-place-n)\n"
    "2\tb\t_\tX\t_\t_\t1\tdep\t_\tA=b|Entity=(1-person-n)1)\n",
    [
        Example(
            "s",
            ("a", "b"),
            None,
            {},
            {
                "mentions": (Span(0, 2, "1"), Span(0, 1, "2"), Span(1, 2, "1")),
                "entities": (Span(0, 2, "person"), Span(0, 1, "place"), Span(1, 2, "person")),
            },
        )
    ],
)
NESTED = Sample(
    "litbank",
    "n.tsv",
    "The\tO\tB-PER\tO\tO\tO\t\nking\tO\tI-PER\tO\tO\tO\t\nof\tO\tI-PER\tO\tO\tO\t\n"
    "France\tB-GPE\tI-PER\tO\tO\tO\tO\t\n\nHe\tB-PER\tO\tO\tO\tO\t\n",
    [
        Example(
            "n.0:0",
            ("The", "king", "of", "France"),
            None,
            {},
            {"entities": (Span(0, 4, "PER"), Span(3, 4, "GPE"))},
            "n.0",
        ),
        Example("n.0:1", ("He",), None, {}, {"entities": (Span(0, 1, "PER"),)}, "n.0"),
    ],
)
SAMPLES = [
    NER, CHUNKS, NAMED, CONLL_2003, IOB2, PROPBANK, PMB, CONLL_2012,
    BRACKETS, LEX, SEMEVAL, SENTEVAL, DISCOEVAL, DPR, GAP, ENTITIES, NESTED,
]  # fmt: skip


@pytest.fixture(params=SAMPLES, ids=lambda sample: f"{sample.reader}-{sample.file}")
def sample(request: pytest.FixtureRequest) -> Sample:
    return request.param


def written(sample: Sample, folder: Path, text: str | None = None) -> Path:
    path = folder / sample.file
    path.write_bytes((sample.text if text is None else text).encode())
    return path


def test_it_reads_what_is_written(sample: Sample, tmp_path: Path) -> None:
    found = list(open_corpus(f"{sample.reader}:{written(sample, tmp_path)}"))
    for example, expected in zip(found, sample.examples, strict=True):
        assert example.words == expected.words
        assert example.id == (expected.id or example.id)
        assert example.text == expected.text
        assert example.group == expected.group or sample is SENTEVAL
        assert {**example.annotations, **expected.annotations} == example.annotations
        assert expected.annotations == dict(example.annotations) or sample is ENTITIES
        assert dict(example.spans) == dict(expected.spans)


def test_the_suffix_or_the_first_lines_tell_the_reader(sample: Sample, tmp_path: Path) -> None:
    path = written(sample, tmp_path)
    if sample is GAP:
        with pytest.raises(UsageError, match=r"no reader takes .* with one of .*gap"):
            open_corpus(path)
        return
    if sample is SENTEVAL:
        # Sentences of three words and more are needed to tell it from a list of words; this one has them.
        assert all(len(example.words) == 3 for example in sample.examples)
    corpus = open_corpus(path)
    assert corpus.source is not None
    assert corpus.source.kind == sample.reader


def test_zipped_is_the_same(sample: Sample, tmp_path: Path) -> None:
    path = written(sample, tmp_path)
    zipped = path.with_name(path.name + ".gz")
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert list(open_corpus(f"{sample.reader}:{zipped}")) == list(open_corpus(f"{sample.reader}:{path}"))


def test_a_final_newline_and_carriage_returns_change_nothing(sample: Sample, tmp_path: Path) -> None:
    expected = list(open_corpus(f"{sample.reader}:{written(sample, tmp_path)}"))
    for text in (sample.text.rstrip("\n\r"), sample.text.replace("\r\n", "\n").replace("\n", "\r\n")):
        assert list(open_corpus(f"{sample.reader}:{written(sample, tmp_path, text)}")) == expected


FUZZ = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PIECES = ["\t", "\n", "\r\n", " ", "#", "_", "1", "-", "(", ")", "*", "O", "B-", "|", "<e1>", "\u2028", '"', "é", "# "]


@FUZZ
@given(edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 4), st.sampled_from(PIECES)), max_size=4))
def test_a_mangled_file_is_read_or_refused_by_place(
    sample: Sample, tmp_path: Path, edits: list[tuple[int, int, str]]
) -> None:
    text = sample.text
    for at, length, piece in edits:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + length :]
    path = written(sample, tmp_path, text)
    try:
        for example in open_corpus(f"{sample.reader}:{path}"):
            n = len(example.words)
            assert n
            assert all(example.words)
            assert all(len(value) == n for value in example.annotations.values() if isinstance(value, tuple))
            assert all(0 <= span.start < span.stop <= n for spans in example.spans.values() for span in spans)
            json.dumps([example.id, example.words, example.text, example.group])
    except InputError as error:
        refused = error
    else:
        return
    assert re.search(rf"{re.escape(str(path))}:\d+", str(refused))


@pytest.mark.parametrize(
    ("sample", "old", "new", "place", "message"),
    [
        (NER, "B-LOC", "LOC", "4:5", "not BIO"),
        (NER, "#tag\tO", "#tag", "2:5", "1 column instead of 2"),
        (NER, "EU\t", "\t", "1:1", "the column word is empty"),
        (CHUNKS, "ran VBD B-VP", "ran VBD", "3:8", "2 columns instead of 3"),
        (NAMED, "FORM", "WORD", "5:1", "FORM"),
        (NAMED, "b\t_", "b\t_\tc", "6:5", "3 columns instead of 2"),
        (CONLL_2003, "EU NNP B-NP I-ORG", "a b c d e", "3:1", "5 columns without names"),
        (IOB2, "2\tB", "3\tB", "5:1", "the ID is '3', expected 2"),
        (IOB2, "I-PER", "PER", "5:5", "not BIO"),
        (PROPBANK, "(ARG0*)", "(ARG0*", "3:25", "does not go on"),
        (PROPBANK, "give.16", "-", "2:25", "which need 6"),
        (PROPBANK, "(V*)\n\n", "(V*\n\n", "5:33", "is not closed"),
        (PMB, "# tok", "# tik", "5:1", "no comment names the columns"),
        (PMB, "\ts\\np\tO", "\ts\\np", "6:15", "4 columns instead of 5"),
        (CONLL_2012, "(2|", "(2;", "4:13", "is no bracket"),
        (CONLL_2012, "#begin", "begin", "1:1", "outside a document"),
        (BRACKETS, "( (UH No) )", "( (UH No)", "6:24", "not closed"),
        (BRACKETS, "(NN dog)", "(NN)", "3:26", "a bracket with 'NN' in it"),
        (BRACKETS, "(S (NP (NP", "(S x (NP (NP", "6:24", "stands beside phrases"),
        (BRACKETS, ")\n\n(S", "))\n\n(S", "4:74", "without an opening one"),
        (LEX, "\tB-N-n.ANIMAL", "", "3:62", "18 columns instead of 19"),
        (LEX, "\t0\troot", "\t7\troot", "3:21", "the HEAD 7"),
        (SEMEVAL, "<e2>", "", "1:38", "the mark </e2> is out of place"),
        (SEMEVAL, "old dog", "", "1:1", "the nominal e1 has no word"),
        (SEMEVAL, "(e1,e2)", "(e1)", "2:1", "is not a relation"),
        (SENTEVAL, "It is .\tPres", "It is .", "2:8", "1 column instead of 2"),
        (DISCOEVAL, "3\t", "5\t", "1:1", "the label '5' is not one of 0, 1, 2, 3, 4"),
        (DISCOEVAL, "\tf g", "", "1:12", "5 columns instead of 6"),
        (DPR, "\nshe\n", "\n", "3:1", "a block of 3 lines instead of 4"),
        (DPR, "Bea\n\n", "Bea\n", "5:1", "a block of 8 lines instead of 4"),
        (DPR, "\nshe\n", "\nhe\n", "2:1", "the pronoun 'he' does not occur"),
        (DPR, "Ann,Bea", "Bea", "3:1", "does not list candidates"),
        (DPR, "Ann,Bea", "Bea,", "3:1", "does not list candidates"),
        (DPR, "Ann,Bea", "Bea,bea", "3:1", "lists a candidate twice"),
        (DPR, "Bea\n\n", "dog\n\n", "4:1", "the answer 'dog' is none of the candidates 'Ann,Bea'"),
        (GAP, "\tURL", "", "1:1", "is not the header"),
        (GAP, "\tw/Bea", "", "2:70", "10 columns instead of 11"),
        (GAP, "\t25", "\t24", "2:44", "'she' is not at character 24 of Text, where ' sh' stands"),
        (GAP, "\t14", "\t99", "2:63", "'Bea' is not at character 99 of Text, where '' stands"),
        (GAP, "\t14", "\t-1", "2:63", "B-offset is '-1', which is no number"),
        (GAP, "Bea\t14", " Bea\t13", "2:59", "B is ' Bea', with spaces around"),
        (GAP, "FALSE", "false", "2:53", "A-coref is 'false'"),
        (NESTED, "king\tO\tI-PER", "king\tO\tPER", "2:8", "the tag 'PER' is not BIO"),
        (NESTED, "He\tB-PER\tO\tO\tO\tO\t", "He", "6:1", "a word without a tag"),
        (ENTITIES, "2-place-n)", "2)", "3:22", "fewer fields"),
        (ENTITIES, "1-person-n)1)", "1-person-n)1", "4:21", "not made of brackets"),
    ],
)
def test_a_fault_is_named_by_line_and_column(
    sample: Sample, old: str, new: str, place: str, message: str, tmp_path: Path
) -> None:
    assert old in sample.text
    path = written(sample, tmp_path, sample.text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        list(open_corpus(f"{sample.reader}:{path}"))
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert message in str(caught.value)


def test_tags_become_spans_in_both_styles() -> None:
    assert spans_of_tags(["I-a", "I-a", "B-a", "I-b", "O"]) == (Span(0, 2, "a"), Span(2, 3, "a"), Span(3, 4, "b"))
    assert spans_of_tags(["O", None]) == ()


def test_running_text_is_cut_at_signs_and_nothing_is_lost() -> None:
    assert tokenise("U.S. well-known 'x' 3.5%") == ["U.S", ".", "well-known", "'", "x", "'", "3.5", "%"]
    text = "naïve (1,000) e-mail_address — “ok”"
    assert "".join(tokenise(text)) == re.sub(r"\s", "", text)


def test_running_text_is_cut_at_marks_too() -> None:
    text = "Ann's x-ray (of [MASK])"
    marks = [Span(16, 22, "b"), Span(0, 3, "a"), Span(6, 7, "c"), Span(0, len(text), "d")]
    words, spans = tokenise_at_marks(text, marks, solid="[MASK]")
    assert words == ("Ann", "'s", "x", "-", "ray", "(", "of", "[MASK]", ")")
    assert spans == [Span(7, 8, "b"), Span(0, 1, "a"), Span(2, 3, "c"), Span(0, 9, "d")]
    assert tokenise_at_marks("a 'b'", [Span(0, 2, "x")])[0] == ("a", "'", "b", "'")
    assert tokenise_at_marks("", []) == ((), [])


def test_a_two_column_file_without_bio_tags_has_the_column_tag(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("The\tDET\ndog\tNOUN\n")
    (example,) = open_corpus(tmp_path / "a.conll")
    assert dict(example.annotations) == {"tag": ("DET", "NOUN")}


def test_a_mention_across_sentences_is_counted(tmp_path: Path) -> None:
    corpus = open_corpus(written(CONLL_2012, tmp_path))
    list(corpus)
    assert corpus.notes.counts["halves of mentions across sentences"] == 1


def test_senteval_takes_its_own_form_and_keeps_equal_sentences_together(tmp_path: Path) -> None:
    (tmp_path / "bigram_shift.txt").write_text("tr\tI\ta b\nva\tO\tb a\nte\tI\ta b\n")
    corpus = list(open_corpus(f"senteval:{tmp_path / 'bigram_shift.txt'}"))
    assert [example.split for example in corpus] == ["train", "dev", "test"]
    assert corpus[0].annotations == {"bigram_shift": "I"}
    assert corpus[0].group == corpus[2].group != corpus[1].group


def test_half_of_the_ordered_pairs_are_swapped(tmp_path: Path) -> None:
    (tmp_path / "BSO.x.txt").write_text("".join(f"first {i}\tsecond\n" for i in range(400)))
    corpus = list(open_corpus(f"discoeval:{tmp_path / 'BSO.x.txt'}"))
    labels = Counter(example.annotations["order"] for example in corpus)
    # 400 fair draws: five standard deviations are 50.
    assert abs(labels["kept"] - 200) < 50
    assert all((example.words[0] == "first") == (example.annotations["order"] == "kept") for example in corpus)


def test_a_discoeval_file_of_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a\tb\n")
    with pytest.raises(InputError, match=r"begins with SP, BSO, DC, SSP"):
        list(open_corpus(f"discoeval:{tmp_path / 'x.txt'}"))


def test_a_pattern_opens_the_files_of_one_kind_with_their_splits(tmp_path: Path) -> None:
    for name in ("ai.train.txt", "ai.dev.txt", "ai.test.txt", "art.train.txt"):
        (tmp_path / name).write_text(f"{name}\tO\n")
    corpus = open_corpus(f"columns:{tmp_path}/ai.*", name=None)
    assert [(example.words, example.split) for example in corpus] == [
        (("ai.train.txt",), "train"),
        (("ai.dev.txt",), "dev"),
        (("ai.test.txt",), "test"),
    ]
    assert corpus.name == f"{tmp_path.name}-ai"
    from probekit.corpus import reopen_corpus

    assert list(reopen_corpus(corpus.source)) == list(corpus)
    with pytest.raises(InputError, match="no such file"):
        open_corpus(f"columns:{tmp_path}/none.*")


SENTENCES = [
    ("wnut17", "", {"train": 3394, "dev": 1009, "test": 1287}, 101_857, {"entities": 1975 + 836 + 1079}),
    ("crossner/ai.*", "", {"train": 100, "dev": 350, "test": 431}, 27_692, {"entities": 532 + 1549 + 1809}),
    (
        "crossner/science.*",
        "columns:",
        {"train": 200, "dev": 450, "test": 543},
        42_726,
        {"entities": 1075 + 2538 + 3089},
    ),
    ("ewt_propbank", "", {"train": 12519, "dev": 1967, "test": 2058}, 253_992, {}),
    ("streusle", "", {"train": 2725, "dev": 554, "test": 535}, 55_588, {}),
    ("pmb4_ccg_semtag/en.*", "", {"train": 7745, "dev": 1174, "test": 1053}, 64_597, {}),
    ("gum_const", "", {"train": 10224, "dev": 1575, "test": 1464}, 233_926, {}),
    ("nltk/treebank.zip", "", {"train": 3110, "dev": 551, "test": 253}, 94_084, {}),
    ("nltk/treebank.zip!combined/*.mrg", "brackets:", {"train": 3110, "dev": 551, "test": 253}, 94_084, {}),
    ("nltk/conll2000.zip", "", {"train": 7972, "dev": 964, "test": 2012}, 211_727 + 47_377, {}),
    ("litbank/coref_conll.tar.gz", "", {"train": 6066, "dev": 1658, "test": 838}, 210_532, {"mentions": 29_103}),
    ("litbank", "", {"train": 6066, "dev": 1658, "test": 838}, 210_532, {"mentions": 29_103}),
    ("litbank/entities_tsv.tar.gz", "", {"train": 6066, "dev": 1658, "test": 838}, 210_532, {"entities": 13_912}),
]


@pytest.mark.parametrize(("place", "scheme", "splits", "words", "spans"), SENTENCES)
def test_real_files_have_the_counts_that_are_known_of_them(
    data: Path, place: str, scheme: str, splits: dict[str, int], words: int, spans: dict[str, int]
) -> None:
    found: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    total = 0
    for example in open_corpus(f"{scheme}{data / place}"):
        found[example.split or ""] += 1
        total += len(example.words)
        counted.update({name: len(layer) for name, layer in example.spans.items()})
    assert dict(found) == splits
    assert total == words
    assert {name: counted[name] for name in spans} == spans


def test_real_relations_and_rolesets(data: Path) -> None:
    relations = Counter(example.annotations["relation"] for example in open_corpus(f"semeval:{data}/semeval2010_task8"))
    assert (sum(relations.values()), len(relations), relations["Other"]) == (10_717, 19, 1_864)
    predicates = sum(
        roleset is not None
        for example in open_corpus(data / "ewt_propbank")
        for roleset in example.annotations["roleset"]
    )
    assert predicates == 4961 + 4795 + 40419


def test_real_archives_speak_of_documents_and_of_one_another(data: Path) -> None:
    from probekit.corpus.joining import annotated

    treebank = list(open_corpus(data / "nltk" / "treebank.zip"))
    assert len({example.group for example in treebank}) == 199
    assert all(len({e.split for e in treebank if e.group == group}) == 1 for group in ("wsj_0001", "wsj_0118"))
    chunks = list(open_corpus(data / "nltk" / "conll2000.zip"))
    assert len({tag for example in chunks for tag in example.annotations["chunk"]}) == 23
    both = annotated(open_corpus(data / "litbank"), [data / "litbank" / "entities_tsv.tar.gz"])
    assert all({"mentions", "entities"} == set(example.spans) for example in both)


def test_files_of_sets_for_probing_are_not_taken_for_running_text(data: Path) -> None:
    for place, reader in {
        "crossner": "columns",
        "semeval2010_task8": "semeval",
        "senteval_xprobe/en": "senteval",
        "discoeval": "discoeval",
        "wsc_dpr": "dpr",
        "wikitext2": "text",
        "tinyshakespeare": "text",
        "english_novels/Bennet_Helen_1910.txt.gz": "text",
        "analogies": "text",
    }.items():
        source = open_corpus(data / place).source
        assert source is not None
        assert source.kind == reader, place


def test_two_languages_in_one_folder_are_told_to_be_opened_by_a_pattern(data: Path) -> None:
    with pytest.raises(InputError, match=r"occurs twice .* by a pattern, such as 'folder/en\.\*'"):
        list(open_corpus(data / "pmb4_ccg_semtag"))
    with pytest.raises(InputError, match=r"no file in this folder is a corpus\. .*Name a folder in it: de, en"):
        open_corpus(f"senteval:{data / 'senteval_xprobe'}")


def test_the_words_of_the_meaning_bank_are_those_of_its_sentences(data: Path) -> None:
    differ = [
        example.text
        for example in open_corpus(data / "pmb4_ccg_semtag" / "en.gold.dev.conll.gz")
        if "#" not in example.id and "".join(example.words).replace(" ", "") != (example.text or "").replace(" ", "")
    ]
    # One sentence of 1,169 lost a quotation mark in the release.
    assert differ == ['Mary took the "morning after" pill.']
