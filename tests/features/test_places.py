"""``--at``: which token each position is, in chats under a template and in plain texts; who has none is counted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model

from probekit import extract, probe
from probekit.cache.index import CacheIndex
from probekit.cache.reader import ActivationCache
from probekit.cli.app import run
from probekit.corpus import Example, Span
from probekit.errors import InputError, UsageError
from probekit.features import Pooler
from probekit.features.places import collect_at, group_notes
from probekit.features.pooling import token_ranges
from probekit.tasks import get_task
from probekit.tasks.positions import place_of

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
ROWS = [
    {
        "messages": [
            {"role": "user", "content": "Is it the river?"},
            {"role": "assistant", "content": "It is. The river runs!"},
        ]
    },
    {"messages": [{"role": "user", "content": "Is it a house?"}], "marks": {"thing": "house"}},
    {"messages": [{"role": "assistant", "content": "the doctor walks"}]},
]


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> tuple[ActivationCache, list[Example], list[str]]:
    """Return a cache of chats, their examples, and their tokens' texts by row."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("at")
    shutil.copytree(tiny_model("llama"), folder / "chatty")
    (folder / "chatty" / "chat_template.jinja").write_text(TEMPLATE)
    path = folder / "chats.jsonl"
    path.write_text("".join(json.dumps({**row, "label": "ab"[at % 2]}) + "\n" for at, row in enumerate(ROWS)))
    cache = ActivationCache.open(extract(folder / "chatty", path, chat=True, cache=folder / "root").cache)
    from probekit.corpus import open_corpus

    tokenizer = AutoTokenizer.from_pretrained(folder / "chatty")
    return cache, list(open_corpus(path)), tokenizer.convert_ids_to_tokens(cache.index().token.tolist())


@pytest.mark.parametrize(
    ("at", "before", "read", "left"),
    [
        # What has been read by then, and what is read there, of each example that has the place.
        ("last-prompt", ["[user] Is it the river?\n[assistant]", "[user] Is it a house?\n[assistant]"], None, 1),
        ("last", [None, "[user] Is it a house?\n[assistant]", "[assistant] the doctor walks\n"], None, 0),
        ("assistant", None, ["It is. The river runs!", "the doctor walks"], 1),
        ("sentence:2", None, ["The river runs!"], 2),
        ("mark:thing", None, ["house?"], 2),
    ],
)
def test_a_position_is_the_tokens_that_it_names(chats, at, before, read, left) -> None:
    cache, examples, tokens = chats
    table, lost = collect_at(get_task("label"), place_of(at), examples, where="here")
    assert sum(map(len, lost.reasons.values())) == left
    order = np.argsort(table.example)
    first, stop = (bounds[order, 0] for bounds in token_ranges(cache.index(), table))

    def text(low: int, high: int) -> str:
        return "".join(tokens[low:high]).replace("▁", " ").replace("<0x0A>", "\n").removeprefix("<s>").strip(" ")

    for number, (low, high) in enumerate(zip(first.tolist(), stop.tolist(), strict=True)):
        begin = int(np.flatnonzero(cache.index().example == table.example[order][number])[0])
        if before is not None and before[number] is not None:
            assert high == low + 1
            assert text(begin, high) == before[number]
        if read is not None:
            assert text(low, high) == read[number]
    # What is pooled is that very row.
    view, pooler = cache.layer(2), Pooler(cache.index(), table)
    if place_of(at).position.closing:
        np.testing.assert_array_equal(pooler.matrix(view)[order], view.array()[first])


def _table(stops: list[int], sizes: list[int]):
    examples = [Example(str(at), ("w",) * size, annotations={"label": at}) for at, size in enumerate(sizes)]
    for at, stop in enumerate(stops):
        if stop < sizes[at]:
            spans = {"messages": (Span(0, stop, "user"), Span(stop, sizes[at], "assistant"))}
            examples[at] = Example(str(at), examples[at].words, annotations={"label": at}, spans=spans)
    return collect_at(get_task("label"), place_of("last-prompt"), examples, where="here")[0]


