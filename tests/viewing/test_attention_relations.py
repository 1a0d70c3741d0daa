"""Means of heads by relation: planted heads follow planted arcs, means are those of attention from transformers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from transformers import AutoModel, AutoTokenizer
from viewing.planted_attention import write_model

from probekit import ActivationCache, extract, open_corpus
from probekit.cli.app import run
from probekit.errors import InputError, UsageError
from probekit.viewing import RelationMap, view_attention_relations
from probekit.viewing.attention.averages import even_attention, given_between

CORPUS = "grammar:n=120"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    """Six words a sentence of one piece each: a `back` arc to the word before, a `far` arc to the first word."""
    place = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    (place / "arcs").mkdir()
    for split in ("train", "dev", "test"):
        lines = []
        for number in range(12):
            lines.append(f"# sent_id = {split}-{number}")
            words = rng.choice(list("abcdefgh"), 6)
            arcs = [(0, "root"), (1, "back"), (2, "back"), (1, "far"), (4, "back"), (1, "far")]
            for at, (word, (head, relation)) in enumerate(zip(words, arcs, strict=True), start=1):
                lines.append(f"{at}\t{word}\t{word}\tX\t_\t_\t{head}\t{relation}\t_\t_")
            lines.append("")
        (place / "arcs" / f"x-{split}.conllu").write_text("\n".join(lines) + "\n")
    made = extract(write_model(place / "looking"), place / "arcs", layers=[1], sites="weights", cache=place / "caches")
    return ActivationCache.open(made.cache)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    place = tmp_path_factory.mktemp("tiny")
    made = extract(tiny_model("bert"), CORPUS, layers=[1, 2], sites="weights", overflow="truncate", cache=place)
    return ActivationCache.open(made.cache)


def test_the_head_that_looks_back_follows_the_arcs_that_go_back(planted: ActivationCache, tmp_path: Path) -> None:
    report = view_attention_relations(planted)
    assert report.relations == ("back", "far")
    means = report.means
    back = means[(means["relation"] == "back") & (means["direction"] == "dependent to head")]
    assert back["n"].tolist() == [36] * 4
    np.testing.assert_allclose(back["mean"], [1, 0, 1 / 8, 1 / 8], atol=3e-3)
    assert back["chosen"].tolist() == [True, False, False, False]
    assert (back["offset"].iloc[0], back["offset_share"].iloc[0]) == (-1, 1)
    np.testing.assert_allclose(back["even"], 1 / 8)  # six words and two special tokens
    other = means[(means["relation"] == "back") & (means["direction"] == "head to dependent")]
    np.testing.assert_allclose(other["mean"], [0, 1, 1 / 8, 1 / 8], atol=3e-3)
    far = means[means["relation"] == "far"]
    assert far["mean"].max() < 0.15
    assert far["offset_share"].tolist() == [0.5] * 8
    assert other["chosen"].tolist() == [False, True, False, False]
    gains = [row.value for row in report.select("far") if row.role == "difference"]
    assert len(gains) == 2
    assert all(value is not None and value < -0.3 for value in gains)
    assert "0 of 4 relations and directions" in report.table()
    one = view_attention_relations(planted, "back")
    assert report.values("back", 0).tolist() == one.values("back", 0).tolist()
    for drawn in (report, one):
        assert drawn.save_plot(tmp_path / "means.png").stat().st_size > 8000
    again = RelationMap.read(report.write(tmp_path / "means.jsonl"))
    assert again == report
    assert again.table() == report.table()


def arcs_by_hand(relation: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    for example in open_corpus(CORPUS):
        if example.split == "test":
            found = zip(example.annotations["head"], example.annotations["deprel"], strict=True)
            for word, (head, name) in enumerate(found):
                if head and name.partition(":")[0] == relation:
                    yield example.words, word, head - 1


def test_means_are_those_of_attention_that_transformers_returns(tiny: ActivationCache) -> None:
    report = view_attention_relations(tiny, "det,obj", least=5)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    model = AutoModel.from_pretrained(tiny_model("bert"), attn_implementation="eager").eval()
    for relation in report.relations:
        given, even, apart = [], [], []
        for words, dependent, governor in arcs_by_hand(relation):
            encoded = tokenizer(
                list(words), is_split_into_words=True, truncation=True, max_length=64, return_tensors="pt"
            )
            with torch.no_grad():
                found = model(**encoded, output_attentions=True).attentions
            weights = np.concatenate([layer[0].numpy() for layer in found[:2]])
            of = np.array([-1 if word is None else word for word in encoded.word_ids()])
            if not {dependent, governor} <= set(of.tolist()):
                continue
            both = ((dependent, governor), (governor, dependent))
            given.append([weights[:, of == one][:, :, of == two].sum(axis=2).mean(axis=1) for one, two in both])
            even.append([(of == two).sum() / len(of) for _, two in both])
            apart.append(governor - dependent)
        for direction in (0, 1):
            np.testing.assert_allclose(report.values(relation, direction), np.mean(given, axis=0)[direction], rtol=1e-4)
            floors = [report.floor(relation, direction, method) for method in ("even", "offset")]
            assert floors[0].value == pytest.approx(np.mean(even, axis=0)[direction], rel=1e-5)
            assert floors[1].value == pytest.approx(np.mean(np.array(apart) == int(floors[1].method.split()[1])))
            assert floors[0].n == len(given)


def test_spans_give_the_mean_of_their_words_to_the_sum_of_the_others() -> None:
    attention = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
    attention[:, 1] = np.nan  # a word without a token
    attention[:, :, 1] = np.nan
    found = given_between(attention, np.array([[[0, 2], [2, 4]], [[0, 1], [2, 3]]]))
    assert found[0, 0].tolist() == [2 + 3, 18 + 19]
    assert found[0, 1].tolist() == [(8 + 12) / 2, (24 + 28) / 2]
    assert found[1].tolist() == [[2, 18], [8, 24]]


def test_even_attention_does_not_look_ahead_where_no_head_does() -> None:
    causal = np.tril(np.ones((2, 3, 3), np.float32))
    np.testing.assert_allclose(even_attention(causal), [[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]])
    causal[1, 0, 2] = 0.1
    np.testing.assert_allclose(even_attention(causal), np.full((3, 3), 1 / 3))


def test_the_command_and_what_it_refuses(
    planted: ActivationCache, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    out, csv, plot = (tmp_path / name for name in ("a.jsonl", "a.csv", "a.svg"))
    command = ["view", "attention", str(planted.path), "--relation", "back"]
    assert run([*command, "--out", str(out), "--csv", str(csv), "--plot", str(plot)]) == 0
    said = capsys.readouterr()
    assert "1-0 ->" in said.out
    assert all(str(path) in said.err for path in (out, csv, plot))
    assert csv.read_text().count("\n") == 1 + 2 * 4
    assert run(["report", "show", str(out)]) == 0
    assert capsys.readouterr().out.startswith(said.out.split("\n")[0])
    assert run([*command, "--sentence", "1", "--special"]) == 2
    assert "--sentence, --special and --relation do not go together" in capsys.readouterr().err
    assert run(["view", "attention", str(planted.path), "--task", "arc-label"]) == 2
    with pytest.raises(UsageError, match=r"Got 'bak'\. Did you mean 'back'"):
        view_attention_relations(planted, "bak")
    with pytest.raises(InputError, match="'far' has 24 pairs in dev and 24 in test, and 30 are needed"):
        view_attention_relations(planted, ["far"], least=30)
    with pytest.raises(UsageError, match="a target of 'pos' is no pair"):
        view_attention_relations(planted, task="pos")
    few = view_attention_relations(planted, least=30)
    assert few.relations == ("back",)
    assert any("'far' (48)" in note for note in few.notes)
