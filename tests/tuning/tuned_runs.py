"""Small runs to test: a corpus of made-up words, what a plan is applied to, a plan, a trainer."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_models import tiny_model, training_text

from probekit import ActivationCache, Corpus, Example, extract
from probekit.tasks import ProbeTask
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.network.feed import Feed
from probekit.tuning.network.network import Network
from probekit.tuning.plan import TunePlan
from probekit.tuning.plans import make_plan
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.training.loop import Trainer
from probekit.tuning.training.processes import Processes
from probekit.tuning.training.run import network_of

SPLITS = {"train": 24, "dev": 8, "test": 8}
CLASSES = ("A", "B", "C")


def examples(seed: int = 0, splits: dict[str, int] = SPLITS) -> list[Example]:
    """Sentences of 1 to 12 words: a label a word, of its first letter; a label and a number a sentence."""
    draw = np.random.default_rng(seed)
    words = [word for word in dict.fromkeys(" ".join(training_text()[2:60]).split()) if word.isalpha()]
    made = []
    for split, count in splits.items():
        for number in range(count):
            own = tuple(draw.choice(words, int(draw.integers(1, 13))).tolist())
            made.append(
                Example(
                    f"{split}-{number}",
                    own,
                    annotations={
                        "upos": tuple(CLASSES[ord(word[0].lower()) % 3] for word in own),
                        "label": "long" if len(own) > 6 else "short",
                        "score": float(len(own)),
                    },
                    split=split,
                )
            )
    return made


def corpus(seed: int = 0, splits: dict[str, int] = SPLITS) -> Corpus:
    return Corpus.from_examples(examples(seed, splits), name="made-up")


def rewritten(**annotations: Any) -> Corpus:
    """The corpus with functions of an example in the place of its annotations."""
    new = [
        replace(own, annotations={**own.annotations, **{name: make(own) for name, make in annotations.items()}})
        for own in examples()
    ]
    return Corpus.from_examples(new, name="made-up")


@cache
def cached(family: str) -> ActivationCache:
    folder = tempfile.mkdtemp(prefix="tuned-runs-")
    import atexit
    import shutil

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return ActivationCache.open(extract(str(tiny_model(family)), corpus(), cache=folder, device="cpu").cache)


@cache
def materials(
    family: str = "bert", task: str | ProbeTask = "pos", *, on: bool = False, targets: str = "labels"
) -> Materials:
    return gather(
        task,
        model=str(tiny_model(family)),
        corpus=corpus(),
        on=cached(family) if on else None,
        targets=targets,
        device="cpu",
    )


def plan_of(own: Materials, name: str = "full", *changes: str) -> TunePlan:
    """A plan of the catalogue, short and quick; what is changed last counts."""
    usual = ("loop.epochs=2", "loop.batch_tokens=48", "rate=constant", "rate.peak=0.003", "head=linear:dropout=0")
    data = own.data
    made = make_plan(name, own.facts, data.task.name, kind=data.task.kind)
    return made.with_set(*usual).with_set(*changes)


def without_dropout(network: Network) -> Network:
    """Rates of dropout of a body at 0, so that cutting batches otherwise draws nothing else."""
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in ("dropout_p", "dropout_prob", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return network


def trainer_of(
    own: Materials,
    plan: TunePlan,
    folder: Path,
    *,
    cache: bool = True,
    once: bool = True,
    data: TuningData | None = None,
    dropout: bool = True,
    **options: Any,
) -> Trainer:
    network = network_of(own, plan)
    if not dropout:
        without_dropout(network)
    data = data or own.data
    feed = Feed(network, data, cache=own.cache if cache else None, batch_tokens=plan.loop.batch_tokens, once=once)
    feed.measure(min(plan.depths))
    return Trainer(plan, feed, RunFolder(folder), processes=Processes(torch.device("cpu")), **options)


def log_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of a log, without what a clock says."""
    import json

    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in log_of(folder) if "loss" in row]


def tensors_of(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.tensors()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert set(one) == set(other)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
