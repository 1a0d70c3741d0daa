"""What a report was made from: model, corpus, cache, settings, and what a reader must know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probekit import __version__
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus
from probekit.corpus.example import SPLITS
from probekit.probing.question import MIN_DOCUMENTS, Question
from probekit.probing.settings import Settings


def provenance_of(
    cache: ActivationCache,
    source: Corpus,
    settings: Settings,
    question: Question,
    *,
    tests: Mapping[str, Any] | None,
    repeated: int,
) -> dict[str, Any]:
    """Return the JSON-able provenance of a report."""
    record = source.source
    task = question.task
    return {
        "task": task.name,
        "model": dict(cache.model),
        "corpus": {
            **cache.corpus,
            "annotations_from": None if record is None else record.to_json(),
        },
        "cache": str(cache.path),
        "settings": {
            **settings.to_json(),
            "metric": "accuracy",
            "kind": task.kind,
            "unit": question.parts["test"].unit,
            "dtype": cache.identity["dtype"],
            "store": cache.identity["store"],
            "probekit": __version__,
            "reference": task.reference,
        },
        "targets": {split: len(question.parts[split].y) for split in SPLITS},
        "classes": len(question.classes),
        "tests": tests,
        "notes": [*source.remarks, *_notes(settings, question, repeated)],
    }


def _notes(settings: Settings, question: Question, repeated: int) -> list[str]:
    notes = list(question.notes)
    if repeated:
        notes.append(f"{repeated:,} dev or test examples repeat a training example.")
    if question.keys is None:
        notes.append("This task has no control: its targets are whole examples, which no memory of forms answers.")
    test = question.parts["test"]
    if test.unit == "sentence":
        notes.append(f"Intervals resample sentences: the test part has fewer than {MIN_DOCUMENTS} documents.")
    if settings.fast:
        notes.append(f"--fast: no control task, {settings.resamples} resamples, no tests between layers.")
    return notes
