"""A decoder of 8B parameters in 3 GB: weights that wait on disk, at the size they are for.

Enters: 17 GB of disk (random weights in the shape of Llama 3.1 8B, bfloat16, a file a block). Leaves: the peak of
memory of one extraction at layers 8, 16 and 24 over the bytes of the weights, its time over that of a forward which
loads one block of transformers after the other, and how many rows of the two are equal bit for bit.
Surprise: pages of the model's own files are no memory of the process, so what is sampled is what it allocated; each
sentence is a batch of its own, since in bfloat16 two batches of one sentence differ in their last bits.

    python tests/bench/bench_spread.py [--shape decoder-8b] [--room 3GB] [--sentences 4] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from bench_device import SHAPES, Shape
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, PreTrainedTokenizerFast
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

from probekit.cache import ActivationCache
from probekit.corpus import Corpus, open_corpus

VOCABULARY = 128_256
DECODERS = {name: shape for name, shape in SHAPES.items() if isinstance(shape.config, LlamaConfig)}
LIBRARIES = "import accelerate, probekit; from transformers import LlamaModel; print(open('/proc/self/status').read())"


def main() -> None:
    """Print the peak, the time and the rows that are equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(DECODERS), default="decoder-8b")
    parser.add_argument("--sentences", type=int, default=4, help="each is a pass, and one more is checked")
    parser.add_argument("--room", default="3GB", help="what the weights may take of memory")
    parser.add_argument("--folder", help="where 17 GB are free; by default the system's temporary folder")
    options = parser.parse_args()
    shape = DECODERS[options.shape]
    corpus = open_corpus(f"grammar:n={options.sentences}")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        root = Path(name)
        model, weights = write_model(root / "model", shape, corpus)
        peak, seconds = extracted(root, shape, f"grammar:n={options.sentences}", options.room)
        print(f"{weights / 1e9:.1f} GB of weights, {options.room} for them: {peak / 1e9:.2f} GB at the peak", end=" ")
        print(f"({peak / weights:.2f} of the weights), {seconds:.0f} s", flush=True)
        started = time.perf_counter()
        states = dict(block_by_block(model, shape, corpus))
        bare = time.perf_counter() - started
        print(f"the forward, a block after the other: {bare:.0f} s; the extraction took {seconds / bare:.2f} of it")
        cache = ActivationCache.open(next(file.parent for file in root.glob("caches/*/manifest.json")))
        order = cache.index().example.argsort(kind="stable")
        for layer in shape.layers:
            kept, direct = torch.from_numpy(cache.layer(layer)[order]), states[layer].float()
            equal, far = (kept == direct).all(-1), ((kept - direct).norm(dim=-1) / direct.norm(dim=-1)).max()
            print(f"layer {layer}: {int(equal.sum())} of {len(equal)} rows equal, bit for bit; the furthest {far:.1e}")


def write_model(folder: Path, shape: Shape, corpus: Corpus) -> tuple[Path, int]:
    """Write random weights, a file for each block, and a tokenizer of the corpus's words; return also their bytes."""
    words = {word for example in corpus for word in example.words}
    whole = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["[PAD]", "[UNK]", *sorted(words)])}, "[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=whole, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    config = shape.config
    config.vocab_size, config.architectures, config.dtype = VOCABULARY, ["LlamaModel"], torch.bfloat16
    config.save_pretrained(folder)
    torch.manual_seed(0)
    with torch.device("meta"):
        one = {key: value.shape for key, value in LlamaDecoderLayer(config, 0).state_dict().items()}
    parts = {f"block-{number:02d}": f"layers.{number}." for number in range(config.num_hidden_layers)}
    index: dict[str, str] = {}
    for name, prefix in parts.items():
        drawn = {prefix + key: 0.02 * torch.randn(shape, dtype=torch.bfloat16) for key, shape in one.items()}
        for key in drawn:
            drawn[key] += key.endswith("norm.weight")
        _save(folder / f"{name}.safetensors", drawn, index)
    ends = {"embed_tokens.weight": torch.randn(VOCABULARY, config.hidden_size, dtype=torch.bfloat16)}
    ends["norm.weight"] = torch.ones(config.hidden_size, dtype=torch.bfloat16)
    _save(folder / "ends.safetensors", ends, index)
    total = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    listed = {"metadata": {"total_size": total}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listed))
    return folder, total


def _save(file: Path, tensors: dict[str, torch.Tensor], index: dict[str, str]) -> None:
    save_file(tensors, file, metadata={"format": "pt"})
    index.update(dict.fromkeys(tensors, file.name))


def extracted(root: Path, shape: Shape, corpus: str, room: str) -> tuple[int, float]:
    """Return the peak in bytes of what an extraction allocated, libraries left out, and its seconds."""
    without = subprocess.run([sys.executable, "-c", LIBRARIES], capture_output=True, text=True, check=True).stdout
    command = [
        sys.executable,
        "-m",
        "probekit",
        "extract",
        str(root / "model"),
        corpus,
        "--cache",
        str(root / "caches"),
        "-q",
    ]
    command += ["--layers", ",".join(map(str, shape.layers)), "--dtype", "bfloat16", "--store", "bfloat16"]
    command += ["--batch-tokens", "4", "--device-map", "auto", "--max-memory", f"cpu={room}"]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        peak = max(peak, allocated(status.read_text()))
        time.sleep(0.1)
    if process.returncode:
        sys.exit(f"The extraction ended with {process.returncode}.")
    return peak - allocated(without), time.perf_counter() - started


def allocated(status: str) -> int:
    """Return the bytes of a process's own pages, by the text of its status; 0 once it has ended."""
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")), 0)


def block_by_block(folder: Path, shape: Shape, corpus: Corpus) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield each layer that is asked for and its states, a sentence after the other: (tokens, width)."""
    config = LlamaConfig.from_pretrained(folder)
    config._attn_implementation = "sdpa"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ends = load_file(folder / "ends.safetensors")["embed_tokens.weight"]
    ids = [tokenizer.encode(list(one.words), is_pretokenized=True).ids for one in corpus]
    states = [ends[torch.tensor([one])] for one in ids]
    turning = LlamaRotaryEmbedding(config)
    with torch.inference_mode():
        turns = [turning(state, torch.arange(state.shape[1])[None]) for state in states]
        for number in range(max(shape.layers)):
            weights = load_file(folder / f"block-{number:02d}.safetensors")
            with torch.device("meta"):
                block = LlamaDecoderLayer(config, number).eval()
            named = {key.removeprefix(f"layers.{number}."): value for key, value in weights.items()}
            block.load_state_dict(named, assign=True)
            states = [
                block(state, position_embeddings=turn, attention_mask=None)
                for state, turn in zip(states, turns, strict=True)
            ]
            if number + 1 in shape.layers:
                yield number + 1, torch.cat([state[0] for state in states])


if __name__ == "__main__":
    main()
