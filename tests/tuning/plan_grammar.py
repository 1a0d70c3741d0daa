"""A grammar of plans as they are typed: every field, every member of every catalogue with its options, sound or not."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from drawn_materials import FAMILIES, HEADED, TASKS, other, tuned
from hypothesis import strategies as st
from tiny_models import LAYERS

from probekit.tuning.closeness import CLOSENESS
from probekit.tuning.heads import HEADS, POOLS
from probekit.tuning.modules import MODULES
from probekit.tuning.rates import RATES
from probekit.tuning.schedules import SCHEDULES
from probekit.tuning.signals import SIGNALS
from probekit.tuning.slices import SLICES

BASES = ("full", "head-only", "top:1", "ulmfit", "adapters", "uniform", "constant:depth=2")

ODD = ("-1", "0", "nan", "1e400", "inf", "null", "true", "[1]", "{}", "x", "", "2.5", "10000000000000", "1" + 30 * "0")
"""Values that hardly any field takes."""
SLICED = (
    "length:min=4", "length:min=2,max=6", "contains:pattern=^[a-m]", "contains:the", "column:label=long", "negation",
    "question", "rare:below=2,share=0.5",
)  # fmt: skip
"""Slices that can be told of any task that does not predict what they read."""
FILES = ("on", "rows", "file")
"""Options that name a corpus."""
TEXTS = {
    "place": ("mlp", "attention", "both", "block"),
    "norm": ("layer", "batch", "none"),
    "sampling": ("annealed", "root", "proportional"),
    "targets": ("labels", "numbers"),
    "labels": ("model", "data"),
    "to": ("attention", "mlp", "all", "augmented"),
    "views": ("left+right", "left", "right+lower", "lower", "first+last"),
    "head": ("linear", "mlp", "crf", "span", "lm", "bilstm"),
    "name": ("label", "upos", "nowhere"),
    "value": ("long", "A"),
    "pattern": ("^a", "("),
}
"""What options that are texts take, by their names."""


@dataclass(frozen=True)
class Drawn:
    """What is asked for: a model, a task, whether states are cached, a plan of the catalogue, what is typed of it.

    ``slices`` are as ``--slices`` has them, ``errors`` among them.
    """

    family: str
    task: str
    on: bool
    base: str
    changes: tuple[str, ...]
    modules: tuple[str, ...]
    close: tuple[str, ...]
    signals: tuple[str, ...]
    slices: tuple[str, ...]
    first: tuple[str, ...]


@dataclass(frozen=True)
class Hand:
    """Who types: one that is wild now and then names a value, a place or a member that does not fit."""

    draw: st.DrawFn
    wild: bool

    def lot(self, one_in: int) -> bool:
        """Whether something that is sound happens."""
        return self.draw(st.integers(1, one_in)) == one_in

    def slips(self, one_in: int) -> bool:
        """Whether something happens that may not be sound."""
        return self.wild and self.lot(one_in)

    def one(self, *some: Any) -> Any:
        """Take one of some."""
        return self.draw(st.sampled_from(some))

    def value(self, *sound: str) -> str:
        """A value, or an odd one."""
        return str(self.one(*(ODD if self.slips(20) else sound)))

    def depths(self, low: int, high: int) -> list[int]:
        """Some depths, ascending."""
        return sorted(self.draw(st.sets(st.integers(low, high)))) if low <= high else []

    def options(self, build: Any, needed: Sequence[str] = ()) -> list[str]:
        """Options of a member by its signature, now and then one that it has not."""
        known = {name: default for name, default in options_of(build).items() if name != "epochs"}
        chosen = [name for name in known if name in needed or self.lot(4)]
        typed = [f"{name}={self.option(name, known[name])}" for name in chosen]
        return [*typed, "nothing=1"] if self.slips(40) else typed

    def option(self, name: str, default: Any) -> str:
        """A value of an option by its name and its default."""
        if name in FILES:
            return self.value(other(), "nowhere.jsonl") if self.slips(3) else other()
        if isinstance(default, bool):
            return self.value("true", "false")
        if isinstance(default, str):
            return self.value(*TEXTS.get(name, (default or "x",)))
        if isinstance(default, int):
            return self.value("1", "2", "4", *(("0", "3") if self.wild else ()))
        if default >= 1:
            return self.value("1", "2", "32", *(("0", "0.5") if self.wild else ()))
        return self.value("0.1", "0.5", *(("0", "1", "2") if self.wild else ()))

    def member(self, registry: Any, attribute: str = "build", *, names: Sequence[str] = ()) -> tuple[str, list[str]]:
        """A member of a catalogue with options of its own."""
        members = registry.members()
        name = self.one(*(names or sorted(members)))
        return name, self.options(getattr(members[name], attribute))


@cache
def options_of(build: Any) -> dict[str, Any]:
    parameters = inspect.signature(build).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}


def _typed(name: str, options: Sequence[str]) -> str:
    return f"{name}:{','.join(options)}" if options else name


def _listed(some: Sequence[Any]) -> str:
    return ",".join(map(str, some))


def _shape(hand: Hand, keep: int, top: int) -> list[str]:
    """What is kept, read and trained."""
    read = sorted({*hand.depths(0, top), top}) if hand.lot(3) else [top]
    train = hand.depths(0, top) or ([] if hand.lot(3) else [top])
    if hand.slips(6):
        train = [*train, LAYERS + 1]
    found = [f"keep={keep}", f"read={_listed(read)}", f"train={_listed(train)}"]
    if len(read) > 1 and hand.lot(2):
        found.append(f"read.mix={_listed([1 / len(read)] * len(read))}")
    return found


def _head(hand: Hand, task: str) -> list[str]:
    fits = sorted(name for name, head in HEADS.members().items() if _fits(head, task))
    name, options = hand.member(HEADS, names=() if hand.slips(4) else fits)
    pool = hand.one(*POOLS, "middle") if hand.slips(4) else hand.one(*HEADS.members()[name].pools)
    return [f"head={_typed(name, options)}", f"read.pool={pool}"]


def _loop(hand: Hand) -> list[str]:
    choices = {
        "accumulate": ("1", "2", "3"),
        "clip": ("null", "0.5", "1"),
        "patience": ("null", "1", "2"),
        "seed": ("0", "1", "7"),
        "weight_decay": ("0", "0.1", "1"),
        "precision": ("float32", "bfloat16"),
    }
    found = [f"loop.epochs={hand.one(1, 2, 3)}", f"loop.batch_tokens={hand.one(64, 16, 512, 1)}"]
    return [*found, *(f"loop.{name}={hand.value(*values)}" for name, values in choices.items() if hand.lot(5))]


def _rate(hand: Hand) -> list[str]:
    found = [f"rate={_typed(*hand.member(RATES, 'share'))}", f"rate.peak={hand.one('1e-3', '1e-4', '1e-2', '1e-9')}"]
    if hand.lot(2):
        found.append(f"rate.head_peak={hand.value('1e-3', '1e-2', 'null')}")
    if hand.lot(3):
        found.append(f"rate.depth_factor={hand.value('0.5', '0.9', '1', '1e-30')}")
    return found


def _module(hand: Hand, top: int) -> str:
    spelled = _typed(*hand.member(MODULES))
    depths = hand.depths(0, LAYERS) if hand.slips(4) else hand.depths(1, top) or [max(1, top)]
    return spelled if hand.slips(8) else f"{spelled}@{_listed(depths)}"


def _close(hand: Hand) -> str:
    name = hand.one(*sorted(CLOSENESS.members()))
    build = CLOSENESS.members()[name].build
    needed = [one for one in options_of(build) if one in (*FILES, "layer") and not hand.slips(4)]
    options = [one for one in hand.options(build, needed) if not one.startswith(("strength=", "examples="))]
    if "examples" in options_of(build):
        options.append("examples=2")
    return _typed(name, [hand.value("0.1", "1", "100", "0"), *options])


def _slice(hand: Hand, task: str) -> str:
    """A slice by one condition or two."""
    sound = [one for one in SLICED if task != "label" or "label" not in one]
    given = [hand.one(*sound) for _ in range(2 if hand.lot(4) else 1)]
    if hand.slips(3):
        given[0] = _typed(*hand.member(SLICES))
    return "+".join(dict.fromkeys(given))


def _search(hand: Hand) -> str:
    """A search for slices in what a run gets wrong, of dev or of two folds of training."""
    return f"errors:least=1,most={hand.value('1', '2')}{hand.one('', '', ',of=train,folds=2')}"


def _stage(hand: Hand, family: str, signals: Sequence[str], task: str) -> str:
    """A stage of an epoch before the task."""
    needs = task == "text" or any(one.startswith("lm") for one in signals)
    fits = ["lm"] if family in HEADED else []
    name = hand.one(
        *(["lm", "pos", "label", "nothing"] if hand.slips(4) else fits if needs else [*fits, "pos", "label"])
    )
    options = ["epochs=1", *([f"examples={hand.value('2', '4')}"] if hand.lot(2) else [])]
    if hand.lot(4) and name != "lm":
        options.append(f"head={hand.one('linear', 'mlp', *(('crf', 'x') if hand.slips(3) else ()))}")
    return f"{name}@{'nowhere.jsonl' if hand.slips(10) else other()}:{','.join(options)}"


def _signal(hand: Hand, family: str, task: str, slices: Sequence[str]) -> str:
    unfit = set() if slices else {"slices", "upweight"}
    unfit |= {"lm"} if family not in HEADED or task == "text" else set()
    unfit |= {"consistency", "cross-view"} if task in ("pairs", "spans", "text") else set()
    unfit |= {"teacher"} if task == "text" else set()
    unfit |= {"augmented"} if task not in ("label", "numbers") else set()
    name = hand.one(*sorted(SIGNALS.members() if hand.slips(4) else set(SIGNALS.members()) - unfit))
    build = SIGNALS.members()[name].build
    options = hand.options(build, [one for one in options_of(build) if one in FILES and not hand.slips(8)])
    if name == "teacher" and not hand.slips(4):
        options = [f"of={tuned(family, task)}", *(one for one in options if not one.startswith("of="))]
    if name == "multitask":
        options = [one.replace("on=", f"on={hand.one('pos', 'label')}@") for one in options]
        if hand.slips(3):
            options = [one for one in options if not one.startswith("head=")]
    weight = hand.one("", "1", "0", "0.5", "0.5..0.1", "0..1", *(("-1", "1..0..1") if hand.wild else ()))
    return _typed(name, [*([weight] if weight else []), *options])


FIELDS = (
    "keep", "read", "read.mix", "read.pool", "read.beside", "train", "head", "head.options.dropout", "modules", "close",
    "signals", "schedule", "rate", "rate.peak", "rate.head_peak", "rate.depth_factor", "loop", "loop.epochs",
    "loop.batch_tokens", "loop.clip", "task", "report", "nothing",
)  # fmt: skip


@st.composite
def asked(draw: st.DrawFn) -> Drawn:
    """Draw what is asked for."""
    hand = Hand(draw, draw(st.integers(0, 2)) == 0)
    family = hand.one(*FAMILIES)
    task = hand.one(*(one for one in TASKS if one != "text" or family in HEADED))
    on = family in HEADED and (family, task) != ("bert", "text") and hand.lot(5)
    keep = hand.one(3, 2, 1, 0)
    top = keep if task == "text" or hand.lot(2) else hand.one(*range(keep + 1))
    changes = [*_shape(hand, keep, top), *_head(hand, task), *_loop(hand), *_rate(hand)]
    changes.append(f"schedule={_typed(*hand.member(SCHEDULES, 'trains'))}")
    if hand.slips(3):
        changes.append(f"{hand.one(*FIELDS)}={hand.one(*ODD)}")
    stages = hand.lot(6) and keep > 0 and (family in HEADED or task != "text")
    searched = task != "text" and hand.lot(12)
    few = (0, 0, 0, 1) if stages or searched else (0, 0, 1, 2)  # most of what has much is refused
    slices = [_slice(hand, task) for _ in range(hand.one(*few))] if task != "text" or hand.slips(4) else []
    slices += [_search(hand)] if searched else []
    modules, close, signals = (
        tuple(make() for _ in range(hand.one(*few) if sound or hand.slips(4) else 0))
        for make, sound in (
            (lambda: _module(hand, top), top > 0),
            (lambda: _close(hand), True),
            (lambda: _signal(hand, family, task, slices), True),
        )
    )
    first = (_stage(hand, family, signals, task),) if stages else ()
    bases = BASES if top == LAYERS else [one for one in BASES if one != "adapters"]
    return Drawn(
        family, task, on, hand.one(*bases), tuple(changes), modules, close, signals, tuple(dict.fromkeys(slices)), first
    )


def _fits(head: Any, task: str) -> bool:
    kind = {"pos": "word", "pairs": "pair", "spans": "span"}.get(task, "sentence")
    targets = task if task in ("numbers", "text") else "labels"
    return kind in head.kinds and targets in head.targets
