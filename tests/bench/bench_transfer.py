"""Sentiment from one data set to another, and directions found in pairs: MiniLM on SST-2 and on reviews with revisions.

Three data sets of one question: sentences of SST-2, film reviews of at most 60 words as they were written, and the same
reviews revised by people until their sentiment was the other [Kaushik et al. 2020]. `probekit transfer` trains on each
and tests on all. A fourth has each review with its revision as a pair; there every estimator of two classes is asked,
in the layer that its own dev chose. A pair is a review and the revision that shares most of its words (at least half),
each the best of the other; which stands first is drawn, seed 0. One JSON line a cell, and one an estimator.

Expected, before anything was run: within a data set the probe is at least 5 points above TF-IDF on SST-2; from
reviews to revisions (and back) TF-IDF falls to 0.5 or below, since revisions keep most words, and the probe falls by
less and stays above it; length is at chance on pairs of reviews and revisions. Of pairs: mean-difference-whitened is
within 5 points of logistic, mean-difference below both, pca-difference above chance, and ccs, which sees no label,
below all that do. It fails where the probe is below TF-IDF from reviews to revisions.

    PROBEKIT_DATA=... python tests/bench/bench_transfer.py docs/data/transfer.jsonl [--plot docs/transfer.png]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from probekit import extract, probe
from probekit.probing.transfer.run import transfer

LONGEST, SHARED = 60, 0.5
SPLITS = {"train": 400, "dev": 150, "test": 300}
ESTIMATORS = ("logistic", "mean-difference", "mean-difference-whitened", "pca-difference", "ccs")
METRICS = ("auroc", "recall_at_1_percent", "ece", "brier")
Row = dict[str, Any]


def reviews(folder: Path, kind: str, split: str) -> list[tuple[list[str], str]]:
    """Read the short reviews of a split, ``orig`` or ``new``."""
    with gzip.open(folder / f"{kind}.{split}.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found = [(row["Text"].replace("<br />", " ").split(), row["Sentiment"].lower()) for row in rows]
    return [(words, label) for words, label in found if 0 < len(words) <= LONGEST]


def paired(folder: Path, split: str) -> Iterator[tuple[tuple[list[str], str], tuple[list[str], str]]]:
    """Yield reviews with their revisions, each the other's best match by words."""
    first, second = (reviews(folder, kind, split) for kind in ("orig", "new"))
    bags = [[set(words) for words, _ in part] for part in (first, second)]
    alike = np.array([[len(a & b) / len(a | b) for b in bags[1]] for a in bags[0]])
    for row, column in enumerate(alike.argmax(axis=1)):
        if alike[row, column] >= SHARED and alike[:, column].argmax() == row and first[row][1] != second[column][1]:
            yield first[row], second[column]


def sentences(folder: Path, split: str) -> list[tuple[list[str], str]]:
    """Read SST-2."""
    lines = (folder / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
    found = [line.rsplit("\t", 1) for line in lines]
    return [(text.split(), ("negative", "positive")[int(label)]) for text, label in found if label in ("0", "1")]


def corpora(data: Path) -> dict[str, list[Row]]:
    """Return the rows of the four data sets, train, dev and test of each drawn by seed 0."""
    rng = np.random.default_rng(0)
    made: dict[str, list[Row]] = {name: [] for name in ("sst2", "reviews", "revisions", "pairs")}
    for split, most in SPLITS.items():
        given = sentences(data / "sst2", split)
        drawn = rng.permutation(len(given))[:most]
        made["sst2"] += [row_of(given[place], split) for place in drawn]
        for number, pair in enumerate(list(paired(data / "imdb_cad", split))[:most]):
            for name, one in zip(("reviews", "revisions"), pair, strict=True):
                made[name].append(row_of(one, split))
            order = pair if rng.random() < 0.5 else pair[::-1]
            made["pairs"] += [{**row_of(one, split), "group": f"{split}-{number}"} for one in order]
    return made


def row_of(one: tuple[list[str], str], split: str) -> Row:
    """Return an example as a line of a file has it."""
    return {"words": one[0], "label": one[1], "split": split}


def lines_of(caches: dict[str, Path], plot: Path | None) -> Iterator[Row]:
    """Yield the cells of the matrix, then the estimators of pairs."""
    names = ("sst2", "reviews", "revisions")
    report = transfer([caches[name] for name in names], metrics=METRICS)
    print(report.table())
    if plot is not None:
        report.save_plot(plot)
    for row in report.rows:
        if row.split == "test":
            yield {"what": "transfer", **picked(row)}
    for name in ESTIMATORS:
        told = probe("label", on=caches["pairs"], estimator=name, metrics=METRICS)
        best = told.best_layer().layer
        for row in told.rows:
            own = row.layer == best and row.role == "estimator"
            if row.split == "test" and (own or (row.role == "floor" and name == ESTIMATORS[0])):
                yield {"what": "pairs", **picked(row)}


def picked(row: Any) -> Row:
    """Return what is kept of a row."""
    names = ("corpus", "method", "role", "layer", "metric", "value", "low", "high", "n")
    return {name: getattr(row, name) for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the data, extract, ask, and write the lines."""
    parser = argparse.ArgumentParser(description="Transfer of sentiment, and directions of pairs.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        caches = {}
        for name, rows in corpora(Path(os.environ["PROBEKIT_DATA"])).items():
            path = Path(folder) / f"{name}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            counts = {split: sum(row["split"] == split for row in rows) for split in SPLITS}
            print(name, counts)
            caches[name] = extract("minilm", path, overflow="truncate", cache=Path(folder) / "caches").cache
        lines = list(lines_of(caches, asked.plot))
    asked.out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        if line["what"] == "pairs":
            print(line["method"], line["layer"], line["metric"], line["value"], line["low"], line["high"])


if __name__ == "__main__":
    main()
