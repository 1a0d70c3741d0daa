"""Schedules and rates: traces as the papers describe them, pure functions, open to other packages."""

from __future__ import annotations

import ast
import inspect
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugins import install

from probekit.errors import UsageError
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.course import Course, Stage
from probekit.tuning.rates import RATES, by_depth, get_rate
from probekit.tuning.schedules import SCHEDULES, get_schedule

DEPTHS = range(5)
"""Embeddings, three blocks, the head."""


def trace(name: str, epochs: float, *, at: list[float], **options: Any) -> list[str]:
    trains = get_schedule(name).bind(epochs, options)
    return ["".join(map(str, sorted(trains(DEPTHS, epoch)))) for epoch in at]


@pytest.mark.parametrize(
    ("name", "options", "each"),
    [
        ("full", {}, ["01234", "01234", "01234"]),
        ("top", {}, ["4", "4"]),
        ("top", {"blocks": 2}, ["234", "234"]),
        ("top", {"blocks": 9}, ["01234"]),
        # "we first unfreeze the last layer and fine-tune all unfrozen layers for one epoch. We then unfreeze the next
        # lower frozen layer and repeat" (Howard & Ruder 2018, 3.3).
        ("gradual", {}, ["4", "34", "234", "1234", "01234", "01234"]),
        ("gradual", {"epochs_each": 2}, ["4", "4", "34", "34", "234", "234", "1234"]),
        # "first fine-tunes any new layers ... then fine-tunes each layer individually starting from the first ...
        # finally the entire model is trained" (Felbo et al. 2017, 3.3).
        ("chain-thaw", {}, ["4", "0", "1", "2", "3", "01234"]),
        # "fine-tune only the new layers for n - 1 epochs. At the nth epoch, unfreeze the pretrained hidden layers ...
        # until the kth epoch, then unfreeze the embedding layer" (Chronopoulou et al. 2019, 2.2).
        ("sequential", {}, ["4", "1234", "01234", "01234"]),
        ("sequential", {"blocks_at": 2, "embeddings_at": 3}, ["4", "4", "1234", "01234"]),
    ],
)
def test_a_trace_is_the_paper_s(name: str, options: dict[str, Any], each: list[str]) -> None:
    assert trace(name, len(each), at=[float(epoch) for epoch in range(len(each))], **options) == each
    assert trace(name, len(each), at=[epoch + 0.99 for epoch in range(len(each))], **options) == each


def test_turns_begin_at_a_step_and_not_one_behind_it() -> None:
    for steps in (3, 7, 49):  # 1 / 49 is not a number of the machine
        at = [step / steps for step in range(6 * steps)]
        assert trace("gradual", 6, at=at) == [
            name for name in ("4", "34", "234", "1234", "01234", "01234") for _ in range(steps)
        ]
        assert trace("chain-thaw", 6, at=at) == [
            name for name in ("4", "0", "1", "2", "3", "01234") for _ in range(steps)
        ]


def test_chain_thaw_gives_every_turn_as_many_steps() -> None:
    shown = trace("chain-thaw", 3, at=[step / 20 for step in range(60)])
    assert [shown.count(turn) for turn in ("4", "0", "1", "2", "3", "01234")] == [10] * 6


def test_blocks_are_what_stands_above_the_embeddings() -> None:
    """A plan may leave depths out: the lowest that trains need not be the embeddings."""
    trains = get_schedule("sequential").bind(9, {})
    assert trains((2, 3, 4), 1.0) == trains((2, 3, 4), 2.0) == {2, 3, 4}
    assert trains((0, 3, 4), 1.0) == {3, 4}


@pytest.mark.parametrize("name", sorted(SCHEDULES.members()))
def test_every_schedule_is_a_pure_function_of_the_depths(name: str) -> None:
    for count in (1, 2, 14, 50):
        for epochs in (1, 2.5, 40):
            trains = get_schedule(name).bind(epochs, {})
            at = [epochs * part / 23 for part in range(23)]
            first = [trains(range(count), epoch) for epoch in at]
            assert [trains(range(count), epoch) for epoch in reversed(at)] == first[::-1]
            assert all(found and found <= set(range(count)) for found in first)
            assert count - 1 in first[0], "what is new trains first"


# Rates.


def curve(name: str, total: int, **options: Any) -> list[float]:
    share = get_rate(name).bind(options)
    return [share(step, total) for step in range(total)]


