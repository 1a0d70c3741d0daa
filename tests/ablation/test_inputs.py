"""Words erased from minimal pairs: which go together, what a model's margin rests on, beside direct scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_headed
from typer.testing import CliRunner

from probekit.ablation.inputs.items import erase_inputs
from probekit.ablation.inputs.pairs import erasable
from probekit.ablation.inputs.run import ablate_inputs
from probekit.behaviour.items import SCORED, Item, Region, Sentence
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import app
from probekit.errors import InputError, UsageError
from probekit.models.sources.find import find_model
from probekit.report.files import read_report


def item(good: str, bad: str, *, name: str = "0", scored: tuple[int, int] | None = None) -> Item:
    def regions(text: str) -> tuple[Region, ...]:
        return () if scored is None else (Region(SCORED, text.index(" to") + 1, len(text)),)

    return Item(name, "own", "own", name, (Sentence(good, regions(good)), Sentence(bad, regions(bad))))


def test_words_of_both_sentences_go_together() -> None:
    pair = erasable(item("the old dog barks at night", "the old dogs barks at night"))
    assert not isinstance(pair, str)
    assert pair.words == ["the", "old", "barks", "at", "night"]
    assert pair.distances == [-2, -1, 1, 2, 3]
    assert pair.without([1, 4], None) == [("the dog barks at", None), ("the dogs barks at", None)]
    assert pair.without([0], "[MASK]")[1] == ("[MASK] old dogs barks at night", None)


def test_what_is_scored_is_never_erased_and_found_again() -> None:
    pair = erasable(item("a doctor walks to work", "a river walks to work", scored=(0, 0)))
    assert not isinstance(pair, str)
    assert pair.words == ["a", "walks"]
    (text, span), _ = pair.without([1], None)
    assert text == "a doctor to work"
    assert span is not None
    assert text[slice(*span)] == "to work"


def test_what_is_no_pair_is_named() -> None:
    three = Item("x", "own", "own", "x", (Sentence("a b"), Sentence("a c"), Sentence("a d")))
    assert erasable(three) == "it does not compare two sentences"
    assert erasable(item("one two", "three four")) == "its sentences share no word beside what is scored"


def test_margins_are_those_of_the_shorter_sentences_scored_alone() -> None:
    pairs = [
        ("the doctor walked to the house", "the doctors walked to the house"),
        ("rivers carry paper", "rivers carries paper"),
    ]
    items = [item(*both, name=str(n)) for n, both in enumerate([*pairs, *(pair[::-1] for pair in pairs)])]
    with Session(
        find_model(tiny_headed("gpt2", "AutoModelForCausalLM")), ScoringSpec("causal", device="cpu")
    ) as session:
        found, left_out = erase_inputs(items, session, exact=True)
        assert len(found) == 2  # of each pair the model prefers one sentence
        assert left_out == {"the model prefers the other sentence, or neither": 2}
        one = found[0]
        good, bad = one.pair.sides

        def total(words: list[str]) -> float:
            return float(session.score(session.read([" ".join(words)]))[0].total)

        assert one.found.erased.margin == pytest.approx(total(good) - total(bad), abs=1e-6)
        for place, (left, right) in enumerate(one.pair.shared):
            shorter = total(good[:left] + good[left + 1 :]) - total(bad[:right] + bad[right + 1 :])
            assert one.found.erased.without[place] == pytest.approx(shorter, abs=1e-6)
        assert set(one.to_json()["words"]) == set(one.pair.words)
        with pytest.raises(InputError, match=r"share no word beside what is scored \(1\)"):
            erase_inputs([item("one two", "three four")], session)


SUITE = "grammar:n=40"


def test_the_report_has_its_control_and_the_command_writes_it(tmp_path: Path) -> None:
    model = str(tiny_headed("gpt2", "AutoModelForCausalLM"))
    report = ablate_inputs(SUITE, model, exact=True)
    values = {row.metric: row for row in report.rows}
    assert {"turned_by_one_word", "turned_by_a_set", "support"} <= set(values)
    assert values["turned_by_random_words"].role == "control"
    single = np.mean([(one.found.erased.without < 0).any() for one in report.items])
    assert values["turned_by_one_word"].value == pytest.approx(single)
    assert (values["turned_by_random_words"].value or 0) < 1
    at = [row for row in report.supports if row.strength == -1]
    words = [
        v for one in report.items for d, v in zip(one.pair.distances, one.found.erased.support, strict=True) if d == -1
    ]
    assert [row.value for row in at] == [pytest.approx(np.mean(words))]
    out = {name: tmp_path / f"{name}.{'png' if name == 'plot' else 'jsonl'}" for name in ("items", "out", "plot")}
    command = ["ablate", "inputs", "--metric", f"behave:{SUITE}", "--model", model, "--exact"]
    done = CliRunner().invoke(
        app, [*command, *(part for name, path in out.items() for part in (f"--{name}", str(path)))]
    )
    assert done.exit_code == 0, done.output
    assert report.table() in done.stdout
    assert len(out["items"].read_text().splitlines()) == len(report.items)
    assert out["plot"].stat().st_size > 10_000
    assert read_report(out["out"])[1] == list(report.rows)


def test_what_cannot_be_asked_is_refused() -> None:
    model = str(tiny_headed("gpt2", "AutoModelForCausalLM"))
    with pytest.raises(UsageError, match="has no mask: leave out --masked"):
        ablate_inputs(SUITE, model, masked=True)
    done = CliRunner().invoke(app, ["ablate", "inputs", "--metric", "loss:x.txt", "--model", model])
    assert "must be behave:SUITE, probe:TASK or run:FOLDER. Got 'loss:x.txt'" in str(done.exception or done.output)
