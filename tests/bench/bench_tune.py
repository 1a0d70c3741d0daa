"""Tuning from the cache against the same training that runs all layers, and the loop against a bare one, in one run.

Three ways to the same losses are timed: every batch through all layers; from an extraction that is there, its own
seconds counted beside or not; and, where only a head trains, one run of the model kept in memory, which is what a
corpus without a cache gets. Then steps of the whole model against a loop of forward, loss and AdamW over the same
batches. Losses are compared step by step: a difference over 1e-4 ends the benchmark.

All ways are counted alike: what is imported and opened once a process stands before the clocks; training is what the
bill calls so (sizes, steps, predictions of dev), the job is all from the names to the finished folder (opening the
model and the corpus, scoring dev and test, saving). Beside each clock stands the time of the processor, which other
work on the machine disturbs less; on a GPU it says nothing.

    python tests/bench/bench_tune.py [--sentences 1500] [--epochs 5] [--device auto] [--plans head-only,top:2]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from probekit import extract
from probekit.tuning.data.layout import ExampleBatch, gold_of
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.data.order import epoch_batches
from probekit.tuning.network.feed import Feed
from probekit.tuning.plan import TunePlan
from probekit.tuning.runs.folder import LOG
from probekit.tuning.training.run import Running, network_of, run_plan
from probekit.tuning.tune import plan_for

T = TypeVar("T")
TASK = "pos"
ALIKE = 1e-4
READ = (4, 5, 6)
"""The layers that the two plans may start at."""


@dataclass(frozen=True)
class Spent:
    """Seconds of a clock, and of the processor."""

    clock: float
    processor: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.clock + other.clock, self.processor + other.processor)

    def __str__(self) -> str:
        return f"{self.clock:.2f} s ({self.processor:.2f})"

    def over(self, other: Spent) -> str:
        """Say how often the other goes into this."""
        return f"{self.clock / other.clock:.2f} ({self.processor / other.processor:.2f})"


@dataclass(frozen=True)
class Job:
    """One way of training: what its steps and predictions of dev took, all of it, and the losses of its steps."""

    training: Spent
    whole: Spent
    losses: list[float]


@dataclass(frozen=True)
class Compared:
    """What all ways are given, and what making the cache took."""

    corpus: str
    folder: Path
    device: str
    cache: Path
    extraction: Spent

    def compare(self, name: str, plan: TunePlan) -> None:
        """Print what each way to train by a plan takes, and how often that goes into the run of all layers."""
        cached = self._job(name, plan, "cached", once=True, on=self.cache)
        once = None if plan.train else self._job(name, plan, "one run in memory", once=True)
        slow = self._job(name, plan, "all layers", once=False)
        counted = {"cached": (cached, None), "with the extraction": (cached, self.extraction)}
        if once is not None:
            counted["one run in memory"] = (once, None)
        for way, (fast, before) in counted.items():
            training, whole = (part if before is None else part + before for part in (fast.training, fast.whole))
            apart = max(abs(a - b) for a, b in zip(fast.losses, slow.losses, strict=True))
            print(
                f"{name:<10} all layers / {way}: training {slow.training.over(training)}, "
                f"job {slow.whole.over(whole)}; losses apart {apart:.1e}",
                flush=True,
            )
            if apart > ALIKE:
                sys.exit(f"Losses of {name} ({way}) are {apart:.1e} from those of the run of all layers.")

    def _job(self, name: str, plan: TunePlan, way: str, *, once: bool, on: Path | None = None) -> Job:
        """Open everything anew, and train."""
        folder = self.folder / f"{name}-{way}".replace(":", "-")
        materials, opening = _timed(lambda: gather(TASK, corpus=self.corpus, on=on, device=self.device))
        tuned, rest = _timed(lambda: run_plan(materials, plan, folder, save="delta", running=Running(once=once)))
        seconds = tuned.cost.seconds
        training = Spent(seconds, rest.processor * seconds / rest.clock)  # of one run: its share of the processor's
        print(f"{name:<10} {way:<20} training {training}, job {opening + rest}", flush=True)
        return Job(training, opening + rest, _losses(folder))


def main() -> None:
    """Print one line a way, and one a comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=1500, help="to train on; a fifth as many are dev, and test")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--plans", default="head-only,top:2", help="to compare, commas between; may be empty")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        place = Path(root)
        corpus = _corpus(place / "corpus", options.sentences)
        live = gather(TASK, corpus=corpus, device=options.device)  # imports, for all that is timed
        print(
            f"{len(live.data.training):,} training sentences, {options.epochs} epochs, torch threads "
            f"{torch.get_num_threads()}; seconds of the clock (of the processor)",
            flush=True,
        )
        made, extraction = _timed(
            lambda: extract("minilm", corpus, layers=READ, device=options.device, cache=place / "caches")
        )
        print(f"extraction of layers {READ}: {extraction}, of which its shards {made.seconds:.2f} s", flush=True)
        compared = Compared(corpus, place, options.device, made.cache, extraction)
        for name in filter(None, options.plans.split(",")):
            changes = [f"loop.epochs={options.epochs}", "loop.patience=null"]
            compared.compare(name, plan_for(live, name, changes=changes))
        _against_bare(live, place / "full")


