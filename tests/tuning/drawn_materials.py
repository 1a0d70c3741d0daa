"""What drawn plans are applied to: three tiny models, six tasks of a few sentences, with and without a cache."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tiny_models import tiny_headed, tiny_model
from tuned_runs import examples, plan_of

from probekit import ActivationCache, Corpus, extract
from probekit.tasks import ProbeTask, Target
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.training.run import run_plan

FEW = {"train": 6, "dev": 3, "test": 2}
HEADED = {"bert": "AutoModelForMaskedLM", "gpt2": "AutoModelForCausalLM"}
FAMILIES = ("bert", "gpt2", "albert")
"""A masked and a causal model with their own heads, and one whose blocks share their parameters."""
TASKS = ("pos", "label", "numbers", "pairs", "spans", "text")


def _pairs(example: Any) -> list[Target]:
    n = len(example.words)
    return [Target(((i, i + 1), (i + 1, n)), "even" if i % 2 else "odd") for i in range(n - 1)]


def _spans(example: Any) -> list[Target]:
    n = len(example.words)
    return [Target(((0, i + 1),), "long" if i > 2 else "short") for i in range(n)]


OWN = {
    "pairs": ProbeTask(name="pairs", kind="pair", targets=_pairs),
    "spans": ProbeTask(name="spans", kind="span", targets=_spans),
    "numbers": ProbeTask(
        name="length", kind="sentence", targets=lambda example: [Target(((0, len(example.words)),), len(example.words))]
    ),
}


def corpus() -> Corpus:
    return Corpus.from_examples(examples(3, FEW), name="few")


@cache
def folder_of(family: str) -> str:
    return str(tiny_headed(family, HEADED[family]) if family in HEADED else tiny_model(family))


@cache
def cached(family: str) -> ActivationCache:
    place = tiny_model(family).parent / f"grammar-{family}"
    return ActivationCache.open(extract(folder_of(family), corpus(), cache=place, device="cpu").cache)


@cache
def materials(family: str, task: str, on: bool) -> Materials:
    return gather(
        OWN.get(task, task),
        model=folder_of(family),
        corpus=corpus(),
        on=cached(family) if on else None,
        targets="numbers" if task == "numbers" else None,
        device="cpu",
    )


@cache
def other() -> str:
    """A corpus in a file, for what is learned from beside the task."""
    file = tiny_model("bert").parent / "beside.jsonl"
    lines = [
        {
            "id": one.id,
            "words": one.words,
            "split": one.split,
            **one.annotations,
            "augmented": " ".join(one.words[::-1]),
        }
        for one in examples(5, FEW)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(file)


@cache
def tuned(family: str, task: str) -> str:
    """A run of the task, to learn from."""
    own = materials(family, task, False)
    plan = plan_of(own, "head-only", "loop.epochs=1")
    return str(run_plan(own, plan, tiny_model(family).parent / f"tuned-{family}-{task}").folder)
