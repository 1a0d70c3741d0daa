"""Heads of one sentence: planted ones look where they were written to, weights are those that transformers returns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from tiny_models import tiny_model
from transformers import AutoModel, AutoTokenizer
from viewing.planted_attention import write_model

from probekit import ActivationCache, extract
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.report.render.drawing import SIZE
from probekit.viewing import AttentionMap, view_attention
from probekit.viewing.attention.draw import size_for
from probekit.viewing.attention.run import units_of_tokens

SENTENCES = [
    ["The", "doctor", "carrying", "houses", "was", "quietly", "running", "."],
    ["water"],
    ["the", "music", "<script>alert(1)</script>", "of", "$x$", "and", "naïveness"],
    [f"walk{'er' * (place % 2)}" for place in range(28)],
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    place = tmp_path_factory.mktemp("planted")
    made = extract(write_model(place / "looking"), SENTENCES, layers=[1], sites="weights", cache=place / "caches")
    return ActivationCache.open(made.cache)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    place = tmp_path_factory.mktemp("tiny")
    made = extract(tiny_model("bert"), SENTENCES, layers=[1, 2, 3], sites="weights", overflow="truncate", cache=place)
    return ActivationCache.open(made.cache)


def pieces_of(folder: Path, words: list[str]) -> tuple[dict[str, torch.Tensor], list[int]]:
    """The input of transformers, and the unit of each token by hand: words, and each special token by itself."""
    encoded = AutoTokenizer.from_pretrained(folder)(
        words, is_split_into_words=True, return_tensors="pt", truncation=True, max_length=64
    )
    units, last = [], object()
    for word in encoded.word_ids():
        if not units or word is None or word != last:
            units.append(0 if not units else units[-1] + 1)
        else:
            units.append(units[-1])
        last = word
    return encoded, units


def test_a_head_that_looks_at_the_token_before_shows_that_line_alone(planted: ActivationCache) -> None:
    report = view_attention(planted, sentence=0, special=True)
    assert report.names == ("1-0", "1-1", "1-2", "1-3")
    _, units = pieces_of(planted.path.parents[1] / "looking", SENTENCES[0])
    sizes = np.bincount(units)
    assert sizes.max() > 1
    n = len(sizes)
    before, after = np.zeros((n, n)), np.zeros((n, n))
    for unit in range(n):  # of a word's pieces all but the first look inside of the word
        before[unit, unit] = after[unit, unit] = (sizes[unit] - 1) / sizes[unit]
        if unit:
            before[unit, unit - 1] = 1 / sizes[unit]
        if unit < n - 1:
            after[unit, unit + 1] = 1 / sizes[unit]
    # At an end there is nobody to look at; and where the fourth frequency hardly turns, next but one has a little.
    np.testing.assert_allclose(report.matrix("1-0")[1:], before[1:], atol=2e-3)
    np.testing.assert_allclose(report.matrix("1-1")[:-1], after[:-1], atol=2e-3)
    np.testing.assert_allclose(report.matrix("1-2"), np.tile(sizes / sizes.sum(), (n, 1)), atol=1e-5)
    hidden = view_attention(planted, sentence=0, heads="1-0")
    panel = hidden.plot().child_axes[0]
    (lines,) = (found for found in panel.collections if isinstance(found, LineCollection))
    drawn = {(round(path.vertices[0][1]), round(path.vertices[1][1])) for path in lines.get_paths()}
    inner = before[1:-1, 1:-1]
    assert drawn == set(zip(*np.nonzero(inner), strict=True))
    thick = {round(float(width) / 5, 2) for width in np.ravel(lines.get_linewidths())}
    assert thick == {round(float(weight), 2) for weight in inner[inner > 0]}


def test_weights_are_those_of_transformers_merged_by_hand(tiny: ActivationCache) -> None:
    model = AutoModel.from_pretrained(tiny_model("bert"), attn_implementation="eager").eval()
    for number in (0, 2):
        encoded, units = pieces_of(tiny_model("bert"), SENTENCES[number])
        with torch.no_grad():
            attentions = model(**encoded, output_attentions=True).attentions
        report = view_attention(tiny, sentence=number, special=True)
        assert report.words == ("[CLS]", *SENTENCES[number], "[SEP]")
        for (layer, head), matrix in zip(report.heads, report.matrices(), strict=True):
            weights = attentions[int(str(layer).partition(".")[0]) - 1][0, head].numpy().astype(float)
            for source in range(max(units) + 1):
                own = [token for token, unit in enumerate(units) if unit == source]
                for target in range(max(units) + 1):
                    other = [token for token, unit in enumerate(units) if unit == target]
                    by_hand = sum(weights[i, j] for i in own for j in other) / len(own)
                    assert matrix[source, target] == pytest.approx(by_hand, abs=2e-6)


def test_rows_add_up_to_one_with_special_tokens_and_the_rest_is_said(tiny: ActivationCache) -> None:
    keys = ["layer", "head", "source"]
    whole = view_attention(tiny, sentence=2, special=True)
    sums = whole.weights.groupby(keys)["weight"].sum()
    assert len(sums) == 12 * 9
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    report = view_attention(tiny, sentence=2)
    assert report.words == tuple(SENTENCES[2])
    rest = 1 - report.weights.groupby(keys)["weight"].sum()
    np.testing.assert_allclose(report.left_out["special"], rest, atol=1e-5)
    by_head = report.left_out.groupby(["layer", "head"])["special"].mean()
    np.testing.assert_allclose([row.value for row in report.rows], by_head, atol=1e-5)
    assert "special tokens are not shown: what is left" in report.caption


def test_a_decoder_looks_at_its_start_token_and_never_ahead(tmp_path: Path) -> None:
    made = extract(tiny_model("t5"), SENTENCES[:1], layers=[1], sites="weights", overflow="truncate", cache=tmp_path)
    report = view_attention(made.cache, stack="decoder", special=True, heads="1-2,1-0")
    assert report.names == ("decoder:1-0", "decoder:1-2")
    assert report.words == ("<pad>", *SENTENCES[0])
    assert not np.triu(report.matrices(), 1).any()
    np.testing.assert_allclose(report.matrix("decoder:1-2").sum(axis=1), 1, atol=1e-5)
    encoder = view_attention(made.cache, special=True)
    assert encoder.words == (*SENTENCES[0], "</s>")
    assert any("--stack" in note for note in encoder.notes)


def test_units_are_in_the_order_of_the_tokens() -> None:
    units, firsts = units_of_tokens(np.array([-1, 0, 0, -1, 2, 1, 2, -1]))
    assert units.tolist() == [0, 1, 1, 2, 3, 4, 3, 5]
    assert firsts.tolist() == [0, 1, 3, 4, 5, 7]


@pytest.mark.parametrize(("number", "heads"), [(1, "1-0,1-1,2-0"), (3, "2-0")])
def test_one_word_and_many_are_drawn_in_every_way(
    tiny: ActivationCache, tmp_path: Path, number: int, heads: str
) -> None:
    report = view_attention(tiny, sentence=number, heads=heads)
    for how in ("lines", "matrix", "model"):
        assert report.save_plot(tmp_path / f"{how}.png", drawing=how).stat().st_size > 3000
        assert size_for(report, how)[0] <= SIZE[0] + 0.5
    assert f"sentence {number}" in report.heading or report.provenance["sentence"]["id"] in report.heading
    again = AttentionMap.read(report.write(tmp_path / "map.jsonl"))
    assert again == report
    assert again.table() == report.table()


def test_the_command_writes_what_it_says(
    tiny: ActivationCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, csv, plot, html = (tmp_path / name for name in ("a.jsonl", "a.csv", "a.svg", "a.html"))
    command = ["view", "attention", str(tiny.path), "--sentence", "2", "--heads", "2-1,1-0", "--plot", str(plot)]
    assert run([*command, "--out", str(out), "--csv", str(csv), "--html", str(html)]) == 0
    said = capsys.readouterr()
    assert all(str(path) in said.err for path in (out, csv, plot, html))
    assert AttentionMap.read(out).names == ("1-0", "2-1")
    assert AttentionMap.read(out).table() == said.out.rstrip("\n")
    assert csv.read_text().count("\n") == 1 + 2 * 7 * 7
    assert run(["report", "show", str(out)]) == 0
    assert "strongest" in capsys.readouterr().out


def test_what_is_not_there_is_refused_with_what_is(tiny: ActivationCache, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="numbered from 0 to 3"):
        view_attention(tiny, sentence=4)
    with pytest.raises(UsageError, match=r"block and number, from 0\. Got '4-0'.* 1, 2, 3, with heads 0 to 3"):
        view_attention(tiny, heads="4-0")
    with pytest.raises(UsageError, match="must name blocks"):
        view_attention(tiny, layers="0")
    with pytest.raises(UsageError, match="a head is named with its block"):
        view_attention(tiny, layers="1", heads="1-0")
    with pytest.raises(UsageError, match="this model has one stack"):
        view_attention(tiny, stack="decoder")
    many = view_attention(tiny)
    many.provenance["weights"].extend(many.provenance["weights"][:1])
    with pytest.raises(UsageError, match="13 heads cannot be drawn as lines"):
        many.check_drawing("lines")


def test_a_cache_without_attention_says_what_to_type(tmp_path: Path) -> None:
    folder = tiny_model("bert")
    (tmp_path / "two.txt").write_text("the house is quiet .\nshe runs .\n")
    for corpus, named in (
        ("grammar:n=20", "grammar:n=20,seed=0"),
        (str(tmp_path / "two.txt"), str(tmp_path / "two.txt")),
    ):
        made = extract(folder, corpus, layers=[0], overflow="truncate", random_weights=3, cache=tmp_path)
        with pytest.raises(UsageError) as raised:
            view_attention(made.cache)
        command = re.sub(r".*Extract them with: ", "", str(raised.value)).split()
        assert command[:4] == ["probekit", "extract", str(folder), named]
        assert run([*command[1:], "--layers", "1", "--cache", str(tmp_path), "-q"]) == 0
    report = view_attention(cache=tmp_path)
    assert report.words == ("the", "house", "is", "quiet", ".")
    assert report.provenance["model"]["random_weights"] == 3
