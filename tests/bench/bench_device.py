"""Extraction where the hardware is the question: a BERT-base-sized model, a GPU if there is one, disk and memory.

A random model of BERT-base's size (12 layers of 768) over the words of the built-in language, stored as bfloat16:
tokens a second, the share of the measured matrix peak that they come to, seconds on disk and on a file system in
memory, beside the rate at which each takes bytes.

    python tests/bench/bench_device.py [--words 200000] [--device auto] [--dtype bfloat16]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from probekit import extract
from probekit.devices import choose_device
from probekit.models.sources.load import DTYPES

IN_MEMORY = Path("/dev/shm")
SIZE, LAYERS = 768, 12


def main() -> None:
    """Print the peak, the rates of the folders, and the extraction on each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=0, help="by default 200,000 on a GPU, 5,000 on a CPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="bfloat16", choices=list(DTYPES))
    options = parser.parse_args()
    device = torch.device(choose_device(options.device))
    words = options.words or (200_000 if device.type == "cuda" else 5_000)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    peak = matrix_peak(device, DTYPES[options.dtype])
    print(f"{device.type} ({name}): {peak / 1e12:.2f} TFLOP/s in large {options.dtype} products", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = random_bert(Path(folder, "bert-base-random"))
        for where in (Path(folder), IN_MEMORY):
            if not (where.is_dir() and os.access(where, os.W_OK)):
                continue
            with tempfile.TemporaryDirectory(dir=where) as root:
                rate = write_rate(Path(root))
                started = time.perf_counter()
                # A sentence of the language has about eleven words.
                made = extract(
                    model,
                    f"grammar:n={words // 11}",
                    dtype=options.dtype,
                    store="bfloat16",
                    device=device.type,
                    cache=root,
                )
                seconds = time.perf_counter() - started
            flops, stored = 2 * 12 * SIZE * SIZE * LAYERS * made.rows, 2 * SIZE * (LAYERS + 1) * made.rows
            print(
                f"in {where}: {made.rows:,} tokens, {seconds:.1f} s with loading, {made.tokens_per_second:,.0f} "
                f"tokens/s = {flops / made.seconds / peak:.0%} of the peak; {stored / 1e9:.2f} GB, "
                f"the folder takes {rate / 1e9:.2f} GB/s",
                flush=True,
            )


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return operations a second of a large square product."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(2, n, n, device=device).to(dtype)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return 2 * n**3 / min(times)


def write_rate(folder: Path, size: int = 1 << 28) -> float:
    """Return bytes a second of a synced write."""
    block = os.urandom(1 << 22)
    started = time.perf_counter()
    with open(folder / "rate", "wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    (folder / "rate").unlink()
    return size / seconds


def random_bert(folder: Path) -> Path:
    """Write a BERT of base size with random weights and a tokenizer of letters."""
    folder.mkdir()
    letters = [chr(code) for code in range(33, 127)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(pieces)), add_pooling_layer=False).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
