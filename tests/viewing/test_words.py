"""Analogies and word similarity: a planted parallelogram is solved, numbers are those of loops by hand and of scipy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from tiny_models import tiny_model
from transformers import AutoModel, AutoTokenizer

from probekit import ActivationCache, extract
from probekit.errors import InputError, UsageError
from probekit.viewing.words.methods import METHODS
from probekit.viewing.words.planes import plane_of
from probekit.viewing.words.questions import Analogy, read_analogies, read_ratings
from probekit.viewing.words.report import WordReport
from probekit.viewing.words.run import Vectors, view_analogies, view_word_similarity
from probekit.viewing.words.solving import answer, ask
from probekit.viewing.words.tables import WordTable, of_cache, open_tables

STEMS = ("king", "actor", "waiter", "host", "heir", "prince")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words of pairs that differ by one direction, noise words, and for each word a neighbour that leads astray."""
    place = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    vectors = {}
    for stem in STEMS:
        # Both words of a pair are as long as each other, so that the parallelogram stays one at length 1.
        base = np.append(0, rng.normal(size=29))
        base /= np.linalg.norm(base)
        side = np.append(0.7, 0.02 * rng.normal(size=29))
        vectors[stem], vectors[f"{stem}ess"] = base - side, base + side
        vectors[f"near-{stem}"] = base - side + 0.02 * rng.normal(size=30)
    vectors |= {f"noise{number}": rng.normal(size=30) for number in range(40)}
    lines = [" ".join([word, *(f"{value:.6f}" for value in vector)]) for word, vector in vectors.items()]
    (place / "vectors.txt").write_text("\n".join(lines) + "\n")
    questions = [": family"]
    for a in STEMS:
        questions += [f"{a} {a}ess {b} {b}ess" for b in STEMS if a != b]
    questions += [": unknown", "King Kingess waiter waiteress", "king kingess emu emuess", "king kingess king kingess"]
    (place / "questions.txt").write_text("\n".join(questions) + "\n")
    return place


@pytest.fixture(scope="module")
def report(planted: Path) -> WordReport:
    return view_analogies(planted / "questions.txt", Vectors(model=f"static:{planted / 'vectors.txt'}"))


def of(report: WordReport, section: str, method: str) -> float | None:
    return next(row.value for row in report.select(None)[section] if row.method == method)


def test_a_planted_parallelogram_is_solved_and_a_neighbour_is_no_answer(report: WordReport) -> None:
    assert of(report, "family", "cosadd") == 1
    assert of(report, "family", "cosmul") == 1
    assert of(report, "family", "only-b") == 0  # near-b is nearer
    row = next(row for row in report.select(None)["family"] if row.method == "cosadd")
    assert (row.n, row.n_groups, row.low is not None) == (30, 6, True)
    notes = " ".join(report.notes)
    assert "1 of 33 questions left out: no vector of 2 words, 'emu', 'emuess'" in notes
    assert "The answer of 1 question is one of its own words" in notes
    assert report.provenance["coverage"]["None"]["covered"] == 32


def by_hand(table: WordTable, question: Analogy, *, multiply: bool, exclude: bool) -> str:
    """One question, one candidate after the other, as gensim's ``most_similar`` and ``most_similar_cosmul`` do it."""
    unit = {word: table.unit[row].astype(float) for word, row in table.rows.items()}
    a, a_star, b = (unit[word] for word in question.words[:3])
    best, highest = "", -np.inf
    for word, x in unit.items():
        if exclude and word in question.words[:3]:
            continue
        if multiply:
            value = (1 + x @ a_star) / 2 * ((1 + x @ b) / 2) / ((1 + x @ a) / 2 + 0.001)
        else:
            target = a_star - a + b
            value = x @ target / np.linalg.norm(target)
        if value > highest:
            best, highest = word, value
    return best


@pytest.mark.parametrize("exclude", [True, False])
def test_answers_are_those_of_a_loop(exclude: bool) -> None:
    rng = np.random.default_rng(3)
    words = [f"w{number}" for number in range(30)]
    table = WordTable.of(0, words, rng.normal(size=(30, 8)) * rng.uniform(0.5, 3, (30, 1)))
    quads = [rng.choice(words, 4, replace=False) for _ in range(60)]
    for name, multiply in (("cosadd", False), ("cosmul", True)):
        # Of each question the loop's answer is made the right one: then all of them are solved, else none.
        answers = [by_hand(table, Analogy("s", *quad), multiply=multiply, exclude=exclude) for quad in quads]
        right = ask(table, [Analogy("s", *quad[:3], word) for quad, word in zip(quads, answers, strict=True)])
        found = answer(table, right, {name: METHODS.get(name, "methods")}, exclude=exclude)[name]
        assert found.credit.tolist() == [1.0] * 60
        assert found.tied == 0
    solved = [word == quad[3] for quad, word in zip(quads, answers, strict=True)]
    asked = ask(table, [Analogy("s", *quad) for quad in quads])
    credit = answer(table, asked, {"cosmul": METHODS.get("cosmul", "methods")}, exclude=exclude)["cosmul"].credit
    assert credit.tolist() == [float(one) for one in solved]


def test_words_that_are_one_vector_share_the_credit() -> None:
    vectors = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [0, 2, 2]])
    table = WordTable.of(0, ["a", "b", "a*", "b*", "twin"], vectors)
    found = answer(table, ask(table, [Analogy("s", "a", "a*", "b", "b*")]), dict(METHODS.members()), exclude=True)
    assert found["cosadd"].credit.tolist() == [0.5]
    assert found["cosadd"].tied == 1


