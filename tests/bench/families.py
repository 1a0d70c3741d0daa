"""Every text model type of the installed transformers: are the rows of a cache those of single sentences?

Each type is built from its config with tiny random weights, extracted over nine sentences of 3 to 150
words and two of 600, and compared with a direct forward of each sentence by a fresh copy of the
model. Writes ``docs/families.md``; ends with 1 where a row is wrong or anything but a refusal ends
an extraction.

    python tests/bench/families.py [--only bert,t5] [--seconds 30] [--workers 2] [--out docs/families.md]
"""

from __future__ import annotations

import argparse
import copy
import inspect
import multiprocessing
import re
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from small import read, tiny_config
from tiny_models import FAMILIES, training_text, write_model

from probekit import ActivationCache, extract
from probekit.errors import ProbekitError
from probekit.models.sources.weights import quiet

LENGTHS = (3, 150, 5, 8, 600, 13, 21, 34, 600, 55, 90)
ALLOWED = 2e-5
WORDS = [word for sentence in training_text()[2:] for word in sentence.split()]
CORPUS = [WORDS[at * 97 : at * 97 + size] for at, size in enumerate(LENGTHS)]


def main() -> int:
    """Check every type, a line each, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="types, separated by commas; the others keep their rows")
    parser.add_argument("--seconds", type=int, default=30, help="processor time of each step of a type")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("docs/families.md"))
    options = parser.parse_args()
    rows = written(options.out) if options.only else {}
    kinds = options.only.split(",") if options.only else text_types()
    # A new process now and then: what a type leaves in memory is not the next one's.
    with multiprocessing.get_context("spawn").Pool(options.workers, maxtasksperchild=60) as pool:
        for kind, verdict, reason in pool.imap_unordered(partial(judged, seconds=options.seconds), kinds):
            rows[kind] = (verdict, reason)
            print(f"{kind:28} {verdict:12} {reason[:150]}", flush=True)
    counts = Counter(verdict for verdict, _ in rows.values())
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    options.out.write_text(table(rows, counts), encoding="utf-8")
    return 1 if counts["wrong"] or counts["crash"] else 0


def judged(kind: str, *, seconds: int) -> tuple[str, str, str]:
    """Return a type, the verdict on it and its reason."""
    torch.set_num_threads(1)
    return kind, *judge(kind, FAMILIES["bert"].tokenizer(), seconds)


def written(page: Path) -> dict[str, tuple[str, str]]:
    """Return the rows of a page that is there, of this version of transformers; none of another."""
    import transformers

    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if f"transformers {transformers.__version__}," not in text:
        return {}
    cells = (line.strip("| ").split(" | ", 2) for line in text.splitlines() if line.startswith("| "))
    return {cell[0]: (cell[1], cell[2]) for cell in cells if len(cell) == 3 and cell[0] != "type"}


def text_types() -> list[str]:
    """Model types whose base model reads ids of tokens."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    found = []
    for kind, name in sorted(MODEL_MAPPING_NAMES.items()):
        try:
            model = getattr(transformers, name if isinstance(name, str) else name[0])
            sized = "vocab_size" in vars(CONFIG_MAPPING[kind]())
            if sized and "input_ids" in inspect.signature(model.forward).parameters:
                found.append(kind)
        except Exception:  # an optional package of one type is missing, or its config has no default
            continue
    return found


def judge(kind: str, tokenizer: Any, seconds: int) -> tuple[str, str]:
    """Return the verdict on one type and its reason."""
    with tempfile.TemporaryDirectory(prefix="probekit-family-") as name, quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        try:
            with limited(seconds):
                write_model(folder / "model", tiny_config(kind, len(tokenizer)), tokenizer)
        except (Exception, Late) as error:
            return "not built", _line(error)
        try:
            with limited(seconds):
                made = extract(folder / "model", CORPUS, cache=folder / "caches", device="cpu", batch_tokens=4096)
        except ProbekitError as error:
            needs = "probekit/models/architecture/families" in str(error)
            return ("needs a file" if needs else "refused"), _line(error)
        except Late as error:
            return "too slow", f"extraction: {error}"
        except Exception as error:
            return "crash", _line(error)
        try:
            with limited(seconds):
                worst, layers = compare(folder / "model", ActivationCache.open(made.cache))
        except (Exception, Late) as error:
            return "not compared", _line(error)
        unpadded = (made.certificate or {}).get("shards_unpadded")
        how = f"{layers} layers, {worst:.0e}" + ("; in batches of equal lengths" if unpadded else "")
        return ("right" if worst <= ALLOWED else "wrong"), how


