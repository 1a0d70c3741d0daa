"""What is drawn and written of a verdict: every task, the target met or missed, where the report misled."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from planted_lines import BEST, LAYERS, PLAN, by_depth, planted

from probekit.tuning.facts import ModelFacts
from probekit.tuning.verdict.grid import DEVELOPMENT, Cell
from probekit.tuning.verdict.verify import Verdict

PLANNED = {"aside": 10, "development": 8}
HOME = Path(__file__).parents[1] / "bench" / "verdict_page.py"


@pytest.fixture
def facts(make_facts: Callable[..., ModelFacts]) -> ModelFacts:
    return make_facts(n_layers=LAYERS)


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verdict_page", HOME)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_task_is_drawn_beside_every_rival(facts: ModelFacts, tmp_path: Path) -> None:
    verdict = Verdict(planted(facts, PLAN, by_depth, by_depth), facts)
    ax = verdict.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["all tasks", "b", "a"]
    drawn = {line.get_label(): line.get_xdata() for line in ax.lines if not line.get_label().startswith("_")}
    assert list(drawn) == ["best cell", "last", "random", "uniform", "full"]
    assert drawn["best cell"] == pytest.approx([-3.0] * 3)
    assert b"<svg" in verdict.save_plot(tmp_path / "verdict.svg").read_bytes()


def test_a_profile_is_drawn_beside_what_tuning_gave(facts: ModelFacts) -> None:
    ax = Verdict(planted(facts, PLAN, by_depth, by_depth), facts).plot_depths(profile="probe")
    (line,) = [line for line in ax.lines if line.get_label() == "a (1,500)"]
    assert line.get_xdata() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])  # rising
    assert line.get_ydata() == pytest.approx([0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])  # best at 4


def test_a_plan_that_beats_its_rivals_meets_the_target(facts: ModelFacts, page: ModuleType, tmp_path: Path) -> None:
    def only_best(task: str, seed: int, cell: Cell) -> float:
        return (0.8 if cell == BEST else 0.7) + 0.001 * seed + 0.01 * (task == "b")

    aside = planted(facts, BEST, by_depth, only_best)
    wrong = [
        replace(one, part=DEVELOPMENT, task=f"dev {one.task}")
        for one in planted(facts, PLAN, lambda _t, _s, cell: float(cell == (1, ())), only_best)
    ]
    written = page.write_page(tmp_path / "page.md", [*aside, *wrong], facts, PLANNED)
    text = written[0].read_text()
    pictures = [f"page-{part}-1500{kind}.svg" for part in ("aside", "development") for kind in ("", "-depths")]
    assert [path.name for path in written] == ["page.md", *pictures]
    assert all(f"({name})" in text for name in pictures)
    assert "Against last: +10.0  [+10.0, +10.0] (met). Against constant: +10.0  [+10.0, +10.0] (met)." in text
    assert "at 50% (met). **The target is met.**" in text
    judged, development = text.split("## Development tasks")
    assert "| a | accuracy | 3 | 4 / 1-4 | 0.801 | 0.801 |" in judged
    assert "No task has a regret of more than 1 point." in judged
    assert "the constant is 1 / none" in judged
    assert "judge nothing" in development
    assert "target" not in development
    assert "**dev a**: +10.0" not in judged


def test_a_miss_is_said_and_the_task_that_misled_is_named(facts: ModelFacts, page: ModuleType, tmp_path: Path) -> None:
    unfinished = [replace(one, task="c") for one in planted(facts, PLAN, by_depth, by_depth, tasks=("a",), seeds=1)][2:]
    lines = [*planted(facts, PLAN, by_depth, by_depth), *unfinished]
    text = page.write_page(tmp_path / "page.md", lines, facts, PLANNED)[0].read_text()
    assert "Against constant: not run (missed)." in text
    assert "**The target is missed.**" in text
    assert (
        "- **a**: +3.0  [+3.0, +3.0] points. The plan was 4 / 3-4, the best cell is 4 / 1-4. The probe is best at "
        "layer 6; with everything trained, depth 4 is best on test, 4.0 points above depth 6."
    ) in text
    assert "Not finished, and not counted: c (1,500, seed 0)." in text
    assert "None has been run." in text  # of the development tasks
    assert "there is one seed" not in text
    assert "Finished are 2 of 10 tasks." in text


def test_the_constant_is_chosen_on_finished_development_alone(
    facts: ModelFacts, page: ModuleType, tmp_path: Path
) -> None:
    aside = planted(facts, PLAN, by_depth, by_depth)
    development = [replace(one, part=DEVELOPMENT, task="dev") for one in aside if one.task == "a"]
    # All that was run of another task is the worst cell.
    begun = [replace(one, task="begun") for one in development if one.cell == (1, ())]
    text = page.write_page(tmp_path / "page.md", [*aside, *development, *begun], facts, PLANNED)[0].read_text()
    assert "the constant is 4 / 1-4" in text.split("## Development tasks")[0]
    assert "Not finished, and not counted: begun (1,500, seed 0), begun (1,500, seed 1)" in text


def test_an_oracle_of_one_seed_is_said_to_be_chosen_on_its_own_runs(
    facts: ModelFacts, page: ModuleType, tmp_path: Path
) -> None:
    lines = planted(facts, PLAN, by_depth, by_depth, tasks=("a",), seeds=1)
    text = page.write_page(tmp_path / "page.md", lines, facts, PLANNED)[0].read_text()
    assert "### 1,500 training examples, 1 seed" in text
    assert "Of every task there is one seed: its oracle is chosen on the dev scores of the very runs" in text
    assert f" | {page.NOT_RUN} | " in text  # no constant
    assert "| probe | " in text


def test_a_task_with_fewer_examples_than_were_drawn_stands_beside_the_others(
    facts: ModelFacts, page: ModuleType, tmp_path: Path
) -> None:
    lines = planted(facts, PLAN, by_depth, by_depth)
    lines = [replace(one, n=1200) if one.task == "a" else one for one in lines]
    text = page.write_page(tmp_path / "page.md", lines, facts, PLANNED)[0].read_text()
    assert text.count("### ") == 1
    assert "### 1,500 training examples" in text
    assert "there are no more: a (1,200)." in text
