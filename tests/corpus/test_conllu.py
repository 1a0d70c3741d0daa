"""The CoNLL-U reader: what it reads, what it refuses and where, and that line ends change nothing."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from probekit.corpus import Example, open_corpus
from probekit.corpus.notes import Notes
from probekit.corpus.readers.conllu import read
from probekit.errors import InputError

TREE = """\
# newdoc id = d1
# sent_id = s1
# text = Don't stop
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVBP\tMood=Ind|VerbForm=Fin\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tstop\tstop\tVERB\tVB\tVerbForm=Inf\t0\troot\t_\tSpaceAfter=No
3.1\tit\tit\tPRON\t_\t_\t_\t_\t3:obj\t_

# sent_id = s2
1\t_\t_\tSYM\t_\t_\t0\troot\t_\t_

# newdoc
# sent_id = s3
1\tHi\t_\tINTJ\t_\t_\t0\troot\t_\t_
"""


@pytest.fixture
def parse(tmp_path: Path):
    """Return a function from the content of a file to its examples."""

    def parse(content: str | bytes, name: str = "tree.conllu", notes: Notes | None = None) -> list[Example]:
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return list(read(path, notes or Notes()))

    return parse


def word(identifier: object, head: object = 0, form: str = "x") -> str:
    return f"{identifier}\t{form}\t_\t_\t_\t_\t{head}\t_\t_\t_\n"


def test_words_annotations_ids_and_documents(parse) -> None:
    first, second, third = parse(TREE)
    assert (first.id, first.group, first.text, first.words) == ("s1", "d1", "Don't stop", ("Do", "n't", "stop"))
    assert first.annotations["upos"] == ("AUX", "PART", "VERB")
    assert first.annotations["xpos"] == ("VBP", "RB", "VB")
    assert first.annotations["head"] == (3, 3, 0)
    assert first.annotations["deprel"] == ("aux", "advmod", "root")
    assert [dict(feats) for feats in first.annotations["feats"]] == [
        {"Mood": "Ind", "VerbForm": "Fin"},
        {},
        {"VerbForm": "Inf"},
    ]
    assert first.annotations["misc"] == (None, None, "SpaceAfter=No")
    assert second.group == "d1"
    assert third.group == "tree:document:1"


def test_an_underscore_is_a_word_and_its_lemma_but_a_missing_lemma_is_none(parse) -> None:
    _, second, third = parse(TREE)
    assert (second.words, second.annotations["lemma"]) == (("_",), ("_",))
    assert third.annotations["lemma"] == (None,)


def test_multiword_tokens_and_empty_nodes_are_left_out_and_counted(parse, tmp_path: Path) -> None:
    notes = Notes()
    parse(TREE, notes=notes)
    assert notes.counts == {"multiword tokens": 1, "empty nodes": 1}
    assert notes.places["empty nodes"] == [f"{tmp_path}/tree.conllu:8"]


@pytest.mark.parametrize("ending", ["\n\n", "\n", "", "\n\t\t\n", "\n \n\n"])
def test_fault_13_empty_sentences_are_counted_and_the_end_needs_nothing(parse, ending: str) -> None:
    notes = Notes()
    content = "# nothing\n\n" + word(1).rstrip("\n") + ending
    assert [example.words for example in parse(content, notes=notes)] == [("x",)]
    assert notes.counts["sentences without words"] == 1


@pytest.mark.parametrize("content", ["", "\n\n", "# only = comments\n\n# more\n", "\ufeff"])
def test_fault_13_empty_files_give_no_example(parse, content: str) -> None:
    assert parse(content) == []


def test_fault_13_whitespace_lines_end_a_sentence(parse) -> None:
    notes = Notes()
    assert len(parse(word(1) + "\t\n" + word(1) + "  \n" + word(1), notes=notes)) == 3
    assert notes.counts == {"blank lines that hold whitespace": 2}


@pytest.mark.parametrize(
    "form", ["\u200b", "\ufffd", "e\u0301", "👩\u200d👩\u200d👧", "\ufeff", "\u2028", "\x85", "a b", "\x00"]
)
def test_fault_14_words_that_tokenizers_drop_stay_as_they_are(parse, form: str) -> None:
    content = word(1, form="a") + word(2, 1, form) + word(3, 1, "b")
    assert [example.words for example in parse(content)] == [("a", form, "b")]


@pytest.mark.parametrize("name", ["tree.conllu", "tree.conllu.gz"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: "\ufeff" + text.replace("\n", "\r\n").rstrip("\r\n"),
    ],
    ids=["crlf", "bom", "no final newline", "all three"],
)
def test_fault_15_line_ends_and_bom_change_nothing(parse, change, name: str) -> None:
    assert parse(change(TREE), name) == parse(TREE)


def test_fault_15_u2028_inside_a_form_ends_no_line(parse) -> None:
    for separator in "\u2028\u2029\x85\x0b\x0c\x1c":
        assert [e.words for e in parse(word(1, form=f"a{separator}b"))] == [(f"a{separator}b",)]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (word(1, form="a\rb"), "1:4"),
        (word(1).replace("\n", "\r") * 2, "1:20"),
        (word(1) + "\n" + word(1)[:-1] + "\r", "3:20"),
    ],
)
def test_fault_15_a_lone_carriage_return_is_named(parse, content: str, place: str) -> None:
    with pytest.raises(InputError, match=rf"tree\.conllu:{place}: a carriage return"):
        parse(content)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (word(1).encode() + b"\n1\t\xff\n", "3:3"),
        (b"\xef\xbb\xbf# caf\xe9\n", "1:9"),
        (b"\xed\xa0\x80\n", "1:1"),
        (word(1).encode() + b"\xe2\x80", "2:1"),
        ("1\tx".encode("utf-16"), "1:1"),
        # beyond the first block that is read
        (b"# ok\n" * 300_000 + b"#\xff\n", "300001:2"),
    ],
    ids=["bad byte", "latin-1 after a bom", "surrogate", "cut character", "utf-16", "late"],
)
def test_fault_16_invalid_utf8_names_file_line_byte(parse, content: bytes, place: str) -> None:
    with pytest.raises(InputError, match=rf"tree\.conllu:{place}: byte 0x.. is not valid UTF-8"):
        parse(content)


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (word(1).replace("\t_\n", "\n"), "1:18", "9 columns instead of 10"),
        (word(1).replace("\n", "\t_\n"), "1:21", "11 columns instead of 10"),
        ("word\n", "1:5", "1 column instead of 10"),
        (word(1).replace("\t", " "), "1:2", "separated by spaces"),
        (word(1) + word(1), "2:1", "the ID 1 occurs twice"),
        (word(1) + word(2, 1) + word(1), "3:1", "the ID 1 occurs twice"),
        (word(1) + word(3, 1), "2:1", "the ID 2 is missing: found 3"),
        (word(2), "1:1", "the ID 1 is missing: found 2"),
        (word(0), "1:1", "the ID 1 is missing: found 0"),
        (word("01"), "1:1", "'01' is not an ID"),
        (word("١"), "1:1", "is not an ID"),
        (word(" 1"), "1:1", "' 1' is not an ID"),
        (word("_"), "1:1", "'_' is not an ID"),
        (word(1, 2), "1:13", r"the HEAD 2 is not a word of this sentence \(1 to 1\)"),
        (word(1) + word(2, 99999999999), "2:13", "is not a number"),
        (word(1, "-1"), "1:13", "the HEAD '-1' is not a number"),
        (word(1, "root"), "1:13", "the HEAD 'root' is not a number"),
        (word(1, "_") + word(2, 0), "1:13", "this word has no HEAD"),
        (word(1, 1), "1:13", "the heads form a cycle through word 1"),
        (word(1, 2) + word(2, 1), "1:13", "the heads form a cycle through word 1"),
        (word(1, 0) + word(2, 3) + word(3, 4) + word(4, 3), "3:13", "the heads form a cycle through word 3"),
        (word(1, form=""), "1:3", "the column FORM is empty"),
        (word(1, ""), "1:13", "the column HEAD is empty"),
        (word(1) + word("2-3") + word(2, 1), "2:1", "ends at word 3, but the sentence has 2 words"),
        (word("2-3"), "1:1", "the multiword token 2-3 is out of place"),
        (word("1-2") + word(1) + word("2-3"), "3:1", "the multiword token 2-3 is out of place"),
        (word("1-2"), "1:1", "a sentence without words"),
        (word("1.1"), "1:1", "the empty node 1.1 is out of place. Expected 0.1"),
        (word(1) + word("1.2"), "2:1", "the empty node 1.2 is out of place. Expected 1.1"),
        (word(1) + "# late\n", "2:1", "a comment inside a sentence"),
        ("# sent_id = a\n# sent_id = b\n", "2:1", "a second sent_id"),
        ("# sent_id =\n", "1:11", "the sent_id is empty"),
        (word(1).replace("_\t0", "Case\t0"), "1:11", "the column FEATS holds 'Case'"),
        (word(1).replace("_\t0", "A=1|A=2\t0"), "1:11", "the column FEATS names 'A' twice"),
    ],
)
def test_fault_17_each_fault_is_named_with_its_place(parse, content: str, place: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"tree\.conllu:{place}: .*{message}"):
        parse(content)


def test_fault_17_an_empty_node_may_stand_first_and_count_on(parse) -> None:
    content = word("0.1", "_") + word("0.2", "_") + word(1) + word("1.1", "_") + word("1.2", "_") + word(2, 1)
    assert [len(example.words) for example in parse(content)] == [2]


def test_fault_17_several_roots_are_kept_and_counted(parse) -> None:
    notes = Notes()
    (example,) = parse(word(1) + word(2), notes=notes)
    assert example.annotations["head"] == (0, 0)
    assert notes.counts == {"sentences with several roots": 1}


def test_fault_17_a_sentence_without_any_head_has_none(parse) -> None:
    (example,) = parse(word(1, "_") + word(2, "_"))
    assert example.annotations["head"] == (None, None)


def test_fault_17_a_long_chain_is_no_cycle_and_takes_linear_time(parse) -> None:
    n = 20_000
    (example,) = parse("".join(word(i, i - 1) for i in range(1, n + 1)))
    assert len(example.words) == n
    with pytest.raises(InputError, match="cycle"):
        parse("".join(word(i, i % n + 1) for i in range(1, n + 1)))


def test_fault_17_a_sent_id_that_occurs_twice_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "tree.conllu"
    path.write_text("# sent_id = a\n" + word(1) + "\n# sent_id = a\n" + word(1))
    with pytest.raises(InputError, match=r"tree\.conllu:4: the id 'a' occurs twice"):
        list(open_corpus(path))


def test_damaged_gzip_is_an_input_error_with_its_place(tmp_path: Path) -> None:
    whole = gzip.compress((word(1) + "\n").encode() * 1000)
    for name, data in {
        "cut": whole[:-20],
        "plain": b"1\tx\n",
        "flipped": whole[:30] + b"\xff\xff" + whole[32:],
    }.items():
        path = tmp_path / f"{name}.conllu.gz"
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"{name}\.conllu\.gz:\d+: "):
            list(open_corpus(path))
