"""What a large model costs: the lower layers alone, and weights that wait on disk.

Prints the time of layers 0-3 of a model of twelve blocks over that of all layers (median of interleaved pairs of whole
extractions, model loaded in each), and the peak of memory above libraries of a Llama of 12 blocks, on one device and
with all but 60 MB on disk, as shares of its weights. Random weights.

    python tests/bench/bench_large.py [--pairs 5] [--sentences 300]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import transformers
from tiny_models import FAMILIES, write_model

from probekit import extract

PEAK = """
import sys
import accelerate
from transformers import LlamaModel
from probekit.devices import peak_memory, place_of
from probekit.models.sources.locate import locate
source, before = locate(sys.argv[1]), peak_memory()
model = source.load(device=place_of("auto", "auto", sys.argv[2]) if len(sys.argv) > 2 else "cpu")
print(peak_memory() - before)
"""


def main() -> None:
    """Print one line a comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _layers(root, options.pairs, f"grammar:n={options.sentences}")
        _memory(root)


def _layers(root: Path, pairs: int, corpus: str) -> None:
    tokenizer = FAMILIES["bert"].tokenizer()
    sizes = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 12}
    folder = write_model(root / "twelve", transformers.BertConfig(vocab_size=len(tokenizer), **sizes), tokenizer)
    seconds: dict[str, list[float]] = {"all": [], "0-3": []}
    for number in range(pairs + 1):
        for layers, found in seconds.items():
            started = time.perf_counter()
            extract(folder, corpus, layers=layers, cache=root / "caches")
            if number:
                found.append(time.perf_counter() - started)
            shutil.rmtree(root / "caches")
    ratios = [some / whole for some, whole in zip(seconds["0-3"], seconds["all"], strict=True)]
    whole, some = (statistics.median(seconds[layers]) for layers in ("all", "0-3"))
    print(f"all layers {whole:.2f} s, layers 0-3 {some:.2f} s")
    print(f"0-3 / all: median {statistics.median(ratios):.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})")


def _memory(root: Path) -> None:
    tokenizer = FAMILIES["llama"].tokenizer()
    sizes = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 12, "num_attention_heads": 8}
    folder = write_model(root / "large", transformers.LlamaConfig(vocab_size=len(tokenizer), **sizes), tokenizer)
    weights = (folder / "model.safetensors").stat().st_size
    for name, room in (("one device", []), ("60 MB, rest on disk", ["cpu=60MB"])):
        command = [sys.executable, "-c", PEAK, str(folder), *room]
        peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"peak of loading {weights / 1e6:.0f} MB, {name}: {peak / 1e6:.0f} MB, {peak / weights:.2f} of the weights"
        )


if __name__ == "__main__":
    main()
