"""Tuning from the cache against the same training that runs all layers, and the loop against a bare one, in one run.

Prints seconds and ratios: the head alone from cached states, with and without the extraction counted; the last two of
six blocks; and steps of the whole model against a loop of forward, loss and AdamW over the same batches. Losses of
each pair are compared step by step: a difference over 1e-4 ends the benchmark. Predictions of dev behind every epoch
count on both sides.

    python tests/bench/bench_tune.py [--sentences 1500] [--epochs 5] [--device auto]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from probekit import extract
from probekit.cache.reader import ActivationCache
from probekit.tuning.feed import Feed
from probekit.tuning.folder import LOG
from probekit.tuning.layout import ExampleBatch, gold_of
from probekit.tuning.materials import Materials, gather
from probekit.tuning.order import epoch_batches
from probekit.tuning.plan import TunePlan
from probekit.tuning.run import Running, Tuned, network_of, run_plan
from probekit.tuning.tune import plan_for

TASK = "pos"
ALIKE = 1e-4
READ = (4, 5, 6)
"""The layers that the two plans may start at."""


def main() -> None:
    """Print one line a comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=1500, help="to train on; a fifth as many are dev, and test")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        place = Path(root)
        corpus = _corpus(place / "corpus", options.sentences)
        began = time.perf_counter()
        made = extract("minilm", corpus, layers=READ, device=options.device, cache=place / "caches")
        extraction = time.perf_counter() - began
        live = gather(TASK, corpus=corpus, device=options.device)
        cached = gather(TASK, corpus=corpus, on=ActivationCache.open(made.cache), device=options.device)
        print(
            f"corpus {corpus}, {len(live.data.training):,} training sentences, {options.epochs} epochs, "
            f"torch threads {torch.get_num_threads()}; extraction of layers {READ} {extraction:.2f} s"
        )
        for name in ("head-only", "top:2"):
            plan = plan_for(live, name, changes=[f"loop.epochs={options.epochs}", "loop.patience=null"])
            fast, slow = place / f"{name}-cached", place / f"{name}-live"
            short = _run(cached, plan, fast, once=True).cost
            long = _run(live, plan, slow, once=False).cost
            apart = _apart(fast, slow)
            print(
                f"{name:<10} cached {short.seconds:.2f} s (steps {short.training_seconds:.2f}), "
                f"live {long.seconds:.2f} s (steps {long.training_seconds:.2f}); losses apart {apart:.1e}"
            )
            print(
                f"{name:<10} live / cached {long.seconds / short.seconds:.2f}; with the extraction "
                f"{long.seconds / (short.seconds + extraction):.2f}"
            )
            if apart > ALIKE:
                sys.exit(f"Losses of {name} from the cache are {apart:.1e} from those of the live run.")
        _against_bare(live, place / "full")


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


def _run(materials: Materials, plan: TunePlan, folder: Path, *, once: bool) -> Tuned:
    return run_plan(materials, plan, folder, save="delta", running=Running(once=once))


def _apart(one: Path, other: Path) -> float:
    """Return the largest difference of the losses of two runs."""
    pairs = zip(_losses(one), _losses(other), strict=True)
    return max(abs(a - b) for a, b in pairs)


def _losses(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def _against_bare(live: Materials, folder: Path) -> None:
    """Compare the steps of one epoch of the whole model."""
    plan = plan_for(live, "full", changes=["loop.epochs=1"])
    ours = _run(live, plan, folder, once=True).cost.training_seconds
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
