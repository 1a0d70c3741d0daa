"""Scores against minicons: the same items, interleaved in one process, and the largest difference.

minicons is no dependency: ``python -m venv VENV``, ``VENV/bin/pip install minicons`` beside this package, and
``PROBEKIT_DATA=.. PROBEKIT_MODELS=.. VENV/bin/python tests/bench/bench_behave.py causal 3 100 16,32,64``: of how many
paradigms of BLiMP, how many pairs of each, at which batch sizes of minicons, of which its fastest counts. Time is that
of the process. What the matrix products alone come to is counted, too: no implementation in the same precision is
faster than its products are.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.models.sources.find import find_model

MODELS = {"causal": "gpt-novels", "masked": "minilm-mlm", "masked-original": "minilm-mlm"}


def sentences(paradigms: int, pairs: int) -> list[str]:
    """The first pairs of paradigms spread over all."""
    files = sorted(Path(os.environ["PROBEKIT_DATA"], "blimp").glob("*.jsonl.gz"))
    found = []
    for path in files[:: max(1, len(files) // paradigms)][:paradigms]:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for _, line in zip(range(pairs), lines, strict=False)]
        found += [row[name] for row in rows for name in ("sentence_good", "sentence_bad")]
    return found


def theirs(scorer: Any, score: str, texts: list[str], size: int) -> list[float]:
    """Sums by minicons, whose masked encoder is handed its batch, as transformers 5 lacks what it calls."""
    found = []
    for start in range(0, len(texts), size):
        part: Any = texts[start : start + size]
        options: dict[str, Any] = {"bos_token": True}
        if score != "causal":
            part = scorer.tokenizer(part, padding=True, return_tensors="pt")
            options = {"PLL_metric": "original" if score == "masked-original" else "within_word_l2r"}
        found += scorer.sequence_score(part, reduction=lambda logprob: logprob.sum(0).item(), **options)
    return found


def count_products(model: torch.nn.Module) -> list[float]:
    """Return a list that each product of a weight matrix adds its multiplications to, in thousand millions."""
    counted: list[float] = []

    def add(module: Any, arguments: Any, out: torch.Tensor) -> None:
        counted.append(out.numel() * module.weight.numel() / out.shape[-1] / 1e9)

    for module in model.modules():
        weight = getattr(module, "weight", None)
        if weight is not None and weight.dim() == 2 and not isinstance(module, torch.nn.Embedding):
            module.register_forward_hook(add)
    return counted


def main(score: str, paradigms: int, pairs: int, sizes: list[int]) -> None:
    from minicons import scorer

    folder = str(Path(os.environ["PROBEKIT_MODELS"], MODELS[score]))
    kind = scorer.IncrementalLMScorer if score == "causal" else scorer.MaskedLMScorer
    other = kind(folder, "cpu", dtype=torch.float32)
    texts = sentences(paradigms, pairs)
    opened = Session(find_model(folder), ScoringSpec(score, device="cpu"))
    opened.score(opened.read(texts[:20]))
    theirs(other, score, texts[:20], 10)
    best, ours = float("inf"), float("inf")
    products = [count_products(opened._scorer.loaded.model), count_products(other.model)]
    least = [float("inf"), float("inf")]
    for size in sizes:
        for each in products:
            each.clear()
        began = time.process_time()
        own = [scores.total for scores in opened.score(opened.read(texts))]
        middle = time.process_time()
        found = theirs(other, score, texts, size)
        ours, best = min(ours, middle - began), min(best, time.process_time() - middle)
        least = [min(before, sum(each)) for before, each in zip(least, products, strict=True)]
        apart = max(abs(a - b) for a, b in zip(own, found, strict=True))
        print(f"{score} {len(texts)} texts, batches of {size}: differs by {apart:.1e}", flush=True)
    print(f"{score}: ours {ours:.2f} s, minicons {best:.2f} s, {best / ours:.2f} times")
    gained = least[1] / least[0]
    print(f"{score}: products of {least[0]:.0f} and {least[1]:.0f} G, {gained:.2f} times fewer")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [int(size) for size in sys.argv[4].split(",")])