def compare(folder: Path, cache: ActivationCache) -> tuple[float, int]:
    """Return the largest difference to the model's own hidden states, as a share of a layer's largest, and layers."""
    from transformers import AutoModel

    fresh = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    worst, seen = 0.0, set()
    for ordinal in range(len(CORPUS)):
        for stack in cache.stacks:
            index = cache.index(stack)
            rows = np.flatnonzero(index.example == ordinal)
            states, returned = own_states(copy.deepcopy(fresh), cache, ordinal, stack)
            last = max(layer for layer in cache.layers(stack) if isinstance(layer, int))
            if (
                len(states) == last + 1 > 1
                and states[0].shape == states[1].shape
                and _begins_late(states, cache, rows, stack)
            ):
                states = [None, *states]  # its list has no embeddings (RWKV)
            for layer in cache.layers(stack):
                # What a stack returns is the final norm's output where it has one, else the last block's.
                if layer == "final" or (layer == last and "final" not in cache.layers(stack)):
                    expected = returned
                elif layer == last or len(states) <= last or states[layer] is None:
                    continue
                else:
                    expected = states[layer]
                found = cache.layer(layer, stack)[rows]
                expected = expected[0, : len(rows)].float().numpy()
                off = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))
                worst = max(worst, off if np.isfinite(off) else np.inf)  # NaN is larger than nothing
                seen.add((stack, layer))
    return worst, len(seen)


def _begins_late(states: list[Any], cache: ActivationCache, rows: Any, stack: str) -> bool:
    """Whether a model's own list of states begins with the output of block 1."""
    first = states[0][0, : len(rows)].float().numpy()
    return bool(np.allclose(first, cache.layer(1, stack)[rows], atol=ALLOWED * np.abs(first).max()))


def own_states(model: Any, cache: ActivationCache, ordinal: int, stack: str) -> tuple[list[Any], Any]:
    """Run one sentence alone; return the list of hidden states (empty: it gives none), and what the stack returns."""

    def tokens(name: str) -> list[int]:
        index = cache.index(name)
        return [int(token) for token in index.token[index.example == ordinal]]

    decoder = tokens("decoder") if stack else None
    output = read(model, tokens("encoder" if stack else ""), decoder, output_hidden_states=True)
    name = f"{stack}_hidden_states" if stack else "hidden_states"
    states = list(getattr(output, name, None) or [])
    last = "encoder_last_hidden_state" if stack == "encoder" else "last_hidden_state"
    returned = getattr(output, last, None)
    return states, states[-1] if returned is None else returned


class Late(BaseException):
    """The time of a type is over; no Exception, so that nobody takes it for one of the model's own."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """End with Late what takes longer on a processor: what a busy machine keeps waiting is not slow."""

    def late(number: int, frame: Any) -> None:
        raise Late(f"over {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def table(rows: dict[str, tuple[str, str]], counts: Counter[str]) -> str:
    """Return the page."""
    import transformers

    lines = [
        "# Model types",
        "",
        f"Every text model type of transformers {transformers.__version__}, with tiny random weights:",
        "rows of a cache against a direct forward of each single sentence, eleven sentences of 3 to 600 words.",
        "",
        f"- *right*: equal to {ALLOWED:.0e} of a layer's largest magnitude;",
        "- *refused*: with the reason;",
        "- *needs a file*: its blocks are not found without one in `probekit/models/architecture/families`;",
        "- *not built*: no small config of this type runs by itself, or an optional package is missing, so nothing",
        "  is known;",
        "- *too slow*: the time of one type was over;",
        "- *crash*: an error that is none of probekit's own; *wrong*: not equal; the run ends with 1;",
        "- *not compared*: it extracts, but returns no hidden states of its own to compare with.",
        "",
        f"Made by `make families`, with torch {torch.__version__} on a CPU.",
        ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) + ".",
        "",
        "| type | verdict | reason |",
        "|---|---|---|",
    ]
    lines += [
        f"| {kind} | {verdict} | {reason.replace('|', '/')} |" for kind, (verdict, reason) in sorted(rows.items())
    ]
    return "\n".join(lines) + "\n"


def _line(error: BaseException) -> str:
    said = re.sub(r"\S*/probekit-family-[^/]+/", "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {said[:200]}"


if __name__ == "__main__":
    sys.exit(main())
