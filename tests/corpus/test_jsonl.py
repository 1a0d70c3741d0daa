"""The JSON lines reader: columns become annotations; every fault has its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.corpus import Example, Span, open_corpus
from probekit.errors import InputError


@pytest.fixture
def parse(tmp_path: Path):
    """Return a function from lines to the examples of a corpus of them."""

    def parse(*lines: str | dict) -> list[Example]:
        path = tmp_path / "data.jsonl"
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        path.write_bytes(text.encode())
        return list(open_corpus(path))

    return parse


def test_every_column_finds_its_place(parse) -> None:
    (example,) = parse(
        {
            "id": "a",
            "words": ["Dogs", "bark"],
            "text": "Dogs bark",
            "group": 7,
            "split": "validation",
            "upos": ["NOUN", None],
            "label": 1,
            "meta": {"year": 1999},
            "spans": {"entities": [[0, 1, "ANIMAL"], {"start": 0, "stop": 2, "label": "S"}]},
        },
        {"words": ["x"], "split": "train"},
    )[:1]
    assert (example.id, example.words, example.text, example.group) == ("a", ("Dogs", "bark"), "Dogs bark", "7")
    assert example.split == "dev"
    assert example.annotations == {"upos": ("NOUN", None), "label": 1, "meta": {"year": 1999}}
    assert example.spans == {"entities": (Span(0, 1, "ANIMAL"), Span(0, 2, "S"))}


def test_ids_are_made_of_the_file_and_the_ordinal(parse) -> None:
    assert [example.id for example in parse({"words": ["a"]}, "", {"words": ["b"]})] == ["data:0", "data:1"]


def test_fault_14_words_stay_as_they_are(parse) -> None:
    words = ["\u200b", "\ufffd", "a\u2028b", "a\rb", "e\u0301", " "]
    assert parse({"words": words})[0].words == tuple(words)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"words": ["a"],}', ":1:17: not valid JSON"),
        ("[1]", ":1:1: every line must be one JSON object"),
        ('{"words": ["a"], "words": ["b"]}', ":1:1: not valid JSON: the key 'words' occurs twice"),
        ('{"words": ["a"], "x": NaN}', ":1:1: not valid JSON: NaN is not JSON"),
        ('{"words": ["a"], "x": ' + "[" * 100_000 + "}", ":1:1: not valid JSON"),
        ('{"words": ["a"], "x": ' + "9" * 5000 + "}", ":1:1: not valid JSON"),
        ({"tokens": ["a"]}, r":1: there is no 'words', a list of words \(there is: tokens\)"),
        ({"words": "a b"}, ":1: 'words' must be a list of strings. Got 'a b'"),
        ({"words": ["a", ""]}, ":1: word 2 is empty"),
        ({"words": ["a", 1]}, ":1: word 2 must be a string. Got 1"),
        ({"words": ["a", None]}, ":1: word 2 must be a string. Got None"),
        ({"words": ["a"], "upos": ["X", "Y"]}, ":1: 'upos' has 2 values for 1 words"),
        ({"words": ["a"], "split": "eval"}, ":1: the split 'eval' is not one of"),
        ({"words": ["a"], "split": "tset"}, "Did you mean 'test'"),
        ({"words": ["a"], "id": ""}, ":1: 'id' must be a string that is not empty"),
        ({"words": ["a"], "id": True}, ":1: 'id' must be"),
        ({"words": ["a"], "text": 1}, ":1: 'text' must be a string"),
        ({"words": ["a"], "spans": {"e": [[0, 2, "X"]]}}, ":1: spans 'e': a span must lie in the 1 words"),
        ({"words": ["a"], "spans": {"e": [[0, 0, "X"]]}}, ":1: spans 'e': a span must lie in the 1 words"),
        ({"words": ["a"], "spans": {"e": [[False, 1, "X"]]}}, ":1: spans 'e': a span must lie"),
        ({"words": ["a"], "spans": {"e": [[0, 1]]}}, r":1: spans 'e': a span must be \[start, stop, label\]"),
        ({"words": ["a"], "spans": []}, ":1: 'spans' must be an object"),
    ],
)
def test_faults_are_named_with_their_line(parse, line: str | dict, message: str) -> None:
    with pytest.raises(InputError, match=r"data\.jsonl.*" + message if message[0] != ":" else rf"data\.jsonl{message}"):
        parse(line)


@pytest.mark.parametrize("column", ["words", "text", "id", "group"])
def test_fault_16_a_lone_surrogate_is_named_with_its_line(parse, column: str) -> None:
    value = '["a\\ud800"]' if column == "words" else '"a\\ud800"'
    line = '{"words": ["a"], ' + f'"{column}": {value}' + "}" if column != "words" else '{"words": ' + value + "}"
    with pytest.raises(InputError, match=r"data\.jsonl:2: character 2 of .* is a lone surrogate \(U\+D800\)"):
        parse({"words": ["fine"]}, line)


def test_an_id_that_occurs_twice_is_named(parse) -> None:
    with pytest.raises(InputError, match=r"data\.jsonl:2: the id 'a' occurs twice"):
        parse({"words": ["a"], "id": "a"}, {"words": ["b"], "id": "a"})


def test_a_given_id_may_not_equal_a_made_one_in_either_order(parse) -> None:
    with pytest.raises(InputError, match=r":2: the id 'data:0' occurs twice"):
        parse({"words": ["a"]}, {"words": ["b"], "id": "data:0"})
    with pytest.raises(InputError, match=r":2: the id 'data:1' occurs twice"):
        parse({"words": ["a"], "id": "data:1"}, {"words": ["b"]})
    # Given ids of that form alone are fine, in any order.
    found = parse({"words": ["a"], "id": "data:1"}, {"words": ["b"], "id": "data:0"})
    assert [example.id for example in found] == ["data:1", "data:0"]


def test_a_sentence_without_words_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"words": []}\n\n{"words": ["a"]}\n')
    corpus = open_corpus(path)
    assert [example.words for example in corpus] == [("a",)]
    assert corpus.notes.counts == {"examples without words": 1, "blank lines": 1}
    assert corpus.notes.places["examples without words"] == [f"{path}:1"]
