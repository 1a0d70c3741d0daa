"""Verdicts on planted scores, where the truth is known; and the file of lines that they are made from."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted_lines import ALL, BEST, LAYERS, PLAN, by_depth, line, planted
from scipy.stats import t
from tiny_models import tiny_model
from tuned_runs import corpus, materials

from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.report import LayerReport
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.data.reading import AskedReading
from probekit.tuning.facts import ModelFacts
from probekit.tuning.tune import digest_of_report, plan_for
from probekit.tuning.verdict.cells import Asked, LineFile, run_cells
from probekit.tuning.verdict.grid import DEVELOPMENT, LATER, Cell, grid, rivals
from probekit.tuning.verdict.profiles import PROFILES, profiles_of
from probekit.tuning.verdict.verify import Verdict


@pytest.fixture
def facts(make_facts: Callable[..., ModelFacts]) -> ModelFacts:
    return make_facts(n_layers=LAYERS)


def test_the_cells_are_the_depths_with_none_two_and_all_trained() -> None:
    cells = grid(LAYERS)
    assert len(cells) == len(set(cells)) == 16
    assert [cell for cell in cells if cell.keep == 3] == [(3, ()), (3, (2, 3)), (3, (1, 2, 3))]
    assert [cell.train for cell in cells if cell.keep == 2] == [(), (1, 2)]


def test_rivals_train_as_many_blocks(facts: ModelFacts) -> None:
    found = rivals(PLAN, facts)
    assert found["last"] == [(6, (5, 6))]
    assert found["full"] == [(6, ALL)]
    assert [len(cell.train) for cell in [*found["random"], *found["uniform"]]] == [2] * 4
    assert len(set(found["random"])) > 1
    assert rivals(Cell(3, ()), facts).keys() == {"last", "full"}
    assert rivals(Cell(3, ()), facts)["last"] == [(6, ())]


def test_a_plan_that_is_the_oracle_has_no_regret(facts: ModelFacts) -> None:
    verdict = Verdict(planted(facts, BEST, by_depth, by_depth), facts)
    assert verdict.oracle("a", 1500, 0) == BEST
    regret = verdict.regret()
    assert (regret.value, regret.low, regret.high, regret.tasks, regret.runs) == (0, 0, 0, 2, 6)


def test_a_plan_that_is_worse_has_the_regret_that_was_planted(facts: ModelFacts) -> None:
    verdict = Verdict(planted(facts, PLAN, by_depth, by_depth), facts)
    assert verdict.regret().value == pytest.approx(0.03)


def test_a_rival_is_worse_by_what_was_planted_with_its_interval(facts: ModelFacts) -> None:
    last = rivals(PLAN, facts)["last"][0]
    worse = {("a", 0): 0.02, ("a", 1): 0.04, ("b", 0): 0.05, ("b", 1): 0.05, ("c", 0): 0.0, ("c", 1): 0.02}

    def test(task: str, seed: int, cell: Cell) -> float:
        return 0.8 - (worse[task, seed] if cell == last else 0)

    verdict = Verdict(planted(facts, PLAN, by_depth, test, tasks=("a", "b", "c"), seeds=2), facts)
    gap = verdict.against("last")
    assert gap is not None
    means = np.array([0.03, 0.05, 0.01])
    reach = t.ppf(0.975, 2) * means.std(ddof=1) / np.sqrt(3)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.03, 0.03 - reach, 0.03 + reach))
    assert (gap.tasks, gap.runs) == (3, 6)
    own = verdict.against("last", "a")
    assert own is not None
    assert (own.value, own.high) == pytest.approx((0.03, 0.03 + t.ppf(0.975, 1) * 0.01))
    uniform = verdict.against("uniform")
    assert uniform is not None
    assert uniform.value == pytest.approx(0)


def test_random_blocks_count_by_their_mean(facts: ModelFacts) -> None:
    draws = rivals(PLAN, facts)["random"]
    verdict = Verdict(
        planted(facts, PLAN, by_depth, lambda _t, _s, cell: 0.1 * draws.index(cell) if cell in draws else 0.5), facts
    )
    gap = verdict.against("random")
    assert gap is not None
    assert gap.value == pytest.approx(0.5 - np.mean([0.1 * draws.index(cell) for cell in draws]))


def test_the_oracle_of_a_seed_does_not_see_that_seed(facts: ModelFacts) -> None:
    lucky = Cell(1, ())

    def dev(task: str, seed: int, cell: Cell) -> float:
        return 1.0 if cell == lucky and seed == 2 else by_depth(task, 0, cell) - 0.5

    verdict = Verdict(planted(facts, PLAN, dev, by_depth), facts)
    assert verdict.oracle("a", 1500, 2) == BEST
    assert verdict.oracle("a", 1500, 0) == lucky


def test_test_scores_choose_nothing(facts: ModelFacts) -> None:
    lines = planted(facts, PLAN, by_depth, by_depth)
    lines += [replace(one, part=DEVELOPMENT, task=f"dev {one.task}") for one in lines if not one.planned]
    shuffled = [one.test for one in lines]
    random.Random(0).shuffle(shuffled)
    permuted = [replace(one, test=score) for one, score in zip(lines, shuffled, strict=True)]
    before, after = Verdict(lines, facts), Verdict(permuted, facts)
    assert before.regret().value != after.regret().value
    assert before.constant() == after.constant() == BEST
    for task, seed in itertools.product("ab", range(3)):
        assert before.oracle(task, 1500, seed) == after.oracle(task, 1500, seed)


def test_the_constant_is_chosen_on_development_tasks_alone(facts: ModelFacts) -> None:
    wide = Cell(6, ALL[1:])
    # An easy task does not outvote a hard one: what counts is what a cell loses there.
    easy = planted(facts, PLAN, lambda *_: 0.99, lambda *_: 0.5, tasks=("easy",))
    hard = planted(facts, PLAN, lambda _t, _s, cell: 0.2 + (cell == wide) * 0.05, lambda *_: 0.5, tasks=("hard",))
    lines = [replace(one, part=DEVELOPMENT) for one in [*easy, *hard]]
    aside = planted(facts, PLAN, by_depth, by_depth)
    verdict = Verdict([*lines, *aside], facts)
    assert verdict.constant() == wide
    gap = verdict.against("constant")
    assert gap is not None
    assert gap.value == pytest.approx(by_depth("a", 0, PLAN) - by_depth("a", 0, wide))
    assert Verdict(aside, facts).constant() is None
    assert Verdict(aside, facts).against("constant") is None
    assert "no constant rival: there are no lines of development tasks" in str(Verdict(aside, facts))
    assert "constant: 6 blocks kept, 6 trained" in str(verdict)
    assert verdict.tasks == ["a", "b"]
    assert Verdict([*lines, *aside], facts, DEVELOPMENT).tasks == ["easy", "hard"]


def test_the_profile_is_compared_with_what_tuning_from_each_depth_gives(facts: ModelFacts) -> None:
    def rising(task: str, seed: int, cell: Cell) -> float:
        return 0.1 * cell.keep * (-1 if task == "b" else 1)

    verdict = Verdict(planted(facts, PLAN, rising, rising), facts)
    assert verdict.profiles == ["probe", "bits"]
    assert verdict.ranks("probe", None) == pytest.approx({"a (1,500)": 1.0, "b (1,500)": -1.0})
    assert verdict.ranks("bits", None) == pytest.approx({"a (1,500)": -1.0, "b (1,500)": 1.0})
    assert list(verdict.to_json()["ranks"]) == ["probe", "bits"]


def test_profiles_are_what_a_report_has_by_layer_and_greater_is_better(
    facts: ModelFacts, make_report: Callable[..., LayerReport]
) -> None:
    report = make_report([0.3, 0.8, 0.6], mix={0: 0.25, 1: 0.5, 2: 0.25}, mix_dev=0.8)
    row = replace(report.rows[0], role="companion", split="train", low=None, high=None, level=None)
    measured = [
        replace(row, method="logme", metric="log_evidence", layer=1, value=-0.5),
        replace(row, method="h_score", metric="h_score", layer=1, value=2.0),
        replace(row, method="online_code", metric="bits", layer=1, value=700.0),
        replace(row, method="online_code_control", role="control", metric="bits", layer=1, value=900.0),
        replace(row, method="logme", metric="log_evidence", layer="final", value=-0.1),
    ]
    assert list(profiles_of(report, facts, "deprel")) == ["probe", "mix"]
    found = profiles_of(LayerReport((*report.rows, *measured), report.provenance), facts, "deprel")
    assert list(found) == list(PROFILES)
    assert found["probe"] == {"0": 0.3, "1": 0.8, "2": 0.6}
    assert found["mix"] == {"0": 0.25, "1": 0.5, "2": 0.25}
    assert (found["logme"], found["h_score"], found["bits"]) == ({"1": -0.5}, {"1": 2.0}, {"1": -700.0})


def test_the_probing_that_a_plan_reads_is_counted_and_its_seconds_are_in_no_digest(
    make_report: Callable[..., LayerReport], tmp_path: Path
) -> None:
    own = materials("bert")
    report = make_report([0.3, 0.8])
    digests = []
    for spent in (4.0, 5.0):
        told = {**report.provenance, "seconds": {"study": spent, "mix": 2.0, "logme": 8.0, "online-code": 16.0}}
        timed = LayerReport(report.rows, told)
        digests.append(digest_of_report(timed.write(tmp_path / "report.jsonl")))
        assert replace(own, report=timed).probing_seconds == spent + 2
    assert digests[0] == digests[1] != digest_of_report(LayerReport(report.rows[1:], told).write(tmp_path / "r.jsonl"))
    assert replace(own, report=report).probing_seconds is own.probing_seconds is None


def test_seconds_count_the_probing(facts: ModelFacts) -> None:
    assert Verdict(planted(facts, PLAN, by_depth, by_depth), facts).seconds() == pytest.approx((4 + 1) / 10)


def test_a_later_line_replaces_an_earlier_one_of_the_same_run(facts: ModelFacts) -> None:
    lines = [replace(one, part=DEVELOPMENT) for one in planted(facts, PLAN, by_depth, by_depth)]
    stale = [replace(one, dev=float(one.cell == (1, ())), test=0.0, plan="b" * 64) for one in lines]
    verdict = Verdict([*stale, *lines], facts, DEVELOPMENT)
    assert verdict.constant() == BEST
    assert verdict.regret().value == pytest.approx(0.03)


def test_seconds_of_probing_that_no_report_says_are_said(facts: ModelFacts) -> None:
    lines = [replace(one, probing_seconds=0.0) for one in planted(facts, PLAN, by_depth, by_depth)]
    assert "of 6 plans the seconds of probing are not known" in str(Verdict(lines, facts))


def test_of_one_run_there_is_no_interval_and_the_table_says_what_the_oracle_saw(facts: ModelFacts) -> None:
    verdict = Verdict(planted(facts, PLAN, by_depth, by_depth, tasks=("a",), seeds=1), facts)
    assert (verdict.regret().low, verdict.regret().value) == (None, pytest.approx(0.03))
    assert "of one seed the oracle is chosen on the dev of the run" in str(verdict)
    assert verdict.to_json()["regret"]["value"] == pytest.approx(0.03)
    with pytest.raises(UsageError, match="No plan was run"):
        Verdict(planted(facts, PLAN, by_depth, by_depth), facts, DEVELOPMENT)


def test_a_half_line_is_cut_and_a_wrong_one_named(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    first = line("a", 0, PLAN, 0.5, 0.25)
    with LineFile(path) as file:
        file.add(first)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    with LineFile(path) as again:
        assert again.lines == [first]
        again.add(replace(first, seed=1))
    with LineFile(path) as twice:
        assert [one.seed for one in twice.lines] == [0, 1]
        assert twice.development == []
        twice.add(developed := replace(first, part=DEVELOPMENT))
        assert twice.development == [developed]
    path.write_text('{"task": "a"}\n')
    with pytest.raises(InputError, match=r"cells.jsonl:1: .*'dev' is missing or unknown"):
        LineFile(path)


def test_lines_of_other_data_or_of_none_that_is_known_are_run_again_and_said(tmp_path: Path) -> None:
    own = materials("bert")
    short = gather(
        "pos",
        model=tiny_model("bert"),
        corpus=corpus(),
        reading=AskedReading(max_length=8, overflow="truncate"),
        device="cpu",
    )
    plan = plan_for(own, "head-only", changes=["loop.epochs=1"])
    path = tmp_path / "cells.jsonl"

    def run(which: Materials) -> tuple[str, list[str]]:
        told: list[str] = []
        with LineFile(path) as file:
            (found,) = run_cells(which, plan, file, Asked(), only=lambda _: False, told=told.append)
        return found.data, told

    whole, told = run(own)
    assert (whole, len(told)) == (own.data.digest, 1)
    assert run(own) == (whole, [])
    others = [short, own.folded(1, 4), own.folded(2, 4)]
    assert [len(one.data.training) for one in others] == [len(own.data.training)] * 3
    assert len({whole, *(run(one)[0] for one in others)}) == 4
    said = run(replace(own, data=replace(own.data, labels=own.data.labels[::-1])))[1]
    assert said[0].startswith(
        "cells.jsonl has 4 lines of 'pos on made-up' that are not known to be of these data: they"
    )
    # Lines of before they said it are read, and are no line of these data.
    old = [
        {key: value for key, value in json.loads(one).items() if key not in LATER}
        for one in path.read_text().splitlines()
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in old[:1]))
    with LineFile(path) as file:
        assert [(one.data, one.model) for one in file.lines] == [("", "")]
    said = run(own)[1]
    assert "(1 are older than the field that says it): they stay there, and their cells are run again." in said[0]
    assert len(said) == 2
    assert len(path.read_text().splitlines()) == 2


def test_the_constant_is_chosen_on_lines_of_the_model_that_is_judged(facts: ModelFacts) -> None:
    deep = [replace(one, part=DEVELOPMENT) for one in planted(facts, PLAN, by_depth, by_depth)]
    other = [replace(one, dev=1 - one.dev, model="other") for one in deep]
    aside = planted(facts, PLAN, by_depth, by_depth)
    verdict = Verdict([*deep, *other, *aside], facts)
    assert verdict.constant() == BEST == Verdict([*deep, *aside], facts).constant()
    assert f"{sum(not one.planned for one in other)} lines of development tasks are of other models" in str(verdict)
    assert "are of other models" not in str(Verdict([*deep, *aside], facts))
    assert Verdict([*deep, *other, *(replace(one, model="other") for one in aside)], facts).constant() != BEST
    mixed = [replace(one, model="one" if at % 2 else "other") for at, one in enumerate(aside)]
    with pytest.raises(UsageError, match=r"are of 2 models \(one, other\)"):
        Verdict(mixed, facts)


def test_what_was_run_is_not_run_again(tmp_path: Path) -> None:
    draw = random.Random(0)
    examples = []
    for split, n in (("train", 12), ("dev", 4), ("test", 4)):
        for number in range(n):
            words = tuple(draw.choices(["run", "walk", "house", "garden"], k=4))
            tags = tuple("VERB" if word in ("run", "walk") else "NOUN" for word in words)
            examples.append(Example(f"{split}-{number}", words, split=split, annotations={"upos": tags}))
    own = gather("pos", model=tiny_model("bert"), corpus=open_corpus(examples, name="tiny"), device="cpu")
    plan = plan_for(own, "head-only", changes=["keep=2", "read=2", "loop.epochs=1"])
    told: list[str] = []
    asked = Asked(seeds=(0, 1), examples=8)

    def two(cell: Cell) -> bool:
        return cell in (Cell(1, ()), Cell(3, ()))

    with LineFile(tmp_path / "cells.jsonl") as file:
        lines = run_cells(own, plan, file, asked, only=two, told=told.append)
    assert [(one.seed, one.planned, one.keep, one.n) for one in lines] == [
        (0, True, 2, 8), (0, False, 1, 8), (0, False, 3, 8), (1, True, 2, 8), (1, False, 1, 8), (1, False, 3, 8),
    ]  # fmt: skip
    assert len(told) == 6
    assert [one.data for one in lines] == [own.data.limited(8, one.seed).digest for one in lines]
    assert [entry.name for entry in tmp_path.iterdir()] == ["cells.jsonl"]
    with LineFile(tmp_path / "cells.jsonl") as again:
        assert run_cells(own, plan, again, asked, only=two, told=told.append) == lines
    assert len(told) == 6
    assert "tiny" in lines[0].task
    assert Verdict(lines, own.facts).regret().runs == 2
    with pytest.raises(UsageError, match="part of a task"):
        Asked(part="test")
