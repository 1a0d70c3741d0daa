"""How fast corpora are read, and in how much memory: ``python tests/bench/bench_corpus.py [--sentences N]``.

Each measurement runs in a process of its own, so that its peak memory is its own. Plain text and JSON
lines are made up here; a real treebank is read where ``PROBEKIT_DATA`` names the folder of corpora.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

WORDS = 10


def main() -> None:
    """Make the corpora, read each in a child, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=1_000_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help="where to make the corpora (default: a temporary folder)")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        sources = [write_text(Path(folder), options.sentences), write_json(Path(folder), options.sentences // 5)]
        data = os.environ.get("PROBEKIT_DATA")
        if data:
            sources += [Path(data) / "ud_english_ewt", Path(data) / "ud_english_gum"]
        print(f"{'corpus':<18}{'sentences':>11}{'words':>12}{'seconds':>9}{'sentences/s':>13}{'of raw':>9}{'MB':>8}")
        for source in sources:
            command = [sys.executable, __file__, "--measure", str(source)]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rate = row["sentences"] / row["seconds"]
            print(
                f"{source.name:<18}{row['sentences']:>11,}{row['words']:>12,}{row['seconds']:>9.2f}{rate:>13,.0f}"
                f"{row['raw'] / row['seconds']:>8.1%}{row['megabytes']:>9.1f}"
            )
    print("of raw: the time of decoding the lines and splitting them at whitespace, over the time of the corpus")
    print("MB: peak memory above the import of the package")


def measure(path: str) -> dict[str, float]:
    """Iterate a corpus once; return its counts, seconds, and peak memory above the import in MB."""
    from probekit.corpus import open_corpus
    from probekit.devices import peak_memory

    before = peak_memory()
    corpus = open_corpus(path)
    start = time.perf_counter()
    sentences = words = 0
    for example in corpus:
        sentences += 1
        words += len(example.words)
    seconds = time.perf_counter() - start
    megabytes = (peak_memory() - before) / 1e6
    return {
        "sentences": sentences,
        "words": words,
        "seconds": seconds,
        "raw": raw_seconds(Path(path)),
        "megabytes": megabytes,
    }


def raw_seconds(path: Path) -> float:
    """Return the seconds that the lines alone take: no examples, no ids, no splits."""
    from probekit.corpus.folder import files_of
    from probekit.corpus.lines import blocks

    start = time.perf_counter()
    for file in files_of(path).files:
        for _, lines in blocks(file):
            for line in lines:
                tuple(line.split())
    return time.perf_counter() - start


def write_text(folder: Path, n: int) -> Path:
    """Write n sentences of about ten words, one a line."""
    path = folder / "plain.txt"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(" ".join(words) + "\n" for words in sentences(n))
    return path


def write_json(folder: Path, n: int) -> Path:
    """Write n sentences with ids and one annotation."""
    path = folder / "annotated.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, words in enumerate(sentences(n)):
            record = {"id": f"s{number}", "words": words, "upos": ["NOUN"] * len(words)}
            file.write(json.dumps(record) + "\n")
    return path


def sentences(n: int) -> Iterable[list[str]]:
    """Yield n lists of 5 to 15 made-up words."""
    draw = random.Random(0)
    forms = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyzäö", k=draw.randint(1, 9))) for _ in range(20_000)]
    for _ in range(n):
        yield draw.choices(forms, k=draw.randint(WORDS - 5, WORDS + 5))


if __name__ == "__main__":
    main()
