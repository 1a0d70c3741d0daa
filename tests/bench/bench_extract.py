"""Extraction against the bare forward loop over the same batches, in one run.

Prints ratios of interleaved pairs: the whole path (tokenise, self-check, run, gather, write, sha256,
fsync, manifest) over a loop that tokenises, sorts, runs the same batches with hidden states and
throws them away; over batches of 32 in file order; and, where the device computes it, bfloat16 over float32.

    python tests/bench/bench_extract.py [--split dev] [--pairs 5] [--device auto]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from probekit import extract
from probekit.cache.write.staging import stage
from probekit.corpus import open_corpus
from probekit.extraction.spec import BATCH_TOKENS, batches
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate


def main() -> None:
    """Print one line a comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="dev", help="part of EWT: dev, test or train")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--skip-bf16", action="store_true")
    options = parser.parse_args()
    data = os.environ.get("PROBEKIT_DATA")
    path = Path(data or ".", "ud_english_ewt", f"en_ewt-ud-{options.split}.conllu.gz")
    corpus = str(path) if path.is_file() else "grammar:n=2000"
    shards = _shards(corpus)
    print(f"corpus {corpus}, torch threads {torch.get_num_threads()}")
    float32 = load(locate("minilm"), device=options.device)
    loops: dict[str, Callable[[], float]] = {
        "extract": lambda: _extract(corpus, "float32", options.device),
        "bare loop": lambda: _bare(float32, shards, "float32"),
        "file order, 32": lambda: _file_order(float32, shards),
    }
    if not options.skip_bf16 and _computes_bfloat16(float32.device):
        bfloat16 = load(locate("minilm"), device=options.device, dtype="bfloat16")
        loops["extract bf16"] = lambda: _extract(corpus, "bfloat16", options.device)
        loops["bare loop bf16"] = lambda: _bare(bfloat16, shards, "bfloat16")
    times: dict[str, list[float]] = {name: [] for name in loops}
    for round_number in range(options.pairs + 1):
        for name, loop in loops.items():
            seconds = loop()
            if round_number:
                times[name].append(seconds)
    _print(times)
    print(f"disk alone: {_disk_rate():.0f} MB/s written and synced")


def _computes_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it: a CPU without them takes many times as long, and tells nothing."""
    return device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _print(times: dict[str, list[float]]) -> None:
    for name, seconds in times.items():
        print(f"{name:<16} median {statistics.median(seconds):.2f} s  ({min(seconds):.2f} .. {max(seconds):.2f})")
    pairs = [
        ("bare loop", "extract"),
        ("file order, 32", "extract"),
        ("extract", "extract bf16"),
        ("bare loop bf16", "extract bf16"),
    ]
    for slow, fast in pairs:
        if slow in times and fast in times:
            ratios = [a / b for a, b in zip(times[slow], times[fast], strict=True)]
            print(f"{slow} / {fast}: median {statistics.median(ratios):.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})")


def _shards(corpus: str) -> list[list[str]]:
    root = Path(tempfile.mkdtemp())
    with stage(open_corpus(corpus), root) as staged:
        texts = [[" ".join(example.words) for example in staged.read(shard)] for shard in staged.shards]
    shutil.rmtree(root)
    return texts


def _extract(corpus: str, dtype: str, device: str) -> float:
    root = tempfile.mkdtemp()
    try:
        return extract("minilm", corpus, dtype=dtype, device=device, cache=root).seconds
    finally:
        shutil.rmtree(root)


def _bare(loaded: LoadedModel, shards: list[list[str]], dtype: str) -> float:
    limit = BATCH_TOKENS[loaded.device.type, dtype]
    started = time.perf_counter()
    for texts in shards:
        ids = sorted(_ids(loaded.tokenizer, texts), key=len, reverse=True)
        for cut in batches([len(item) for item in ids], limit):
            _run(loaded, ids[cut])
    _wait(loaded)
    return time.perf_counter() - started


def _file_order(loaded: LoadedModel, shards: list[list[str]]) -> float:
    started = time.perf_counter()
    ids = [item for texts in shards for item in _ids(loaded.tokenizer, texts)]
    for start in range(0, len(ids), 32):
        _run(loaded, ids[start : start + 32])
    _wait(loaded)
    return time.perf_counter() - started


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    # The file of MiniLM's tokenizer pads and cuts to 128 tokens; a fair loop does neither.
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return [item.ids for item in backend.encode_batch(texts)]


def _run(loaded: LoadedModel, ids: list[list[int]]) -> None:
    width = max(map(len, ids))
    rows = torch.tensor([item + [0] * (width - len(item)) for item in ids])
    mask = torch.arange(width) < torch.tensor([[len(item)] for item in ids])
    with torch.inference_mode():
        loaded.model(
            input_ids=rows.to(loaded.device), attention_mask=mask.long().to(loaded.device), output_hidden_states=True
        )


def _wait(loaded: LoadedModel) -> None:
    if loaded.device.type == "cuda":
        torch.cuda.synchronize()


def _disk_rate() -> float:
    block = os.urandom(1 << 24)
    with tempfile.NamedTemporaryFile() as file:
        started = time.perf_counter()
        for _ in range(16):
            file.write(block)
        os.fsync(file.fileno())
        return 16 * len(block) / (time.perf_counter() - started) / 1e6


if __name__ == "__main__":
    main()