def test_question_words_that_are_allowed_win(report: WordReport) -> None:
    rows = report.select(None)["family"]
    allowed = next(row for row in rows if row.method == "cosadd, all words")
    assert allowed.role == "companion"
    assert allowed.note.startswith("b itself is answered to ")
    assert allowed.value <= of(report, "family", "cosadd")


def test_one_question_has_both_its_pairs_on_the_plane() -> None:
    words = ("man", "woman", "king", "queen")
    table = SimpleNamespace(find=words.index, unit=np.eye(4, dtype=np.float32))
    assert plane_of(table, [Analogy("family", *words)])["pairs"] == [["man", "woman"], ["king", "queen"]]  # type: ignore[arg-type]


def test_figures_and_files(report: WordReport, tmp_path: Path) -> None:
    again = WordReport.read(report.write(tmp_path / "a.jsonl"))
    assert str(again) == str(report)
    assert "only-b" in str(report)
    assert report.save_plot(tmp_path / "a.png").stat().st_size > 10_000
    plane = report.provenance["planes"]["None"]["family"]
    assert plane["agreement"] > 0.9
    first, second = np.array(plane["first"]), np.array(plane["second"])
    steps = second - first
    assert np.allclose(steps, steps.mean(axis=0), atol=0.25)  # parallel and of one length: vectors are of unit length
    assert len(report.plot_plane("family").texts) > 0
    with pytest.raises(UsageError, match=r"no plane of 'familly'\. Did you mean 'family'"):
        report.plot_plane("familly")


def test_spearman_is_scipys_and_pairs_without_vectors_are_named(planted: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    pairs = [(a, b, round(float(rng.normal()), 2)) for a in STEMS for b in (f"{STEMS[0]}ess", "noise1", "noise2")]
    lines = [f"{a}\t{b}\t{rating}" for a, b, rating in [*pairs, ("king", "emu", 3.0)]]
    (tmp_path / "rated.txt").write_text("\n".join(lines) + "\n")
    vectors = Vectors(model=f"static:{planted / 'vectors.txt'}")
    found = view_word_similarity(tmp_path / "rated.txt", vectors)
    table = vectors.open([], None).tables[0]
    cosines = [table.unit[table.find(a)] @ table.unit[table.find(b)] for a, b, _ in pairs]
    row = next(row for row in found.rows if row.method == "cosine")
    assert row.value == pytest.approx(spearmanr(cosines, [rating for *_, rating in pairs]).statistic)
    assert (row.n, row.n_groups) == (18, 6)
    assert row.low < row.value < row.high
    assert any("rated: 1 of 19 pairs left out: no vector of 1 word, 'emu'" in note for note in found.notes)
    assert {row.role for row in found.rows} == {"estimator", "floor", "difference"}


def test_forms_of_a_cache_are_averaged_over_their_uses(tmp_path: Path) -> None:
    sentences = [["the", "unbelievable", "dog"], ["dog", "runs", "unbelievable"], ["a", "dog", "sees", "the", "dog"]]
    made = extract(tiny_model("bert"), sentences, layers=[2], cache=tmp_path)
    cache = ActivationCache.open(made.cache)
    (table,) = of_cache(cache, None).tables
    assert table.words == list(dict.fromkeys(word for sentence in sentences for word in sentence))
    index, values = cache.index(), cache.layer(2).array().astype(float)
    for word in ("dog", "unbelievable"):
        uses = [(e, w) for e, sentence in enumerate(sentences) for w, other in enumerate(sentence) if other == word]
        means = [values[(index.example == e) & (index.word == w)].mean(axis=0) for e, w in uses]
        mean = np.mean(means, axis=0)
        assert table.unit[table.find(word)] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_a_model_reads_each_word_in_the_template(tmp_path: Path) -> None:
    found = open_tables(
        ["dog", "unbelievable", "cat"], on=None, model=str(tiny_model("bert")), layers="1", template="the {} runs",
        vocabulary=None, root=tmp_path,
    )  # fmt: skip
    (table,) = found.tables
    assert table.words == ["cat", "dog", "unbelievable"]
    tokenizer, model = AutoTokenizer.from_pretrained(tiny_model("bert")), AutoModel.from_pretrained(tiny_model("bert"))
    for word in table.words:
        encoded = tokenizer(["the", word, "runs"], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            states = model.eval()(**encoded, output_hidden_states=True).hidden_states[1][0].numpy()
        mean = states[[place == 1 for place in encoded.word_ids()]].mean(axis=0)
        assert table.unit[table.find(word)] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_what_is_no_question_is_refused(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text(": one\na b c d\na b c\n")
    with pytest.raises(InputError, match=r"q\.txt:3: a question has four words; here are 3"):
        read_analogies(tmp_path / "q.txt")
    (tmp_path / "r.txt").write_text("a\tb\t1\na\tb\tmany\n")
    with pytest.raises(InputError, match=r"r\.txt:2: a pair is two words and a number"):
        read_ratings(tmp_path / "r.txt")
    with pytest.raises(UsageError, match="There is no file 'nowhere"):
        read_ratings("nowhere")
    vectors = Vectors(model="minilm", template="a word")
    with pytest.raises(UsageError, match=r"must have '\{\}' once"):
        view_analogies(planted / "questions.txt", vectors)
    (tmp_path / "q.txt").write_text("emu emus gnu gnus\n")
    with pytest.raises(InputError, match="No question of 'q' has vectors"):
        view_analogies(tmp_path / "q.txt", Vectors(model=f"static:{planted / 'vectors.txt'}"))
