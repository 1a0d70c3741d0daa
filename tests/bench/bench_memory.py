"""Peak memory of an extraction above the loaded model, at 1x, 8x and 16x the corpus, each in a process of its own.

python tests/bench/bench_memory.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from probekit.corpus import open_corpus

CHILD = """
import sys, tempfile
from probekit import extract
from probekit.devices import peak_memory
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate

load(locate("minilm"))
before = peak_memory()
with tempfile.TemporaryDirectory() as root:
    done = extract("minilm", sys.argv[1], cache=root)
    above = (peak_memory() - before) / 1e6
    print(f"{done.rows:,} rows, {done.bytes / 1e6:,.0f} MB on disk, peak {above:,.0f} MB above the model")
"""


def main() -> None:
    """Print one line a corpus size."""
    data = os.environ.get("PROBEKIT_DATA")
    path = Path(data or ".", "ud_english_ewt", "en_ewt-ud-dev.conllu.gz")
    source = str(path) if path.is_file() else "grammar:n=2000"
    lines = "".join(" ".join(example.words) + "\n" for example in open_corpus(source))
    for copies in (1, 8, 16):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write(lines * copies)
            file.flush()
            print(f"{copies}x ", end="", flush=True)
            subprocess.run([sys.executable, "-c", CHILD, file.name], check=True)


if __name__ == "__main__":
    main()
