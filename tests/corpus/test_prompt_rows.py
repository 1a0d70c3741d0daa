"""Chats, prompts with completions and contrasts: what a row becomes, what stays together, what every fault says."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.cache.examples import read_examples
from probekit.cache.write.staging import stage
from probekit.corpus import Corpus, Example, Span, open_corpus
from probekit.errors import InputError

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who  wrote\nEmma?"},
    {"role": "assistant", "content": "Jane Austen."},
]
PAIR = {"prompt": "Is ice cold?", "chosen": "Yes, it is.", "rejected": "No."}


def read(tmp_path: Path, *rows: Any, name: str = "data.jsonl", options: str = "") -> list[Example]:
    path = tmp_path / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return list(open_corpus(f"{options}{path}" if options else path))


def test_a_chat_is_its_words_and_which_are_whose(tmp_path: Path) -> None:
    (example,) = read(tmp_path, {"id": "a", "messages": CHAT, "label": 1, "split": "train"})
    assert example.words == ("Be", "brief.", "Who", "wrote", "Emma?", "Jane", "Austen.")
    assert example.spans["messages"] == (Span(0, 2, "system"), Span(2, 5, "user"), Span(5, 7, "assistant"))
    assert example.messages == tuple((message["role"], message["content"]) for message in CHAT)
    assert example.annotations == {"label": 1}


def test_a_prompt_and_a_completion_are_a_chat_and_a_text(tmp_path: Path) -> None:
    rows = [{"prompt": "The sky is", "completion": " blue."}, {"prompt": "The sky is", "completion": "blue."}]
    rows += [{"prompt": "Hi", "system": "Be brief.", "completion": "Ho"}, {"prompt": "Hi\n"}]
    spaced, bare, system, alone = read(tmp_path, *rows)
    assert spaced.messages == (("user", "The sky is"), ("assistant", " blue."))
    assert spaced.text == bare.text == "The sky is blue."
    assert system.messages[0] == ("system", "Be brief.")
    assert system.text is None
    assert alone.messages == (("user", "Hi\n"),)
    assert alone.text == "Hi\n"


def test_a_contrast_is_two_examples_of_one_group_and_their_labels(tmp_path: Path) -> None:
    good, bad = read(tmp_path, {"id": 7, **PAIR})
    assert (good.id, bad.id) == ("7:chosen", "7:rejected")
    assert good.messages == (("user", "Is ice cold?"), ("assistant", "Yes, it is."))
    assert [one.annotations["label"] for one in (good, bad)] == ["chosen", "rejected"]
    assert good.group == bad.group
    assert good.split == bad.split
    # A column of its own is not overwritten, and says nothing of the side.
    good, bad = read(tmp_path, {"prompt": "a", "positive": "b", "negative": "c", "label": "topic"})
    assert [(one.annotations["label"], one.annotations["side"]) for one in (good, bad)] == [
        ("topic", "positive"),
        ("topic", "negative"),
    ]


def test_lists_of_messages_stand_for_prompt_and_completions(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Q"}]
    answers = [[{"role": "assistant", "content": text}] for text in "AB"]
    apart = read(tmp_path, {"prompt": asked, "chosen": answers[0], "rejected": answers[1]})
    whole = read(tmp_path, {"prompt": "Q", "chosen": asked + answers[0], "rejected": asked + answers[1]})
    bare = read(tmp_path, {"chosen": asked + answers[0], "rejected": asked + answers[1]})
    expected = [(("user", "Q"), ("assistant", text)) for text in "AB"]
    for found in (apart, whole, bare):
        assert [example.messages for example in found] == expected


def test_all_formats_read_the_same_chats(tmp_path: Path) -> None:
    rows = [{"messages": CHAT, "label": "x"}, {"messages": CHAT[1:], "label": "y"}]
    lines = read(tmp_path, *rows)
    with open(tmp_path / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["messages", "label"])
        writer.writerows([json.dumps(row["messages"]), row["label"]] for row in rows)
    frame = pandas.DataFrame(rows)
    frame.to_parquet(tmp_path / "table.parquet")
    tables = [open_corpus(tmp_path / "table.csv"), open_corpus(tmp_path / "table.parquet"), Corpus.from_frame(frame)]
    for table in tables:
        found = list(table)
        assert [(e.messages, e.words, e.group, e.annotations["label"], e.spans) for e in found] == [
            (e.messages, e.words, e.group, e.annotations["label"], e.spans) for e in lines
        ]


def test_a_hub_dataset_of_chats(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = tmp_path / "chats"
    folder.mkdir()
    for part in ("train", "test"):
        row = {"id": "same", "messages": CHAT, "label": part, "tags": ["a", "b"], "chosen": CHAT, "rejected": CHAT}
        (folder / f"{part}.jsonl").write_text(json.dumps(row) + "\n")
    corpus = open_corpus(f"hf:{folder}")
    found = list(corpus)
    assert any("not read beside messages: chosen, rejected" in remark for remark in corpus.remarks)
    assert sorted(str(example.split) for example in found) == ["test", "train"]
    assert found[0].messages == tuple((message["role"], message["content"]) for message in CHAT)
    assert found[0].annotations["source_id"] == "same"
    assert "tags" not in found[0].annotations


def test_columns_of_other_names(tmp_path: Path) -> None:
    row = {"question": "Q", "best": "A", "worst": "B", "topic": "t"}
    good, _ = read(tmp_path, row, options="jsonl:prompt=question,chosen=best,rejected=worst:")
    assert good.messages == (("user", "Q"), ("assistant", "A"))
    assert good.annotations["topic"] == "t"
    (tmp_path / "t.csv").write_text("question,answer,gold\nWhy?,Because.,1\n")
    (example,) = open_corpus(f"csv:prompt=question,completion=answer,label=gold:{tmp_path / 't.csv'}")
    assert example.text == "Why? Because."
    assert example.annotations == {"label": 1}


def test_of_two_forms_the_named_one_is_read_and_the_other_said(tmp_path: Path) -> None:
    both = {**PAIR, "positive": "a", "negative": "b"}
    (good, _) = read(tmp_path, both, options="jsonl:positive=positive,negative=negative:")
    assert good.messages[-1] == ("assistant", "a")
    (alone,) = read(tmp_path, {**PAIR, "completion": "Ice?"}, options="jsonl:completion=completion:")
    assert alone.messages == (("user", "Is ice cold?"), ("assistant", "Ice?"))
    # A column of another form that says nothing is none, whichever stands first.
    assert len(read(tmp_path, {**both, "chosen": None, "rejected": None, "completion": None})) == 2
    rows = [{"messages": CHAT}, {"messages": CHAT, **PAIR, "system": None}]
    corpus = open_corpus(tmp_path / "data.jsonl")
    assert [example.messages[-1][1] for example in read(tmp_path, *rows)] == ["Jane Austen."] * 2
    assert len(list(corpus)) == 2
    said = f"1 rows have columns that are not read beside messages: prompt, chosen, rejected (first at {tmp_path}/data"
    assert any(remark.startswith(said) and ".jsonl:2)" in remark for remark in corpus.remarks)
    assert (
        read(tmp_path, {"messages": CHAT, **PAIR}, options="jsonl:prompt=prompt:")[0].messages[-1][1] == "Yes, it is."
    )


def test_what_was_a_text_before_still_is(tmp_path: Path) -> None:
    (text,) = read(tmp_path, {"text": "a b", "prompt": "p"}, options="jsonl:text=text:")
    words = read(tmp_path, {"words": ["a"], "prompt": "p"})[0]
    assert text.messages == words.messages == ()
    assert words.annotations == {"prompt": "p"}


def test_a_mark_is_the_words_that_it_touches(tmp_path: Path) -> None:
    row = {"messages": CHAT, "marks": {"who": "Austen", "asked": " wrote\nEmma"}}
    (example,) = read(tmp_path, row)
    assert example.spans["who"] == (Span(6, 7, "who"),)
    assert example.spans["asked"] == (Span(3, 5, "asked"),)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("xyz"), min_size=1, max_size=3))),
    st.booleans(),
)
def test_what_answers_one_prompt_never_parts(prompts: list[tuple[str, list[str]]], pairs: bool) -> None:
    rows = [{"prompt": p, "completion": a} for p, answers in prompts for a in answers]
    rows = [{"prompt": p, "chosen": a[0], "rejected": a[-1]} for p, a in prompts] if pairs else rows
    found: dict[str, set[str]] = defaultdict(set)
    if rows:
        for example in Corpus.from_frame(pandas.DataFrame(rows)):
            found[example.messages[0][1]].add(example.split)
    assert all(len(splits) == 1 for splits in found.values())


def test_the_cache_keeps_what_the_messages_were(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": CHAT}) + "\n")
    with stage(open_corpus(tmp_path / "a.jsonl"), tmp_path / "root") as staged:
        (example,) = read_examples(staged.folder / "corpus", staged.shards[0])
        assert example.messages == tuple((message["role"], message["content"]) for message in CHAT)
        spaced = [{**message, "content": message["content"].replace("  ", " ")} for message in CHAT]
        (tmp_path / "a.jsonl").write_text(json.dumps({"messages": spaced}) + "\n")
        with stage(open_corpus(tmp_path / "a.jsonl"), tmp_path / "root") as again:
            assert again.fingerprint != staged.fingerprint


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"messages": [}', r":2:15: not valid JSON"),
        ({"messages": "[oops"}, "'messages' is not valid JSON"),
        ({"messages": []}, "must be a list of messages"),
        ({"messages": [{"role": "usr", "content": "a"}]}, "message 1 .* role 'usr'.*Did you mean 'user'"),
        ({"messages": [*CHAT, {"role": "user", "content": " \n"}]}, r"message 4 of 'messages' \(user\) is empty"),
        ({"messages": [{"role": "user", "content": 7}]}, "must have a string for its content"),
        ({"messages": [{"role": "user"}]}, "an object with 'role' and 'content'"),
        ({"label": "a"}, "a table of prompts needs the column 'messages' or 'prompt'"),
        ({"messages": CHAT, "marks": {"m": "Austin"}}, "the mark 'm' stands 0 times"),
        ({"messages": CHAT, "marks": {"m": "e"}}, "the mark 'm' stands .* times"),
        ({"messages": CHAT, "marks": {"messages": "Emma"}}, "mark 'messages' has the name of a layer that positions"),
        ({"messages": CHAT, "marks": {"sentences": "Emma"}}, "mark 'sentences' has the name of a layer that positions"),
        ({"messages": CHAT, "spans": {"a": []}, "marks": {"a": "Emma"}}, "mark 'a' has the name of a layer of the row"),
        ({"messages": CHAT, "spans": {"messages": []}}, "the layer 'messages' of `spans` is made of the messages"),
        ({**PAIR, "completion": "Ice?"}, "one contrast, and this one has chosen, rejected, completion"),
        ({**PAIR, "positive": "a", "negative": "b"}, "this one has chosen, rejected, positive, negative"),
        ({**PAIR, "side": "left"}, "the column 'side' has a value .'left'., .* Rename it"),
        ({**PAIR, "words": ["a"]}, "the column 'words' stands beside messages"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, {"messages": CHAT}, row)
    assert f"{tmp_path / 'data.jsonl'}:2" in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"prompt": "a", "chosen": "b"}], "", "none of 'rejected' ones"),
        ([PAIR, {**PAIR, "rejected": None}], "", "no 'rejected' completion"),
        ([{"prompt": "a", "completion": ""}], "", "'completion' is empty"),
        ([{"prompt": "a"}], "jsonl:prompt=ask:", "no column 'ask' for the prompt"),
        ([{"completion": "a"}], "jsonl:completion=completion:", "needs the column 'messages' or 'prompt'"),
    ],
)
def test_a_column_that_is_missing_is_named(tmp_path: Path, rows: list[Any], options: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, *rows, options=options)
