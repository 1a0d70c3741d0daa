"""Attention as word alignment: links, their error rate, and which head is chosen."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from attention.translators import SOURCE, TARGET, known_translator
from typer.testing import CliRunner

from probekit.attention.alignment.links import (
    counts_of,
    diagonal,
    error_rate,
    halves_of,
    links_of,
    numbered,
    precision,
    recall,
)  # fmt: skip
from probekit.attention.alignment.pairs import AlignedPair, read_aligned
from probekit.attention.alignment.report import AlignmentReport
from probekit.attention.alignment.run import align
from probekit.attention.alignment.ways import Way, aligned
from probekit.attention.words import between_words
from probekit.cli.app import app
from probekit.errors import InputError, UsageError
from probekit.models.runtime.cross_attention import PREDICTS, READS, Crossed
from tests.tiny_models import tiny_headed

PAIR = AlignedPair(
    ("a", "b", "c"), ("x", "y", "z"), frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 1), (2, 1), (2, 2)})
)


def write(path: Path, *, first: int = 1) -> Path:
    """Twelve sentences, words in an order of their own in the translation, and who translates whom."""
    draw, texts, links = random.Random(0), [], []
    for _ in range(12):
        words = draw.sample(range(len(SOURCE)), 5)
        order = draw.sample(range(5), 5)
        texts.append(f"{' '.join(SOURCE[word] for word in words)} ||| {' '.join(TARGET[words[at]] for at in order)}")
        links.append(" ".join(f"{at + first}-{place + first}" for place, at in enumerate(order)))
    path.write_text("\n".join(links) + "\n", encoding="utf-8")
    path.with_suffix(".src-tgt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("links") / "numbers.gold")


@pytest.fixture(scope="module")
def report(corpus: Path) -> AlignmentReport:
    return align(corpus, known_translator(), device="cpu")


def test_error_rate_is_that_of_the_paper_by_hand() -> None:
    counts = counts_of(np.array([0.0, 2.0, 0.0]), PAIR)  # a-x is sure, c-y possible, a-z neither; b-y is lacking
    assert error_rate(counts) == pytest.approx(1 - (1 + 2) / (3 + 2))
    assert (precision(counts), recall(counts)) == (pytest.approx(2 / 3), pytest.approx(1 / 2))
    assert error_rate(counts_of(np.array([0.0, 1.0, 2.0]), PAIR)) == 0  # all sure, and the others possible
    assert error_rate(counts_of(np.array([1.0, 0.0, 0.0]), PAIR)) == 1


def test_tokens_are_pooled_to_words() -> None:
    weights = np.array([[[0.1, 0.2, 0.7, 0], [0.0, 0.6, 0.4, 0], [0, 0, 0.1, 0.9]]], np.float32)
    words = between_words(weights, (np.array([0, 0, 2]), np.array([0, 1, 1, -1])), (3, 2))
    np.testing.assert_allclose(words[0], [[0.05, 0.95], [np.nan, np.nan], [0, 0.1]], atol=1e-6)
    np.testing.assert_array_equal(links_of(words), [[1, np.nan, 1]])
    assert diagonal(4, 2).tolist() == [1, 3]


# Counted by loops over the files, without this package.
FILES = [("enfr", 447, 4038, 0, 0.5384), ("roen", 248, 6198, 0, 0.7107), ("zhen", 450, 11238, 0, 0.8316),
         ("jaen", 582, 13556, 6, 0.8888)]  # fmt: skip


@pytest.mark.parametrize(("name", "n", "sure", "lost", "rate"), FILES)
def test_the_diagonal_of_real_files_errs_as_counted_by_loops(
    name: str, n: int, sure: int, lost: int, rate: float
) -> None:
    folder = Path(os.environ.get("PROBEKIT_DATA", "")) / "word_alignments"
    if not folder.is_dir():
        pytest.skip("PROBEKIT_DATA has no word alignments")
    pairs, out, total = read_aligned(folder / f"{name}.gold")
    assert (len(pairs), out, total) == (n, lost, n)
    assert sum(len(pair.sure) for pair in pairs) == sure
    counts = sum(counts_of(diagonal(len(pair.source), len(pair.target)), pair) for pair in pairs)
    assert error_rate(np.asarray(counts)) == pytest.approx(rate, abs=5e-5)


def test_a_line_that_is_no_link_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.gold"
    path.with_suffix(".src-tgt").write_text("a ||| b\na ||| b", encoding="utf-8")
    for line, said in (("1:1", r"bad\.gold:2: a link is like"), ("0-0", r"bad\.gold:2.*--first-word 0")):
        path.write_text(f"1-1\n{line}", encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_aligned(path)
    path.write_text("1-1", encoding="utf-8")
    with pytest.raises(InputError, match=r"has 2 lines, and .* 1"):
        read_aligned(path)
    with pytest.raises(InputError, match="no file"):
        read_aligned(tmp_path / "none.gold")


def test_links_from_0_are_the_links_from_1(corpus: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "numbers.gold", first=0)
    assert read_aligned(other, first_word=0) == read_aligned(corpus)
    assert read_aligned(corpus, limit=5) == (read_aligned(corpus)[0][:5], 0, 12)


def test_pairs_that_say_the_same_stand_in_one_half() -> None:
    pairs = [AlignedPair((word,), (word,), frozenset(), frozenset()) for word in "abcabcdd"]
    dev, test = halves_of(numbered(pairs), 3)
    assert sorted(dev + test) == list(range(8))
    assert not {pairs[place].source for place in dev} & {pairs[place].source for place in test}


def test_the_head_that_translates_is_chosen_and_errs_nowhere(report: AlignmentReport) -> None:
    chosen = report.rows[0]
    assert (chosen.layer, chosen.method, chosen.note) == ("decoder:1", "head 1", READS)
    assert chosen.value == 0
    parts = {row.metric: row.value for row in report.rows if row.method == "head 1" and row.role == "companion"}
    assert parts == {"precision": 1.0, "recall": 1.0}


def test_random_weights_and_the_diagonal_err(report: AlignmentReport) -> None:
    floors = {row.method: row for row in report.rows if row.role == "floor"}
    assert {name: row.value > 0.4 for name, row in floors.items()} == {"diagonal": True, "random_weights": True}
    less = {row.method: row for row in report.rows if row.role == "difference"}
    for name, row in less.items():
        assert row.value == -floors[name.removeprefix("head - ")].value
        assert row.high < 0
    assert all(row.n == row.n_groups == 6 for row in report.rows)


def test_a_head_that_predicts_is_told_from_one_that_reads() -> None:
    links = frozenset(((target + 1) % 8, target) for target in range(8))
    pairs = [AlignedPair(tuple("abcdefgh"), tuple("stuvwxyz"), links, links)] * 4

    def planted() -> Crossed:
        weights = np.random.default_rng(0).random((2, 3, 9, 8)).astype(np.float32)
        weights[1, 2, :8] = 10 * np.roll(np.eye(8), 1, axis=1)
        return Crossed(weights, np.arange(8, dtype=np.int32), np.arange(8, dtype=np.int32))

    found = aligned([planted(), None, planted(), planted()], pairs)
    assert found.ways[found.best([0, 2])] == Way(2, 2, PREDICTS)
    assert found.read.tolist() == [True, False, True, True]
    assert found.counts[:, 1].sum() == 0
    assert error_rate(found.counts[found.best([0, 2])].sum(0)) == 0


def test_a_mean_that_errs_less_than_each_head_is_not_chosen() -> None:
    links = frozenset((word, word) for word in range(6))
    weights = np.tile(np.roll(np.eye(6, dtype=np.float32), 1, axis=1), (1, 2, 1, 1))
    weights[0, 0, :3], weights[0, 1, 3:] = 5 * np.eye(6)[:3], 5 * np.eye(6)[3:]
    seen = Crossed(
        np.pad(weights, ((0, 0), (0, 0), (1, 0), (0, 0))), np.arange(6, dtype=np.int32), np.arange(6, dtype=np.int32)
    )
    found = aligned([seen] * 4, [AlignedPair(tuple("abcdef"), tuple("uvwxyz"), links, links)] * 4)
    rates = dict(zip(found.ways, error_rate(found.counts.sum(1)), strict=True))
    assert (rates[Way(1, 0, READS)], rates[Way(1, 1, READS)], rates[Way(1, None, READS)]) == (0.5, 0.5, 0)
    assert found.ways[found.best([0, 1])].head is not None


def test_grids_hold_the_weights_of_the_chosen_head(report: AlignmentReport) -> None:
    assert report.ways == ("head 1 of block 1", "mean of the heads of block 1", "mean of all blocks")
    assert len(report.grids) == 6
    grid = report.grid(report.grids[1]["pair"])
    weights = np.array(grid["weights"][0])
    assert weights.shape == (len(grid["target"]), len(grid["source"]))
    links = {(int(source), target) for target, source in enumerate(weights.argmax(1))}
    assert links == {(source, target) for source, target in grid["sure"]}
    with pytest.raises(UsageError, match="keeps no grid of pair 99"):
        report.grid(99)


def test_command_shows_floors_and_means_and_keeps_its_report(corpus: Path, tmp_path: Path) -> None:
    out, plot = tmp_path / "links.jsonl", tmp_path / "links.png"
    wanted = ["align", str(corpus), str(known_translator()), "--device", "cpu", "--out", str(out), "--plot", str(plot)]
    done = CliRunner().invoke(app, [*wanted, "--pairs", "8", "--grids", "1"])
    assert done.exit_code == 0, done.output
    for said in (
        "diagonal",
        "random_weights",
        "mean of the heads",
        "mean of all blocks",
        "on 4 pairs",
        "8 of 12 pairs",
    ):
        assert said in done.stdout
    assert plot.is_file()
    shown = CliRunner().invoke(app, ["report", "show", str(out)])
    assert shown.stdout.strip() == done.stdout.strip()
    assert len(AlignmentReport.read(out).grids) == 1
    assert json.loads(out.read_text().splitlines()[0])["settings"]["first_word"] == 1


@pytest.mark.parametrize(("name", "kind"), [("bert", "AutoModelForMaskedLM"), ("gpt2", "AutoModelForCausalLM")])
def test_models_without_such_attention_are_refused(corpus: Path, name: str, kind: str) -> None:
    with pytest.raises(UsageError, match="no attention of a decoder over an encoder"):
        align(corpus, tiny_headed(name, kind), device="cpu")


def test_too_few_pairs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "few.gold"
    path.write_text("1-1\n" * 5)
    path.with_suffix(".src-tgt").write_text("one ||| eins\n" * 5)
    with pytest.raises(InputError, match="can read only 1 pairs that differ"):
        align(path, known_translator(), device="cpu")
