"""The JSON of a plan, changed anywhere: refused by the name of what is wrong, or read as it stands and then run so."""

from __future__ import annotations

import copy
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from drawn_materials import materials, other
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probekit.errors import CacheError, InputError, ProbekitError
from probekit.tuning.plan import TunePlan
from probekit.tuning.training.run import Running, run_plan
from probekit.tuning.training.watching import Moment
from probekit.tuning.tune import plan_for

Path_ = tuple[str | int, ...]
MISSING = object()
ODD = (
    None, True, False, -1, 0, 1, 3, 0.5, 1.5, -0.5, 1e300, 10**30, 5e-324, "", "x", "3", "text", "lm", "\0", "ü" * 300,
    [], [1], ["x"], [[]], {}, {"name": "x"}, {"x": 1},
)  # fmt: skip
"""Values that fit hardly anywhere."""


@dataclass(frozen=True)
class Mutated:
    """A document, what was changed in it, and what stands there now."""

    document: Any
    path: Path_
    value: Any

    @property
    def fields(self) -> list[str]:
        """Names on the way to what was changed, the nearest first."""
        return [part for part in reversed(self.path) if isinstance(part, str)]


class Enough(Exception):
    """One step was taken."""


@cache
def sound() -> tuple[dict[str, Any], ...]:
    """Plans of one task that have something in every place."""
    file, short = other(), ("keep=3", "read=2,3", "loop.epochs=1", "rate.head_peak=1e-3", "head=mlp:hidden=8")
    rich = [
        [
            *short, "read.mix=0.5,0.5", "train=1-3", "schedule=gradual:epochs_each=1", "rate=warmup-linear:warmup=0.2",
            "modules=bottleneck:4@2;conv@3", "close=l2-sp:0.1;distill:0.5", f"signals=lm:0.2..0.1;label@{file}:0.5",
            f"first=lm@{file}:epochs=1,examples=4", "slices=length:min=3+contains:pattern=a;column:label=long",
        ],
        [
            *short, "train=3", "schedule=sequential", "modules=lora:r=2@1-3", f"signals=consistency:1,on={file};slices",
            f"first=label@{file}:epochs=1,head=linear", "slices=rare:below=2,share=0.5;question",
            "close=distill:1,layer=3",
        ],
    ]  # fmt: skip
    own = materials("bert", "pos", False)
    return tuple(json.loads(replace(plan_for(own, "full", changes=changes), why=()).text()) for changes in rich)


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every place of a document, the whole among them."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def at(document: Any, path: Path_) -> Any:
    for part in path:
        document = document[part]
    return document


@st.composite
def mutated(draw: st.DrawFn) -> Mutated:
    """Take out, replace, rename or add."""
    document = copy.deepcopy(draw(st.sampled_from(sound())))
    path = draw(st.sampled_from([path for path in places(document) if path]))
    *above, last = path
    place, value = at(document, tuple(above)), draw(st.sampled_from(ODD))
    way = draw(st.sampled_from(["replace", "replace", "replace", "take out", "another's", "add", "rename", "twice"]))
    if way == "another's":  # a value that fits elsewhere
        value = copy.deepcopy(at(document, draw(st.sampled_from([*places(document)]))))
    if way == "add" and isinstance(at(document, path), dict):
        place, path, last = at(document, path), (*path, "nothing"), "nothing"
    if way in ("rename", "take out"):
        taken, value = place.pop(last), MISSING
        if way == "rename" and isinstance(last, str):
            place[f"{last}s"] = taken
    elif way == "twice" and isinstance(place, list):
        value = copy.deepcopy(place[last])
        place.append(value)
    else:
        place[last] = value
    return Mutated(document, path, value)


def same(given: Any, back: Any) -> bool:
    """Whether what was read is what was given: no text a number, no truth a number, nothing left aside.

    What may be written shorter is the same: one depth for a list of one, ``lm`` for the task ``text``.
    """
    if isinstance(given, dict):
        return isinstance(back, dict) and all(key in back and same(value, back[key]) for key, value in given.items())
    if isinstance(given, list):
        return isinstance(back, list) and len(given) == len(back) and all(map(same, given, back))
    if type(given) is int and isinstance(back, list):
        return back == [given]
    if type(back) is float:
        return type(given) in (int, float) and float(given) == back
    return (given == back and type(given) is type(back)) or (given, back) == ("lm", "text")


def named(message: str, mutation: Mutated) -> bool:
    """Whether a message names the field that was changed, what it belongs to, its entry of a list, or its value."""
    near = {*mutation.fields[:2], mutation.fields[-1]}
    known = {*near, *(name.removesuffix("s") for name in near)}
    known |= {mutation.value} if isinstance(mutation.value, str) and len(mutation.value) > 1 else set()
    if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) for name in known):
        return True
    entry = f"{mutation.path[0]}[" if any(isinstance(part, int) for part in mutation.path) else None
    return (entry or "no entry") in message


def read(document: Any) -> TunePlan | str:
    """Read a plan; return why not, where it is none."""
    try:
        return TunePlan.from_json(document)
    except (InputError, CacheError) as error:
        return str(error)


def step(plan: TunePlan, folder: Path) -> str:
    """Run a plan for a step, of its task or of a stage; return why not, where it does not."""

    def watch(moment: Moment) -> None:
        raise Enough

    own = materials("bert", "pos", False)
    try:
        run_plan(own, plan_for(own, plan), folder, running=Running(watch=watch))
    except Enough:
        return ""
    except ProbekitError as error:
        return str(error)
    raise AssertionError("it trains, and no step was seen")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_mutated_plan_is_refused_by_name_or_read_as_it_stands(mutation: Mutated) -> None:
    plan = read(mutation.document)
    if isinstance(plan, str):
        assert named(plan, mutation), plan
        return
    assert same(mutation.document, plan.to_json())
    assert TunePlan.from_json(json.loads(plan.text())) == plan
    with tempfile.TemporaryDirectory() as folder:
        said = step(plan, Path(folder) / "run")
    assert not said or named(said, mutation), said


def test_sound_plans_take_a_step(tmp_path: Path) -> None:
    """What is changed above is not refused for what it was before."""
    for number, document in enumerate(sound()):
        assert step(TunePlan.from_json(document), tmp_path / str(number)) == ""


@pytest.mark.parametrize(("given", "back"), [(1, True), ("3", 3), ([1], [1, 2]), ({"a": 1}, {}), (None, 0), (1, 2.0)])
def test_what_is_read_otherwise_is_seen(given: Any, back: Any) -> None:
    assert not same(given, back)
