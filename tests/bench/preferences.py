"""What two small models prefer: the tables and figures of ``docs/what-models-prefer.md``.

Needs ``PROBEKIT_DATA`` (BLiMP and agreement), ``PROBEKIT_MODELS`` (gpt-novels, minilm-mlm) and an ARPA file, so that
the 5-gram is read once; ``--train`` makes that of the novels first. Scores are kept, so a second run takes little.

    python tests/bench/preferences.py novels.arpa --out reports [--train] [--only blimp,linzen] [--figures docs]
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

from probekit import behave, open_corpus
from probekit.behaviour.baselines import NgramModel, read_arpa, sentences_of, train_ngram, write_arpa
from probekit.behaviour.report import BehaviourReport

CAUSAL, MASKED = "gpt-novels", "minilm-mlm"
RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "blimp": ("blimp", CAUSAL, {"limit": 100, "by": "term", "random_weights": 0}),
    "linzen": ("linzen", CAUSAL, {"by": "attractors", "limit": 600, "random_weights": 0}),
    "gulordava": ("gulordava", CAUSAL, {"by": "attractors", "random_weights": 0}),
    "marvin_linzen": ("marvin_linzen", CAUSAL, {"by": "attractors", "limit": 100, "random_weights": 0}),
    "grammar": ("grammar", CAUSAL, {"by": "attractors", "random_weights": 0}),
    "masked-original": ("blimp", MASKED, {"limit": 20, "by": "term", "score": "masked-original"}),
    "masked": ("blimp", MASKED, {"limit": 20, "by": "term"}),
}
WITHOUT_NGRAM = ("masked-original", "masked")
FIGURES = {"blimp": "blimp-gpt-novels.png", "linzen": "attractors-gpt-novels.png"}


def main() -> None:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arpa", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--only", default=",".join(RUNS))
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    models, wanted = Path(os.environ["PROBEKIT_MODELS"]), asked.only.split(",")
    if asked.train:
        novels = open_corpus(Path(os.environ["PROBEKIT_DATA"]) / "english_novels")
        write_arpa(train_ngram(sentences_of(novels), 5), asked.arpa)
    ngram = read_arpa(asked.arpa) if set(wanted) - set(WITHOUT_NGRAM) else None
    found: dict[str, BehaviourReport] = {}
    for name in wanted:
        report = judged(name, models, None if name in WITHOUT_NGRAM else ngram, asked.cache)
        report.write(asked.out / f"{name}.jsonl")
        report.write_items(asked.out / f"{name}.items.jsonl")
        figure = report.save_plot(asked.out / f"{name}.png")
        if asked.figures and name in FIGURES:
            shutil.copy(figure, asked.figures / FIGURES[name])
        print(f"{report.table()}\n\n{markdown(report)}\n", flush=True)
        found[name] = report
    if {"masked-original", "masked"} <= set(found):
        print(changes(found["masked-original"], found["masked"]))


def judged(name: str, models: Path, ngram: NgramModel | None, cache: Path | None) -> BehaviourReport:
    """Run one."""
    suite, model, options = RUNS[name]
    began = time.process_time()
    report = behave(suite, models / model, ngram=ngram, device="cpu", cache=cache, **options)
    print(f"== {name}: {time.process_time() - began:,.0f} s of processor time", flush=True)
    return report


def markdown(report: BehaviourReport) -> str:
    """Return the table of a page: a line a group, the model with its interval, the others beside it."""
    methods = [row for row in report.select(metric="accuracy") if row.role in ("estimator", "floor")]
    methods = [row for row in methods if row.method != "length"]
    heads = [report.by or "phenomenon", "n", methods[0].method, "interval", *(row.method for row in methods[1:])]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for group in (*report.phenomena, None):
        rows = {row.method: row for row in report.select(group, metric="accuracy") if row.role != "difference"}
        own = rows[methods[0].method]
        span = "" if own.low is None or own.high is None else f"[{own.low:.3f}, {own.high:.3f}]"
        others = [f"{rows[row.method].value:.3f}" if row.method in rows else "" for row in methods[1:]]
        lines.append(f"| {' | '.join([group or 'all', f'{own.n:,}', f'{own.value:.3f}', span, *others])} |")
    return "\n".join(lines)


def changes(before: BehaviourReport, after: BehaviourReport) -> str:
    """Return how many items another score gains and loses, of all and by which sentence has more pieces of words."""
    groups: dict[str, list[float]] = {}
    for old, new in zip(before.items, after.items, strict=True):
        change = next(iter(new["credits"].values())) - next(iter(old["credits"].values()))
        pieces = [tokens - words for tokens, words in zip(old["tokens"], old["words"], strict=True)]
        right = pieces.pop(old["right"])
        more = "as many pieces" if right == pieces[0] else "right has more" if right > pieces[0] else "wrong has more"
        for group in ("all", more, str(old["facts"]["term"])):
            groups.setdefault(group, []).append(change)
    lines = ["| group | n | gained | lost |", "|---|---:|---:|---:|"]
    for group, its in groups.items():
        lines.append(f"| {group} | {len(its):,} | {sum(x > 0 for x in its)} | {sum(x < 0 for x in its)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
