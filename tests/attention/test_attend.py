"""From a model to the report: shares beside attention that transformers returns, the command, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

from probekit import ActivationCache, extract, open_corpus
from probekit.attention.report import AttentionReport
from probekit.attention.run import attend
from probekit.cli.app import app
from probekit.errors import InputError, UsageError

CORPUS = "grammar:n=120"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("root")
    for seed in (3, None):
        extract(
            tiny_model("bert"),
            CORPUS,
            layers=[1, 2],
            sites="weights",
            overflow="truncate",
            random_weights=seed,
            cache=place,
        )
    return place


@pytest.fixture(scope="module")
def report(root: Path) -> AttentionReport:
    return attend(cache=root, untrained="random", least=5)


def pairs_by_hand(split: str, relation: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    for example in open_corpus(CORPUS):
        if example.split != split:
            continue
        found = zip(example.annotations["head"], example.annotations["deprel"], strict=True)
        for word, (head, name) in enumerate(found):
            if head and name.partition(":")[0] == relation:
                yield example.words, word, head - 1


def test_shares_are_those_of_attention_that_transformers_returns(report: AttentionReport) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    model = AutoModel.from_pretrained(tiny_model("bert"), attn_implementation="eager").eval()
    relation = report.relations[0]
    own = next(row for row in report.select(relation) if row.role == "estimator")
    block, head = int(str(own.layer).partition(".")[0]), int(own.method.removeprefix("head "))
    backwards = own.note == "from second to first"
    hits = []
    for words, dependent, governor in pairs_by_hand("test", relation):
        encoded = tokenizer(list(words), is_split_into_words=True, truncation=True, max_length=64, return_tensors="pt")
        with torch.no_grad():
            weights = model(**encoded, output_attentions=True).attentions[block - 1][0, head].numpy()
        of = np.array([-1 if word is None else word for word in encoded.word_ids()])
        source, goal = (governor, dependent) if backwards else (dependent, governor)
        if not {source, goal} <= set(of):
            continue
        taken = [weights[of == source][:, of == other].sum() / (of == source).sum() for other in range(of.max() + 1)]
        taken[source] = -1
        hits.append(int(np.argmax(taken)) == goal)
    assert own.n == len(hits)
    assert own.value == pytest.approx(np.mean(hits))
    offset = next(row for row in report.select(relation) if row.method.startswith("offset"))
    apart = [governor - dependent for words, dependent, governor in pairs_by_hand("test", relation)]
    assert offset.value == pytest.approx(np.mean(np.array(apart) == int(offset.method.removeprefix("offset "))))


def test_a_report_has_its_floors_and_is_read_again(report: AttentionReport, tmp_path: Path) -> None:
    for relation in report.relations:
        roles = [(row.role, row.method.split()[0]) for row in report.select(relation)]
        assert roles == [
            ("estimator", "head"),
            ("floor", "offset"),
            ("floor", "random_weights"),
            ("difference", "head"),
        ]
    assert report.spreads.shape == (2 * 4, 6)
    assert np.isfinite(report.spreads.to_numpy()).all()
    again = AttentionReport.read(report.write(tmp_path / "heads.jsonl"))
    assert again == report
    assert str(again) == str(report)
    assert report.save_plot(tmp_path / "heads.png").stat().st_size > 10_000


def test_the_command_says_what_it_chose_where(root: Path, tmp_path: Path) -> None:
    command = ["attend", "--cache", str(root), "--least", "5", "--out", str(tmp_path / "o.jsonl")]
    done = CliRunner().invoke(app, [*command, "--plot", str(tmp_path / "o.svg")])
    assert done.exit_code == 0, done.output
    assert "heads and offsets chosen on dev, shown on test; 95 % interval over sentences" in done.stdout
    assert (tmp_path / "o.jsonl").exists()
    assert "probekit" in (tmp_path / "o.svg").read_text()


def test_what_cannot_be_looked_at_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a target of 'pos' is no pair"):
        attend(cache=root, task="pos")
    with pytest.raises(InputError, match=r"No relation of 'arc-label:universal' has 500 pairs .* \(--least\)"):
        attend(cache=root, least=500)
    other = extract(tiny_model("bert"), CORPUS, layers=[1], overflow="truncate", cache=tmp_path)
    with pytest.raises(UsageError, match=r"holds no attention weights\. Extract them with: probekit extract"):
        attend(ActivationCache.open(other.cache))
    with pytest.raises(UsageError, match="must be the same model with random weights"):
        attend(cache=root, untrained=other.cache)
