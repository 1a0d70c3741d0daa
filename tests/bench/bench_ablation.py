"""Edits resumed from known layers against whole runs, and all heads in one batch against one run a head, in one run.

A sweep over the layers of the bundled MiniLM projects out one direction at every layer, 0 to 6, and reads the last: by
whole runs of six blocks, and from the states of the layer at the edit. Then every head of every block is left out: by
a whole run a head, and by one batch a block that starts below it. What both give is compared, and their clocks are
interleaved. A pass reads one sentence by default, as in a suite of minimal pairs, where a batch of heads costs little
more than one; with many (``--rows 16``) the arithmetic alone counts. One thread: a second one waits for the first in a
busy loop, which the clock of the processor counts as work.

    python tests/bench/bench_ablation.py [--rows 1] [--words 12] [--repeats 5]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from safetensors.torch import save_file

from probekit.ablation import Edit, Resumed, WithoutEachHead, edited
from probekit.models.runtime.forward import PaddedBatch, forward
from probekit.models.runtime.hooks import Capture
from probekit.models.sources.find import find_model

BARS = {"layers": 1.8, "heads": 4.0}
ALIKE = 1e-5


def main() -> int:
    """Time both pairs and say whether they reach their bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--words", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaded = find_model("minilm").load(device="cpu")
    top, name = loaded.n_layers, f"layer.{loaded.n_layers:02d}"
    shape = options.rows, options.words + 2
    ids = np.random.default_rng(0).integers(1000, loaded.vocabulary, shape)
    batch = PaddedBatch(ids, np.full(options.rows, shape[1]))
    with Capture(loaded, loaded.layer_names) as capture:
        forward(loaded, batch)
        plain = [capture.states[layer].clone() for layer in loaded.layer_names[: top + 1]]

    def whole(edit: Edit) -> torch.Tensor:
        with edited(loaded, [edit]), Capture(loaded, [name]) as capture:
            forward(loaded, batch)
            return capture.states[name]

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        file = f"{folder}/direction.safetensors"
        save_file({"directions": torch.randn(1, loaded.width)}, file)
        edits = [Edit(str(layer), "project-out", subspace=file) for layer in range(top + 1)]
        resumed = [Resumed(loaded, edit, [top]) for edit in edits]
        sweeps = [WithoutEachHead(loaded, block, [top]) for block in range(1, top + 1)]
        reached = [
            compare(
                "layers",
                lambda: [whole(edit) for edit in edits],
                lambda: [run.run(batch, None if run.start is None else plain[run.start])[0][top] for run in resumed],
                options.repeats,
            ),
            compare(
                "heads",
                lambda: [
                    whole(Edit(f"{block + 1}.heads", heads=(head,)))
                    for block, sweep in enumerate(sweeps)
                    for head in range(sweep.heads)
                ],
                lambda: [state for sweep in sweeps for state in sweep.run(batch, plain[sweep.start])[top]],
                options.repeats,
            ),
        ]
    return 0 if all(reached) else 1


def compare(
    what: str, whole: Callable[[], list[torch.Tensor]], short: Callable[[], list[torch.Tensor]], repeats: int
) -> bool:
    """Time two ways to the same states, interleaved; print the ratio of their medians of processor time and clock."""
    expected, found = whole(), short()
    assert not torch.equal(expected[0], expected[1])  # the edits do something
    off = max(float((one - other).abs().max() / one.abs().max()) for one, other in zip(expected, found, strict=True))
    clocks: list[list[float]] = [[], [], [], []]
    for _ in range(repeats):
        for way, act in enumerate((whole, short)):
            begun = time.perf_counter(), time.process_time()
            act()
            clocks[2 * way].append(time.perf_counter() - begun[0])
            clocks[2 * way + 1].append(time.process_time() - begun[1])
    wall, processor, short_wall, short_processor = (float(np.median(times)) for times in clocks)
    ratio = processor / short_processor
    print(
        f"{what}: whole {1e3 * processor:.0f} ms, short {1e3 * short_processor:.0f} ms of processor: {ratio:.2f}x (bar "
        f"{BARS[what]}x; clock {wall / short_wall:.2f}x); they differ by {off:.1e}",
        flush=True,
    )
    return ratio >= BARS[what] and off <= ALIKE


if __name__ == "__main__":
    sys.exit(main())
