"""Probes read what ``--keep`` kept as they read tokens: the same vectors, the same scores, or a refusal by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model
from typer.testing import CliRunner

from probekit import ActivationCache, extract, probe
from probekit.behaviour.cached_scores import score_tokens
from probekit.cache.export import export, frame
from probekit.cli.app import app, run
from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError
from probekit.features import Pooler, collect
from probekit.features.places import collect_at
from probekit.probing.cache_selection import find_caches, find_control
from probekit.tasks import get_task
from probekit.tasks.positions import place_of
from probekit.tuning.data.data import from_cache
from probekit.tuning.data.materials import gather
from probekit.tuning.drift import drift
from probekit.viewing import project
from probekit.viewing.neurons.heat import heat
from probekit.viewing.neurons.run import view_neurons
from probekit.viewing.neurons.settings import NeuronSettings
from probekit.viewing.predictions.run import view_lens
from probekit.viewing.words.tables import of_cache

CORPUS = "grammar:n=40"
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
CHATS = [
    {"messages": [("user", "Is it the river?"), ("assistant", "It is. The river runs!")], "marks": {"it": "river?"}},
    {"messages": [("user", "Is it a house?")], "marks": {"it": "house?"}},
    {"messages": [("assistant", "the doctor walks")]},
]
Caches = dict[str, ActivationCache]


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Caches:
    root = tmp_path_factory.mktemp("kept")
    names = ("tokens", "words", "words:first", "words:last", "sentence", "spans:semantic-role", "sentence:last,last")
    made = {
        keep: extract(tiny_model("roberta"), CORPUS, layers=[1, 2], overflow="window", keep=keep, cache=root)
        for keep in names
    }
    return {keep: ActivationCache.open(one.cache) for keep, one in made.items()}


def matrix(cache: ActivationCache, task: str, pool: str = "mean", at: str | None = None) -> np.ndarray:
    """Return X of a task, its rows by example and span."""
    examples = list(open_corpus(CORPUS))
    asked = get_task(task)
    table = (
        collect(asked, examples, where="it") if at is None else collect_at(asked, place_of(at), examples, where="it")[0]
    )
    return Pooler(cache.index(), table, pool=pool, textless=cache.textless or ()).matrix(cache.layer(2))


@pytest.mark.parametrize(
    ("keep", "task", "pool", "at"),
    [
        ("words", "pos", "mean", None),
        ("words", "deprel", "mean", None),
        ("words", "semantic-role", "mean", None),
        ("words", "sentence-length", "mean", None),
        ("words:first", "pos", "first", None),
        ("words:first", "semantic-role", "first", None),
        ("words:last", "semantic-role", "last", None),
        ("sentence", "sentence-length", "mean", None),
        ("spans:semantic-role", "semantic-role", "mean", None),
        ("sentence:last,last", "sentence-length", "last", None),
        ("sentence:last,last", "sentence-length", "mean", "last"),
        # A text that nobody answers is all prompt: one row for both names.
        ("sentence:last,last", "sentence-length", "mean", "last-prompt"),
    ],
)
def test_vectors_are_those_of_a_cache_of_tokens(
    caches: Caches, keep: str, task: str, pool: str, at: str | None
) -> None:
    expected, found = (matrix(caches[name], task, pool, at) for name in ("tokens", keep))
    assert len(found) > 20
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_a_mean_of_several_words_weighs_each_by_its_tokens(caches: Caches) -> None:
    """The opposite: means of means are something else, by far more than the tolerance above."""
    index = caches["words"].index()
    assert index.count is not None
    index.count[:] = 1
    plain = collect(get_task("semantic-role"), open_corpus(CORPUS), where="it")
    wrong = Pooler(index, plain).matrix(caches["words"].layer(2))
    assert np.abs(wrong - matrix(caches["tokens"], "semantic-role")).max() > 1e-2


@pytest.mark.parametrize(("task", "keep"), [("pos", "words"), ("sentence-length", "sentence")])
def test_scores_are_those_of_a_cache_of_tokens_and_the_report_says_what_was_kept(
    caches: Caches, task: str, keep: str
) -> None:
    tokens, pooled = (probe(task, on=caches[name].path, fast=True) for name in ("tokens", keep))
    values = [[(row.layer, row.method, row.split, row.metric, row.n) for row in one.rows] for one in (tokens, pooled)]
    assert values[0] == values[1]
    for one, other in zip(tokens.rows, pooled.rows, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-6)
    assert pooled.provenance["settings"]["keep"] == keep
    assert tokens.provenance["settings"]["keep"] == "tokens"
    said = [note for note in pooled.provenance["notes"] if "The cache keeps" in note]
    assert said == [f"The cache keeps {caches[keep].keep.said} (--keep {keep})."]


def test_maps_and_neurons_at_a_kept_position_are_those_of_a_cache_of_tokens(caches: Caches) -> None:
    task, places = "sentence-length", caches["sentence:last,last"]
    maps = [project("pca", one.path, task=task, layers=2, at="last", by=task) for one in (caches["tokens"], places)]
    expected, found = (one.points[["x", "y"]].to_numpy() for one in maps)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    whole = project("pca", caches["tokens"].path, task=task, layers=2)
    assert np.abs(whole.points[["x", "y"]].to_numpy() - found).max() > 0.1
    few = NeuronSettings(rankings=("correlation",), draws=1)
    ranked = [
        view_neurons(one.path, task=task, layers=2, at="last", settings=few) for one in (caches["tokens"], places)
    ]
    assert ranked[0].provenance["rankings"] == ranked[1].provenance["rankings"]
    for report in (maps[1], ranked[1]):
        assert report.provenance["settings"]["at"] == "last"
        assert any(note.startswith("Read at 'last', ") for note in report.provenance["notes"])
    asked = ["--task", task, "--layers", "2", "--at", "last"]
    assert run(["view", "pca", str(places.path), *asked]) == 0
    assert run(["view", "neurons", str(places.path), *asked, "--rankings", "correlation", "--sets", "1"]) == 0
    with pytest.raises(UsageError, match=r"the option: --at last\. Or extract with"):
        project("pca", places.path, task="pos", pool="last")


def test_what_was_not_kept_is_refused_with_what_would_have_held_it(caches: Caches, tmp_path: Path) -> None:
    words, first, whole, spans = (caches[name] for name in ("words", "words:first", "sentence", "spans:semantic-role"))
    for act, says in (
        (
            lambda: probe("pos", on=words, pool="first", fast=True),
            r"--pool mean, or extract with --keep words:first, or",
        ),
        (lambda: probe("pos", on=words, pool="endpoints", fast=True), r"extract with --keep tokens\."),
        (lambda: probe("pos", on=first, fast=True), r"Ask --pool first, or extract with --keep words, or tokens"),
        (
            lambda: probe("sentence-length", on=words, at="last", fast=True),
            "Extract with --keep and the name of the pos",
        ),
        (lambda: probe("pos", on=whole, fast=True), r"targets stand at other places .*\(sentence\).* --keep words"),
        # No way of pooling has these targets: what is kept is named first.
        (
            lambda: probe("pos", on=caches["sentence:last,last"], fast=True),
            r"targets stand at other places than the cache keeps \(.*Ask at what is kept, .* --at last\.",
        ),
        (lambda: probe("pos", on=spans, fast=True), r"[0-9]+ of [0-9]+ targets stand at other places"),
        (lambda: probe("pos", on=words, estimator="attention", fast=True), "reads every token around a target"),
        (lambda: probe("sentence-length", on=whole, at="last", fast=True), "stand at other places"),
        (
            lambda: probe("pos", on=words, also=("random-weights",), fast=True),
            "this corpus, with a row a word, .* --random-weights 0 --keep words",
        ),
        (lambda: from_cache(words, open_corpus(CORPUS), get_task("pos")), "Training from cached states reads every"),
        (lambda: score_tokens(words, tiny_model("bert")), "A log-probability of every token reads"),
        (lambda: drift(words, words), "Drift reads every token"),
        (lambda: view_lens(words), "A lens reads every token, .* keeps a row a word, .*--keep tokens"),
        (lambda: heat(whole, 1, 0), "A heat of words reads every word, .* Extract with --keep words, or tokens"),
        (lambda: of_cache(first, None), "A table of words reads the mean of every word"),
        (lambda: words.attention(1), "Of attention weights .* holds none"),
        (lambda: export(whole, tmp_path / "x.npz", words=True), "An export of words"),
    ):
        with pytest.raises(UsageError, match=says):
            act()
    run = CliRunner().invoke(app, ["extract", str(tiny_model("bert")), CORPUS, "--keep", "words", "--score", "auto"])
    assert "no use with --keep" in str(run.exception)
    with pytest.raises(InputError, match=r"what --keep mark:it would keep .no mark 'it': 40 "):
        extract(tiny_model("bert"), CORPUS, keep="mark:it", cache=tmp_path)


def test_what_reads_words_reads_rows_of_words(caches: Caches, tmp_path: Path) -> None:
    tokens, words = caches["tokens"], caches["words"]
    for one, other in zip(of_cache(tokens, None).tables, of_cache(words, None).tables, strict=True):
        np.testing.assert_allclose(one.unit, other.unit, atol=1e-5)
    assert heat(tokens, 2, 3).ids == heat(words, 2, 3).ids
    one, other = (frame(cache, "2", words=True) for cache in (tokens, words))
    assert one.columns.tolist() == other.columns.tolist()
    np.testing.assert_allclose(one.iloc[:, 4:], other.iloc[:, 4:], atol=2e-6)
    assert frame(words, "2").columns[:5].tolist() == ["example", "word", "token", "count", "stop"]
    control = extract(
        tiny_model("roberta"), CORPUS, overflow="window", keep="words", random_weights=0, layers=[1, 2],
        cache=words.path.parent,
    )  # fmt: skip
    assert find_control(words, "random-weights").path == control.cache
    assert find_control(tokens, "random-weights") is None


def test_a_control_that_keeps_the_same_rows_is_taken_first(caches: Caches) -> None:
    root = caches["words"].path.parent
    for keep in ("words", "sentence"):
        extract(
            tiny_model("roberta"), CORPUS, overflow="window", keep=keep, shuffled_weights=0, layers=[1, 2], cache=root
        )
    for keep in ("words", "sentence"):
        _, control = find_caches([caches[keep].path, "shuffled-weights"], None, None, root)
        assert control.cache.keep.name == keep


def test_a_report_of_pooled_rows_is_tuned_by_the_model_itself(caches: Caches, tmp_path: Path) -> None:
    made = extract(tiny_model("bert"), CORPUS, layers=[1], overflow="truncate", keep="words", cache=tmp_path)
    report = probe("pos", on=made.cache, fast=True)
    found = gather(report=report, device="cpu")
    assert found.cache is None
    assert found.data.notes[1] == (
        "The report's cache keeps a row a word, the mean of its tokens (--keep words), so nothing is read from it: the "
        "model computes its frozen layers itself."
    )
    assert found.read_from["overflow"] == "truncate"
    with pytest.raises(UsageError, match="Training from cached states reads every token"):
        gather(report=report, on=made.cache, device="cpu")


def test_positions_of_chats_are_those_of_a_cache_of_tokens(tmp_path: Path) -> None:
    shutil.copytree(tiny_model("llama"), tmp_path / "chatty")
    (tmp_path / "chatty" / "chat_template.jinja").write_text(TEMPLATE)
    path = tmp_path / "chats.jsonl"
    rows = [
        {**row, "messages": [{"role": role, "content": text} for role, text in row["messages"]], "label": "ab"[at % 2]}
        for at, row in enumerate(CHATS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = "last-prompt,last,assistant,sentence:1,mark:it,sentence"
    tokens, places, words = (
        extract(tmp_path / "chatty", path, chat=True, keep=keep, cache=tmp_path) for keep in ("tokens", asked, "words")
    )
    assert any(note == "Kept of 'last': 3 places." for note in places.notes)
    assert any(
        note.startswith("Kept of 'mark:it': 2 places; none in examples with no mark 'it': 1") for note in places.notes
    )
    caches = [ActivationCache.open(one.cache) for one in (tokens, places, words)]
    index, examples = caches[1].index(), list(open_corpus(path))
    # Of the second chat, which nobody answers, 'last' and 'last-prompt' are one row; of the third 'assistant' is all.
    assert np.bincount(index.example).tolist() == [6, 3, 2]
    for at in asked.split(","):
        if at == "sentence":
            table = collect(get_task("label"), examples, where="it")
        else:
            table, _ = collect_at(get_task("label"), place_of(at), examples, where="it")
        expected, found = (
            Pooler(cache.index(), table, textless=cache.textless or ()).matrix(cache.layer(2)) for cache in caches[:2]
        )
        np.testing.assert_allclose(found, expected, atol=2e-6)
        if table.ends is None:  # template tokens between two messages are part of a mean over both, here as there
            found = Pooler(caches[2].index(), table).matrix(caches[2].layer(2))
            np.testing.assert_allclose(found, expected, atol=2e-6)
    # Other annotations are another cache, and a mark that moved since is not mistaken for the old one.
    rows[0]["marks"]["it"] = "Is it"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = extract(tmp_path / "chatty", path, chat=True, keep=asked, cache=tmp_path)
    assert again.cache != places.cache
    table, _ = collect_at(get_task("label"), place_of("mark:it"), open_corpus(path), where="it")
    with pytest.raises(UsageError, match=r"1 of 2 targets stand at other places.*'Is it' in example"):
        Pooler(index, table)


def test_a_place_that_no_token_covers_is_left_out_and_counted(tmp_path: Path) -> None:
    corpus = [["the", "\u200b\u00ad", "house"], ["\u00ad"], ["a", "river"]]
    cache = ActivationCache.open(extract(tiny_model("bert"), corpus, keep="sentence", cache=tmp_path).cache)
    index = cache.index()
    assert cache.manifest["findings"]["missing"] == 2
    assert dict(zip(index.example.tolist(), index.count.tolist(), strict=True))[1] == 0
    assert not cache.layer(1)[np.flatnonzero(index.count == 0)].any()
