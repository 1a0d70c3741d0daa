"""Extraction where the hardware is the question: models of real sizes, a GPU if there is one, disk and memory.

Random weights in the shape of BERT-base (all 13 layers) and of a decoder of 8B parameters (layers 8, 16 and 24, so that
a quarter of its blocks never runs), over the words of the built-in language, stored as bfloat16. A line each: tokens a
second on disk and on a file system in memory, beside the rate at which each takes bytes; the share of a bare forward
over the same batches, of the blocks that the layers need and without hidden states; and the share of the measured peak
of a large matrix product, counting two operations a token and weight (attention's own products are left out).

    python tests/bench/bench_device.py [--shapes bert-base decoder-8b] [--words 1000000] [--device auto]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, BertConfig, LlamaConfig, PreTrainedConfig, PreTrainedTokenizerFast

from probekit import extract
from probekit.corpus import open_corpus
from probekit.devices import choose_device
from probekit.extraction.spec import BATCH_TOKENS, batches
from probekit.models.sources.load import DTYPES
from probekit.models.sources.weights import quiet

IN_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Shape:
    """A model, and the layers that are asked of it: the highest is as many blocks as run."""

    config: PreTrainedConfig
    layers: tuple[int, ...]


def decoder(width: int, inner: int, blocks: int, heads: int, shared: int) -> LlamaConfig:
    """Return a Llama of some size."""
    return LlamaConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        num_key_value_heads=shared,
    )


SHAPES = {
    "bert-base": Shape(BertConfig(), tuple(range(13))),
    "decoder-8b": Shape(decoder(4096, 14336, 32, 32, 8), (8, 16, 24)),
    "decoder-100m": Shape(decoder(768, 2688, 12, 12, 4), (3, 6, 9)),
}


def main() -> None:
    """Print the peak, then the lines of each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), help="default: bert-base, on a GPU decoder-8b too")
    parser.add_argument("--words", type=int, default=0, help="by default 1,000,000 on a GPU, 5,000 on a CPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="bfloat16", choices=list(DTYPES))
    options = parser.parse_args()
    device = torch.device(choose_device(options.device))
    gpu = device.type == "cuda"
    # A sentence of the language has about eleven words.
    corpus = f"grammar:n={(options.words or (1_000_000 if gpu else 5_000)) // 11}"
    peak = matrix_peak(device, DTYPES[options.dtype])
    name = torch.cuda.get_device_name() if gpu else f"{torch.get_num_threads()} threads"
    print(f"{device.type} ({name}): {peak / 1e12:.2f} TFLOP/s in large {options.dtype} products", flush=True)
    with quiet(), tempfile.TemporaryDirectory() as folder:
        for shape in options.shapes or ["bert-base", *(["decoder-8b"] if gpu else [])]:
            model = write_model(Path(folder, shape), SHAPES[shape].config, corpus, DTYPES[options.dtype])
            for line in lines(model, SHAPES[shape], corpus, device, options.dtype, peak):
                print(f"{shape}, {line}", flush=True)


def lines(folder: Path, shape: Shape, corpus: str, device: torch.device, dtype: str, peak: float) -> Iterator[str]:
    """Yield what came of one shape: the bare forward, then a line a file system."""
    bare, tokens, weights = bare_forward(folder, shape, corpus, device, dtype)
    most = 2 * weights * tokens / bare / peak
    yield f"bare forward of {max(shape.layers)} blocks: {tokens / bare:,.0f} tokens/s = {most:.0%} of the peak"
    for where in (folder.parent, IN_MEMORY):
        if not (where.is_dir() and os.access(where, os.W_OK)):
            continue
        with tempfile.TemporaryDirectory(dir=where) as root:
            rate = write_rate(Path(root))
            started = time.perf_counter()
            made = extract(
                folder, corpus, layers=shape.layers, dtype=dtype, store="bfloat16", device=device.type, cache=root
            )
            whole = time.perf_counter() - started
        share, of_peak = bare / made.seconds, 2 * weights * made.rows / made.seconds / peak
        yield (
            f"in {where}: {made.rows:,} tokens, {whole:.1f} s with loading, {made.tokens_per_second:,.0f} tokens/s = "
            f"{share:.0%} of the bare forward, {of_peak:.0%} of the peak; {made.bytes / 1e9:.2f} GB, the folder takes "
            f"{rate / 1e9:.2f} GB/s"
        )


def bare_forward(folder: Path, shape: Shape, corpus: str, device: torch.device, dtype: str) -> tuple[float, int, int]:
    """Return seconds of the same batches without hidden states, their tokens, and the weights that a token meets."""
    model = AutoModel.from_pretrained(folder, dtype=DTYPES[dtype]).to(device).eval()
    blocks = model.encoder.layer if hasattr(model, "encoder") else model.layers
    del blocks[max(shape.layers) :]
    weights = sum(one.numel() for one in blocks.parameters())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = [list(example.words) for example in open_corpus(corpus)]
    ids = sorted((one.ids for one in tokenizer.encode_batch(texts, is_pretokenized=True)), key=len, reverse=True)
    cuts = batches([len(one) for one in ids], BATCH_TOKENS[device.type, dtype])
    with torch.inference_mode():
        run(model, ids[cuts[0]], device)
        wait(device)
        started = time.perf_counter()
        for cut in cuts:
            run(model, ids[cut], device)
        wait(device)
    return time.perf_counter() - started, sum(map(len, ids)), weights


def run(model: Any, ids: list[list[int]], device: torch.device) -> None:
    """Run one batch."""
    width = max(map(len, ids))
    rows = torch.tensor([one + [0] * (width - len(one)) for one in ids])
    mask = torch.arange(width) < torch.tensor([[len(one)] for one in ids])
    model(input_ids=rows.to(device), attention_mask=mask.long().to(device))


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return operations a second of a large square product."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(2, n, n, device=device).to(dtype)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        a @ b
        wait(device)
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


def write_model(folder: Path, config: PreTrainedConfig, corpus: str, dtype: torch.dtype) -> Path:
    """Write a model with random weights, and a tokenizer with a token for each word of a corpus."""
    words = {word for example in open_corpus(corpus) for word in example.words}
    whole = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["[PAD]", "[UNK]", *sorted(words)])}, "[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=whole, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    config.vocab_size = whole.get_vocab_size()
    torch.manual_seed(0)
    AutoModel.from_config(config, dtype=dtype).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