def _timed(act: Callable[[], T]) -> tuple[T, Spent]:
    clock, processor = time.perf_counter(), time.process_time()
    found = act()
    return found, Spent(time.perf_counter() - clock, time.process_time() - processor)


def _corpus(folder: Path, sentences: int) -> str:
    """Return a folder with the first sentences of each part of EWT, or sentences of the grammar."""
    root = Path(os.environ.get("PROBEKIT_DATA") or ".", "ud_english_ewt")
    if not root.is_dir():
        return f"grammar:n={sentences * 4 // 3}"
    folder.mkdir()
    for split, count in (("train", sentences), ("dev", sentences // 5), ("test", sentences // 5)):
        with gzip.open(root / f"en_ewt-ud-{split}.conllu.gz", "rt", encoding="utf-8") as file:
            blocks = islice(file.read().split("\n\n"), count)
        (folder / f"ewt-ud-{split}.conllu").write_text("\n\n".join(blocks) + "\n\n", encoding="utf-8")
    return str(folder)


def _losses(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def _against_bare(live: Materials, folder: Path) -> None:
    """Compare the steps of one epoch of the whole model."""
    plan = plan_for(live, "full", changes=["loop.epochs=1"])
    ours = run_plan(live, plan, folder, save="delta").cost.training_seconds
    bare = _bare(live, plan)
    print(f"full       steps of one epoch {ours:.2f} s, of a bare loop {bare:.2f} s: {ours / bare:.3f}")


def _bare(live: Materials, plan: TunePlan) -> float:
    """Return the seconds of an epoch of forward, loss and AdamW; batches are laid out before."""
    data, network = live.data, network_of(live, plan)
    order = epoch_batches(
        data.training, data.sizes[data.training], seed=0, epoch=0, batch_tokens=plan.loop.batch_tokens
    )
    feed = Feed(network, data)
    batches = [feed.batch(examples) for examples in order]
    model = network.body.train().requires_grad_(True)
    head = nn.Linear(live.facts.width, len(data.classes)).to(network.device)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=plan.rate.peak)
    began = time.perf_counter()
    for batch in batches:
        ids = torch.from_numpy(batch.padded.ids).to(network.device)
        mask = torch.from_numpy(batch.padded.real()).to(network.device)
        states = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        loss = nn.functional.cross_entropy(head(_means(states, batch)), gold_of(data, batch, network.device))
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    if network.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _means(states: torch.Tensor, batch: ExampleBatch) -> torch.Tensor:
    """Return the mean of the tokens of each word [n, d]."""
    sums = nn.functional.pad(states.cumsum(1), (0, 0, 1, 0))  # [B, T + 1, d]
    row, spans = torch.from_numpy(batch.row).to(states.device), torch.from_numpy(batch.spans[:, 0]).to(states.device)
    return (sums[row, spans[:, 1]] - sums[row, spans[:, 0]]) / (spans[:, 1] - spans[:, 0])[:, None]


if __name__ == "__main__":
    main()