def test_rows_are_found_where_words_have_no_token() -> None:
    """Example 1 lies first; its word 2, with which the answer begins, has no token, and 3 has; 0's was cut off."""
    index = CacheIndex(
        np.array([1, 1, 1, 1, 1, 0, 0, 0, 2], np.int32),
        np.array([-1, 0, 1, -1, 3, 0, 1, -1, 2], np.int32),
        np.zeros(9, np.int32),
    )
    table = _table([2, 2, 2], [4, 4, 3])
    order = np.argsort(table.example)
    first, stop = (bounds[order, 0] for bounds in token_ranges(index, table))
    assert (stop - first).tolist() == [0, 1, 0]  # of 2 nothing stands before the answer
    assert first[1] == 3
    assert len(Pooler(index, table).table) == 1


def test_plain_texts_have_positions_too(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [
        {"words": words.split(), "label": at % 2} for at, words in enumerate(["It is . The river !", "the house"] * 2)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    from probekit.corpus import open_corpus

    cache = ActivationCache.open(extract(tiny_model("bert"), path, cache=tmp_path / "root").cache)
    examples = list(open_corpus(path))
    for at in ("last", "last-prompt"):
        table, _ = collect_at(get_task("label"), place_of(at), examples, where="here")
        first, stop = token_ranges(cache.index(), table)
        assert (stop == first + 1).all()
        assert set(cache.index().token[first[:, 0]].tolist()) == {3}  # [SEP]
    table, lost = collect_at(get_task("label"), place_of("sentence:2"), examples, where="here")
    assert sorted(table.forms) == ["The river !"] * 2
    assert lost.lines() == [
        "Read at 'sentence:2', the words of sentence 2: 2 targets have it, 2 are left out: fewer than 2 sentences "
        "(texts:1, texts:3)."
    ]


def test_what_is_no_position_is_refused(chats) -> None:
    for text, message in (
        ("last-promt", "Did you mean 'last-prompt'"),
        ("sentence", "sentence:K"),
        ("sentence:0", "sentence:K"),
        ("last:1", "'last' alone"),
        ("mark", "mark:NAME"),
    ):
        with pytest.raises(UsageError, match=message):
            place_of(text)
    cache, examples, _ = chats
    with pytest.raises(InputError, match=r"No example of here has the position 'sentence:9': fewer than 9 sentences"):
        collect_at(get_task("label"), place_of("sentence:9"), examples, where="here")
    with pytest.raises(UsageError, match="'last' there is one token"):
        probe("label", cache, at="last", pool="first")
    with pytest.raises(UsageError, match="is about words of its own"):
        probe("word-length", cache, at="last")


def test_a_contrast_is_probed_and_no_pair_parts(tmp_path: Path) -> None:
    folder = tmp_path / "chatty"
    shutil.copytree(tiny_model("llama"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    things = ["river", "house", "garden", "tree", "paper", "music", "doctor", "teacher", "window", "number"]
    rows = [
        {"prompt": f"Is {number} the {thing}?", "chosen": "walking", "rejected": "following"}
        for thing in things
        for number in range(6)
    ]
    path, out = tmp_path / "pairs.jsonl", tmp_path / "report.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = extract(folder, path, chat=True, layers="0,2", cache=tmp_path / "root")
    asked = ["probe", "--task", "label", "--on", str(made.cache), "--fast", "--layers", "2"]
    assert run([*asked, "--at", "assistant", "--out", str(out)]) == 0
    from probekit.report import LayerReport

    report = LayerReport.read(out)
    assert report.best_layer().test == 1.0
    assert report.rows[0].pooling == "mean at assistant"
    notes = " ".join(report.provenance["notes"])
    assert "Read at 'assistant', the words of the assistant's answer: all 120 targets have it." in notes
    assert "120 examples are of 60 groups (prompts), and no group stands in two splits." in notes
    # Before the answer nothing says which one follows: both rows of a pair are the same there.
    blind = probe("label", made.cache, at="last-prompt", fast=True, layers="2")
    assert blind.best_layer().test == 0.5
    assert blind.rows[0].pooling == "last-prompt"


def test_groups_that_part_are_said() -> None:
    examples = [
        Example(str(at), ("a",), annotations={"label": at}, group="g", split=split)
        for at, split in enumerate(("train", "dev"))
    ]
    table, _ = collect_at(get_task("label"), place_of("last"), examples, where="here")
    assert group_notes(table, prompts=False) == ["1 of 1 groups stand in several splits, by the source's own: g."]