def test_slanted_triangular_is_equation_3() -> None:
    found = curve("slanted-triangular", 100)
    shown = {step: found[step] for step in (0, 5, 10, 55, 99)}
    assert shown == pytest.approx({0: 1 / 32, 5: 16.5 / 32, 10: 1, 55: 16.5 / 32, 99: (1 + 31 / 90) / 32})
    assert get_rate("slanted-triangular").bind({})(100, 100) == pytest.approx(1 / 32)
    assert (
        max(curve("slanted-triangular", 40, cut_fraction=0.5)) == curve("slanted-triangular", 40, cut_fraction=0.5)[20]
    )
    assert curve("slanted-triangular", 100, ratio=8)[0] == pytest.approx(1 / 8)


def test_warm_up_goes_up_along_a_line_and_down_to_nothing() -> None:
    assert curve("warmup-linear", 20)[:4] == pytest.approx([0, 0.5, 1, 17 / 18])
    assert curve("warmup-linear", 20)[-1] == pytest.approx(1 / 18)
    cosine = curve("warmup-cosine", 20)
    assert cosine[:3] == pytest.approx([0, 0.5, 1])
    assert cosine[11] == pytest.approx(0.5)
    assert cosine[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 17 / 18)))
    assert curve("warmup-linear", 4, warmup=0) == pytest.approx([1, 0.75, 0.5, 0.25])
    assert curve("constant", 3) == [1, 1, 1]


@pytest.mark.parametrize("name", sorted(RATES.members()))
def test_every_shape_has_one_peak_and_ends_with_its_last_rate(name: str) -> None:
    share = get_rate(name).bind({})
    for total in (1, 2, 3, 9, 10, 11, 97, 1000):
        found = [share(step, total) for step in range(total)]
        assert [share(step, total) for step in reversed(range(total))] == found[::-1]
        assert all(0 <= value <= 1 for value in found)
        peak = found.index(max(found))
        assert found[: peak + 1] == sorted(found[: peak + 1])
        assert found[peak:] == sorted(found[peak:], reverse=True)
        # The last step that is stepped, not the one behind it, is where the shape ends: one more would go on down.
        assert found[-1] == min(found[peak:])
        assert total == 1 or share(total, total) <= found[-1]


def test_rates_fall_by_a_factor_a_depth() -> None:
    assert [by_depth(depth, 3, 0.5) for depth in range(4)] == [0.125, 0.25, 0.5, 1]
    assert by_depth(0, 3, 1.0) == 1


# Options.


@pytest.mark.parametrize(
    ("get", "name", "options", "message"),
    [
        (get_schedule, "gradual", {"epochs_each": 0}, "`epochs_each` of the schedule 'gradual' must be over 0. Got 0"),
        (get_schedule, "gradual", {"epochs_each": "x"}, "must be a number. Got 'x'"),
        (get_schedule, "gradual", {"epochs_each": True}, "must be a number"),
        (get_schedule, "gradual", {"epochs_each": "inf"}, "must be a number"),
        (get_schedule, "gradual", {"epoch_each": 1}, "Did you mean 'epochs_each'"),
        (get_schedule, "gradual", {"epochs": 1}, "no option 'epochs'; it has epochs_each"),
        (get_schedule, "full", {"blocks": 1}, "no option 'blocks'; it has none"),
        (get_schedule, "top", {"blocks": -1}, "`blocks` .* 0 or more"),
        (get_schedule, "top", {"blocks": 1.5}, "must be a whole number"),
        (get_schedule, "sequential", {"blocks_at": -1}, "0 or more"),
        (get_rate, "slanted-triangular", {"cut_fraction": 0}, "over 0 and at most 1"),
        (get_rate, "slanted-triangular", {"ratio": 0.5}, "1 or more"),
        (get_rate, "warmup-linear", {"warmup": 1.1}, "from 0 to 1"),
        (get_rate, "warmup-cosine", {"warmup": float("nan")}, "must be a number"),
    ],
)
def test_an_option_out_of_its_range_is_refused(get: Any, name: str, options: dict[str, Any], message: str) -> None:
    bind = get(name).bind
    with pytest.raises(UsageError, match=message):
        bind(3, options) if get is get_schedule else bind(options)


@pytest.mark.parametrize("registry", [SCHEDULES, RATES], ids=["schedules", "rates"])
def test_every_member_says_what_it_is_and_each_option_has_a_range(registry: Any) -> None:
    for name, entry in registry.entries().items():
        assert Path(entry.place).stem == name.replace("-", "_")
        assert entry.doc
        assert entry.member.help
        function = getattr(entry.member, "trains", None) or entry.member.share
        assert "import torch" not in Path(entry.place).read_text()
        ast.parse(inspect.getsource(function))
        for option in inspect.signature(function).parameters.values():
            if option.kind is option.KEYWORD_ONLY and option.name != "epochs":
                assert option.annotation in ("Count", "Positive", "NotNegative", "Part", "PartOrNone", "FromOne")


