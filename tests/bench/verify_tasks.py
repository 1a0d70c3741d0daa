"""The tasks of verify.json: where their data are, how rows become examples. Run alone, it says how many each has.

    PROBEKIT_DATA=... python tests/bench/verify_tasks.py [--only "EWT pos" ...]

A spec names a corpus that a reader knows, or a ``table``: files of rows without names of columns. A row is cut at tabs,
or as CSV (``quoted``), and ``text``, ``second`` and ``label`` say in which columns they are (a text may be in several);
or ``pattern`` finds rows with groups of these names, ``xml`` where their signs are written as XML does. A file may say
its ``split``, and the ``label`` of all its rows. Where dev is missing, or all three are, the project's own rule splits,
by hash.
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.corpus import Corpus, open_corpus
from probekit.corpus.lines import texts
from probekit.corpus.records import example_from, with_words
from probekit.example import SPLITS, Example
from probekit.tasks import get_task

TASKS = Path(__file__).with_name("verify.json")


def tasks(part: str | None = None, only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the specs of a part, or all."""
    found = [spec for spec in json.loads(TASKS.read_text(encoding="utf-8")) if part in (None, spec["part"])]
    return [spec for spec in found if not only or spec["name"] in only]


def corpus_of(spec: Mapping[str, Any], data: Path) -> Corpus:
    """Open a task's corpus: a reader's, or a table; every example has a split."""
    if "table" in spec:
        return open_corpus(list(rows_of(spec["table"], data)), name=spec["name"])
    return open_corpus(str(data / spec["corpus"]))


def rows_of(table: Mapping[str, Any], data: Path) -> Iterator[Example]:
    """Yield the rows of all files of a table."""
    numbers: Counter[str | None] = Counter()
    for file in table["files"]:
        split = file.get("split")
        for row in _rows(table, data / file["path"]):
            label = file.get("label") or table.get("labels", {}).get(row["label"], row["label"])
            record = {
                "id": f"{split or 'row'}-{numbers[split]}",
                "split": split,
                "label": float(label) if table.get("numbers") else label,
            }
            numbers[split] += 1
            given = [row[name] for name in ("text", "second") if name in row]
            whole = with_words(record, list(map(html.unescape, given)) if table.get("xml") else given, record["id"])
            if whole is None:
                raise ValueError(f"{file['path']}: row {record['id']} lacks a text.")
            yield example_from(whole, record["id"])


def _rows(table: Mapping[str, Any], path: Path) -> Iterator[dict[str, str]]:
    lines = texts(path, table.get("encoding", "utf-8"))
    if "pattern" in table:
        for found in re.finditer(table["pattern"], "".join(lines)):
            yield found.groupdict()
        return
    delimiter, quoting = (",", csv.QUOTE_MINIMAL) if table.get("quoted") else ("\t", csv.QUOTE_NONE)
    columns = {name: table[name] for name in ("text", "second", "label") if name in table}
    for number, cells in enumerate(csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)):
        if number >= table.get("header", 0):
            yield {
                name: " ".join(cells[at] for at in (place if isinstance(place, list) else [place]))
                for name, place in columns.items()
            }


def main() -> None:
    """Say of every task how many examples, targets and words it has, and which labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[])
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not data.is_dir():
        sys.exit("PROBEKIT_DATA names no folder: there is nothing to read.")
    for spec in tasks(only=parser.parse_args().only):
        corpus = corpus_of(spec, data)
        task = get_task(spec["task"])
        examples = list(corpus)
        sizes = Counter(example.split for example in examples)
        labels = Counter(target.label for example in examples for target in task.targets(example))
        words = [len(example.words) for example in examples]
        often = ", ".join(f"{label} {count:,}" for label, count in labels.most_common(4))
        print(
            f"{spec['name']} ({spec['part']}): {' / '.join(f'{sizes[split]:,}' for split in SPLITS)} examples, "
            f"{labels.total():,} targets, {len(labels)} labels ({often}), "
            f"{sum(words) / len(words):.1f} words, at most {max(words):,}; {corpus.split_rule}",
            flush=True,
        )


if __name__ == "__main__":
    main()
