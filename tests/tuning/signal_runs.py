"""Runs with signals to test: models with their own heads, a short plan, a corpus in a file to stand beside."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from tiny_models import tiny_headed, tiny_model
from tuned_runs import corpus, examples, plan_of

from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.plan import TunePlan

CLASSES = {"gpt2": "AutoModelForCausalLM", "bert": "AutoModelForMaskedLM"}
SHORT = ("loop.epochs=1", "loop.batch_tokens=48", "loop.accumulate=2", "train=2-3")


@cache
def materials(family: str, task: str = "pos") -> Materials:
    return gather(task, model=str(tiny_headed(family, CLASSES[family])), corpus=corpus(), device="cpu")


def plan(family: str, *changes: str, task: str = "pos") -> TunePlan:
    return plan_of(materials(family, task), "full", *SHORT, *changes)


@cache
def other(count: int = 24) -> Path:
    """A corpus in a file, its sentences labelled by their length, with others that say the same: their words turned."""
    file = tiny_model("bert").parent / f"other-{count}.jsonl"
    made = examples(7, {"train": count, "dev": 4, "test": 4})
    lines = [
        {
            "id": one.id,
            "words": one.words,
            "split": one.split,
            "augmented": " ".join(one.words[::-1]),
            **one.annotations,
        }
        for one in made
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file
