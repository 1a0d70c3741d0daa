"""Twenty tasks over words, pairs and sentences of UD English EWT and its companions, from one cache.

Twelve over words, four over pairs, four over sentences; the control on wherever the task has one. For each:
seconds, training rows, classes, the layer chosen on dev, its test score, the best floor, selectivity. In the
end the sum, and the peak of the resident memory. `prev-word` keeps its 200 most frequent labels (``top_labels``);
no task has more classes. With --bits the online code as well.

    PROBEKIT_DATA=... python tests/bench/bench_twenty.py [--cache ROOT] [--bits] [--only pos deprel]
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from probekit import LayerReport, extract, probe

TASKS: dict[str, tuple[str, ...]] = {
    "pos": (),
    "xpos": (),
    "morph:Number": (),
    "morph:Tense": (),
    "deprel:universal": (),
    "word-length": (),
    "position": (),
    "prev-word": (),
    "seen-before": (),
    "query:upos=NOUN & head.upos=VERB": (),
    "supersense": ("streusle",),
    "factuality": ("uds/uds2.0_factuality.tsv.gz",),
    "arc": (),
    "arc-label:universal": (),
    "semantic-role": ("ewt_propbank",),
    "proto-role:volition": ("uds/uds2.0_protoroles.tsv.gz",),
    "sentence-length": (),
    "tree-depth": (),
    "tense": (),
    "subj-number": (),
}
"""Task and the files with its annotations, below the folder of corpora."""


def main() -> None:
    """Print one line a task, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default=None, help="a root with a MiniLM cache of EWT; else it is extracted")
    parser.add_argument("--bits", action="store_true", help="the online code of every task as well")
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS))
    options = parser.parse_args()
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not (data / "ud_english_ewt").is_dir():
        sys.exit("PROBEKIT_DATA names no folder with ud_english_ewt: nothing to measure.")
    with tempfile.TemporaryDirectory() as own:
        root = options.cache or own
        extract("minilm", data / "ud_english_ewt", cache=root)
        started = time.perf_counter()
        for task in options.only:
            began = time.perf_counter()
            report = probe(
                task,
                annotations=[data / name for name in TASKS[task]],
                cache=root,
                also=["online-code"] if options.bits else [],
            )
            print(_line(report, time.perf_counter() - began), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{len(options.only)} tasks: {time.perf_counter() - started:,.0f} s, peak {peak:.2f} GB resident")


def _line(report: LayerReport, seconds: float) -> str:
    summary, targets = report.summary(), report.provenance["targets"]
    floor = max(value for name in ("majority", "word_type") if (value := summary[name]) is not None)
    selectivity = summary["selectivity"]
    cells = [
        f"{report.task[:20]:<20}",
        f"{seconds:6.1f} s",
        f"{targets['train']:>7,} rows",
        f"{report.provenance['classes']:>4} classes",
        f"layer {summary['best_layer']}",
        f"{summary['test']:.3f} [{summary['low']:.3f}, {summary['high']:.3f}]",
        f"floor {floor:.3f}",
        "selectivity " + ("    -" if selectivity is None else f"{selectivity:.3f}"),
    ]
    bits = report.points("online_code", split="train", metric="compression").get(summary["best_layer"])
    return "  ".join(cells) + (f"  compression {bits.value:.2f}" if bits else "")


if __name__ == "__main__":
    main()
