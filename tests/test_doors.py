"""Whatever is given at a public door: an answer or a ProbekitError, never another exception."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from cache.planted import corpus_of
from cache.planted import extract as plant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probekit import (
    ActivationCache,
    Corpus,
    Example,
    LayerReport,
    Measurement,
    ProbekitError,
    ProbeTask,
    Target,
    extract,
    open_corpus,
    probe,
    probe_tasks,
    score_tokens,
)
from probekit.corpus import Span
from probekit.extraction.result import Extraction
from probekit.probing.cache_selection import open_cache
from probekit.report import compare

ROW = {"stage": "probe", "task": "t", "model": "m", "corpus": "c", "split": "test", "layer": 1, "method": "logistic"}
ROW |= {"role": "estimator", "metric": "accuracy", "value": 0.5}
WORDS = [["a", "b"], ["c"]]
ODD: list[Any] = [
    None, True, np.bool_(False), 1.5, float("nan"), float("inf"), -1, 2**70, 1j, "", "nope", "a\0b", "~nobody/x",
    "x" * 300, "accuracy", "test", "0", "final", b"x", object(), [], {}, (), [[]], [1.5], [None], ["", "a"], {"a": 1},
    {1, 2}, (1, 2, 3), np.array(1.5), np.array([1.5]), np.array([[1, 2], [3, 4]]), np.array(["a"]), np.array([]),
    np.datetime64("2020-01-01"), np.uint64(2**64 - 1), torch.tensor([True]), torch.tensor(2.5), torch.tensor([0, 1]),
    torch.empty(2, device="meta"), pd.NA, pd.NaT, pd.Series([1, None]), pd.DataFrame({"a": [1]}), pd.Series(["a", "b"]),
    slice(0.5), slice(None, None, 0), slice(0, 2), len, int, Path("x"), range(3), lambda *args: None, Span(0, 1, "x"),
    ValueError("x"),
]  # fmt: skip
JUNK = st.one_of(
    st.sampled_from(range(len(ODD))).map(ODD.__getitem__),
    st.integers(-3, 9),
    st.text(max_size=3),
    st.lists(st.sampled_from(range(len(ODD))).map(ODD.__getitem__), max_size=2),
)


class Doors:
    """Every public callable with one argument left to be filled in."""

    def __init__(self, folder: Path) -> None:
        corpus = corpus_of(2)
        self.folder = plant(folder, corpus)
        self.cache = ActivationCache.open(self.folder)
        self.corpus = Corpus.from_examples(corpus)
        self.view = self.cache.layer(0)
        rows = [Measurement(**{**ROW, "layer": layer, "split": split}) for layer in (0, 1) for split in ("dev", "test")]  # type: ignore[arg-type]
        self.report = LayerReport(tuple(rows), {"task": "t"})
        self.doors: dict[str, Callable[[Any], object]] = dict(self._all())

    def probe(self, **options: Any) -> LayerReport:
        given: dict[str, Any] = {"on": self.cache, "corpus": self.corpus, "fast": True, "layers": [0], **options}
        # The corpus has no such annotation, which shows when all of it has been read.
        return probe(**{"task": "xpos", **given})

    def _all(self) -> Iterator[tuple[str, Callable[[Any], object]]]:
        for option in ("task", "on", "corpus", "annotations", "layers", "pool", "pair", "estimator", "seed", "probes"):
            yield f"probe {option}", lambda x, option=option: self.probe(**{option: x})
        for option in (*("strict", "drop_repeated", "fast", "ranks", "max_ram", "device"), "also", "metrics"):
            yield f"probe {option}", lambda x, option=option: self.probe(**{option: x})
        for option in ("cache", "progress"):
            yield f"probe {option}", lambda x, option=option: self.probe(**{option: x})
        yield "probe control_seeds", lambda x: self.probe(control_seeds=x)
        yield "probe model", lambda x: self.probe(model=x, on=None, cache=self.folder.parent)
        yield "probe_tasks", lambda x: list(probe_tasks(x, self.cache, corpus=self.corpus))
        yield "probe_tasks of one", lambda x: list(probe_tasks([x], self.cache, corpus=self.corpus))
        yield "probe_tasks settings", lambda x: list(probe_tasks(["no-such-task"], self.cache, settings=x))
        for option in (
            "layers",
            "dtype",
            "store",
            "device",
            "batch_tokens",
            "input",
            "max_length",
            "overflow",
            "shard",
        ):
            yield f"extract {option}", lambda x, option=option: extract("/no/such/model", WORDS, **{option: x})
        for option in ("random_weights", "revision", "subsample", "mixed", "progress"):
            yield f"extract {option}", lambda x, option=option: extract("/no/such/model", WORDS, **{option: x})
        yield "extract model", lambda x: extract(["no", x], WORDS)  # type: ignore[arg-type]
        yield "score_tokens", lambda x: score_tokens(x, "/no/such/model")
        for option in ("score", "begin", "device", "batch_tokens", "revision", "progress"):
            yield (
                f"score_tokens {option}",
                lambda x, option=option: score_tokens(self.cache, "/no/such/model", **{option: x}),
            )
        yield "open_corpus", lambda x: list(open_corpus(x))
        yield "open_corpus of one", lambda x: list(open_corpus([x]))
        yield "open_corpus of words", lambda x: list(open_corpus([["a", x]]))
        yield "open_corpus name", lambda x: list(open_corpus(WORDS, name=x))
        yield "from_words", lambda x: list(Corpus.from_words(x))
        yield "from_examples", lambda x: list(Corpus.from_examples(x))
        yield "from_frame", lambda x: list(Corpus.from_frame(x))
        yield "Corpus", lambda x: list(Corpus(x, name="c"))
        yield "Corpus splits", lambda x: Corpus((), name="c", splits=x)
        yield "subsample", lambda x: list(self.corpus.subsample(x))
        yield "subsample seed", lambda x: list(self.corpus.subsample(2, x))
        yield "open cache", ActivationCache.open
        yield "cache layers", self.cache.layers
        yield "cache layer", self.cache.layer
        yield "cache layer stack", lambda x: self.cache.layer(0, x)
        yield "cache index", self.cache.index
        yield "cache block", lambda x: self.cache.block(x, 0)
        yield "cache block number", lambda x: self.cache.block("layer.00", x)
        yield "cache index_block", lambda x: self.cache.index_block(x, 0)
        yield "view rows", lambda x: self.view[x]
        report = self.report
        yield "report rows", LayerReport
        yield "report provenance", lambda x: str(LayerReport(report.rows, x))
        yield "report select", report.select
        yield "report points", report.points
        yield "report floor", report.floor
        yield "report best_layer", report.best_layer
        yield "report expected_layer", report.expected_layer
        for option in ("split", "metric"):
            yield f"report select {option}", lambda x, option=option: report.select(**{option: x})
            yield f"report points {option}", lambda x, option=option: report.points(**{option: x})
        yield "report expected_layer metric", lambda x: report.expected_layer(metric=x)
        yield "report read", LayerReport.read
        yield "report write", report.write
        yield "report write provenance", lambda x: LayerReport(report.rows, {"x": x}).write("report.jsonl")
        yield "report plot", report.plot
        yield "report plot metric", lambda x: report.plot(metric=x) if x is not None else None
        yield "report save_plot", report.save_plot
        yield "compare", compare
        yield "compare names", lambda x: compare([report, report], x)
        for field in (*ROW, "low", "n", "seed", "strength", "strength_name", "pooling", "note"):
            yield f"Measurement {field}", lambda x, field=field: Measurement(**{**ROW, field: x})  # type: ignore[arg-type]
        for field in ("id", "words", "text", "annotations", "spans", "group", "split"):
            yield f"Example {field}", lambda x, field=field: Example(**{"id": "x", "words": ("a",), field: x})
        yield "Example annotation", lambda x: Example("x", ("a",), annotations={"y": x})
        yield "Example span", lambda x: Example("x", ("a",), spans={"y": [x]})
        for place in range(3):
            yield f"Span {place}", lambda x, place=place: Span(*[x if i == place else (0, 1, "x")[i] for i in range(3)])
        for field in ("spans", "label", "key", "passed_over"):
            yield f"Target {field}", lambda x, field=field: Target(**{"spans": ((0, 1),), "label": "x", field: x})
        for field in (
            "name",
            "targets",
            "kind",
            "needs",
            "option",
            "choices",
            "needs_of",
            "bins",
            "top_labels",
            "metrics",
        ):
            yield f"ProbeTask {field}", lambda x, field=field: ProbeTask(**{"name": "x", "targets": len, field: x})


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Doors:
    return Doors(tmp_path_factory.mktemp("doors"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[None]:
    """What is written by a name lies in a folder of the test."""
    import matplotlib.pyplot as plt

    with contextlib.chdir(tmp_path):
        yield
    plt.close("all")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_other_value_is_a_probekit_error(doors: Doors, elsewhere: None, data: st.DataObject) -> None:
    door = data.draw(st.sampled_from(sorted(doors.doors)))
    value = data.draw(JUNK)
    with contextlib.suppress(ProbekitError):
        doors.doors[door](value)


def test_what_one_call_gives_the_next_one_takes(doors: Doors) -> None:
    folder = doors.cache.path
    extraction = Extraction(**{field.name: folder for field in fields(Extraction)})
    report = LayerReport((), {"cache": str(folder)})
    for on in (folder, str(folder), np.str_(folder), doors.cache, extraction, report):
        assert open_cache(on, None, None, None).path == folder
    assert ActivationCache.open(extraction).path == ActivationCache.open(doors.cache).path == folder
    assert os.fspath(extraction) == str(folder)