OTHERS = '''"""Every other depth, at half the rate."""
from probekit.tuning.rates import Rate
from probekit.tuning.schedules import Schedule

SCHEDULE = Schedule("odd", lambda depths, epoch: frozenset(depth for depth in depths if depth % 2), "odd depths")
RATE = Rate("half", lambda step, total: 0.5, "half of the peak")
'''


def test_other_packages_add_schedules_and_rates(tmp_path: Path) -> None:
    points = {"probekit.schedules": ["odd = others:SCHEDULE"], "probekit.rates": ["half = others:RATE"]}
    install(tmp_path, "others", {"others.py": OTHERS}, points)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from probekit.tuning.rates import get_rate\n"
        "from probekit.tuning.schedules import get_schedule\n"
        "print(sorted(get_schedule('odd').bind(1, {})(range(5), 0)), get_rate('half').bind({})(0, 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[1, 3] 0.5\n", "")


# The course of a plan.


def test_a_course_has_the_stages_of_the_plan_s_own_depths(plan: TunePlan) -> None:
    assert plan.depths == (3, 4, 5)
    course = Course(plan, 10)
    assert course.steps == 50
    assert course.stages() == [
        Stage(0, 10, frozenset([5])),
        Stage(10, 20, frozenset([4, 5])),
        Stage(20, 50, frozenset([3, 4, 5])),
    ]
    thawed = Course(plan.with_set("schedule=chain-thaw", "loop.epochs=4"), 10).stages()
    assert [sorted(stage.trains) for stage in thawed] == [[5], [3], [4], [3, 4, 5]]
    assert [stage.end - stage.first for stage in thawed] == [10] * 4


def test_a_course_s_rates_are_those_of_the_plan(plan: TunePlan) -> None:
    course = Course(plan, 10)
    assert course.peaks == pytest.approx({3: 0.9e-4, 4: 1e-4, 5: 1e-3})
    assert course.rates(5) == pytest.approx({5: 1e-3})
    assert set(course.rates(49)) == {3, 4, 5}
    assert course.rates(49)[5] == pytest.approx(1e-3 * curve("slanted-triangular", 50)[-1])
    assert Course(plan.with_set("rate.head_peak=null"), 10).peaks[5] == 1e-4


def test_the_frame_is_what_the_course_says(plan: TunePlan) -> None:
    course = Course(plan, 4)
    frame = course.frame()
    assert list(frame.columns) == ["step", "epoch", "depth", "trains", "rate"]
    assert len(frame) == 20 * 6
    for step, lines in frame.groupby("step"):
        rates = {line.depth: line.rate for line in lines.itertuples() if line.trains}
        assert rates == course.rates(int(step))  # type: ignore[call-overload]
    assert (frame.rate[~frame.trains] == 0).all()


# Its picture.


@pytest.fixture
def ax() -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(4, 3), layout="constrained").subplots()


def test_a_picture_is_white_where_frozen_and_darker_where_the_rate_is_higher(plan: TunePlan, ax: Any) -> None:
    from probekit.tuning.planning.draw import PALEST, draw_plan

    assert draw_plan(plan, ax, steps_each=10) is ax
    shades = ax.images[0].get_array()
    assert shades.shape == (6, 50)
    course = Course(plan, 10)
    for step in range(50):
        rates = course.rates(step)
        assert all((shades[depth, step] == 0) == (depth not in rates) for depth in range(6))
        assert all(shades[depth, step] >= PALEST for depth in rates)
        ordered = sorted(rates, key=lambda depth: rates[depth])
        assert [shades[depth, step] for depth in ordered] == sorted(shades[depth, step] for depth in ordered)
    assert ax.images[0].get_cmap().name == "Greys"


@pytest.mark.parametrize(("n_layers", "epochs"), [(1, 1), (6, 5), (48, 40)])
def test_labels_never_crowd(make_facts: Callable[..., Any], ax: Any, n_layers: int, epochs: int) -> None:
    from probekit.tuning.planning.draw import draw_plan
    from probekit.tuning.plans import make_plan

    plan = make_plan("full", make_facts(n_layers=n_layers), "pos").with_set(f"loop.epochs={epochs}")
    draw_plan(plan, ax, steps_each=500)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels[0] == "embeddings"
    assert labels[-1] == "head"
    assert len(labels) <= 16
    assert ax.images[0].get_array().shape[1] <= 500
