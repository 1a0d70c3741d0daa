"""The twenty tasks that are timed together: over words, pairs and sentences of UD English EWT and its companions.

Twelve over words, four over pairs, four over sentences. Enters: what the tasks found. Leaves: their table. Surprise:
a task with more than :data:`MOST` classes must say by which rule it keeps the most frequent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from probekit import LayerReport
from probekit.tasks import get_task

TASKS: dict[str, tuple[str, ...]] = {
    "pos": (),
    "morph:Number": (),
    "morph:Tense": (),
    "morph:VerbForm": (),
    "deprel:universal": (),
    "word-length": (),
    "position": (),
    "seen-before": (),
    "query:upos=NOUN & head.upos=VERB": (),
    "supersense": ("streusle",),
    "factuality": ("uds/uds2.0_factuality.tsv.gz",),
    "genericity:arg-kind": ("uds/uds2.0_genericity.tsv.gz",),
    "arc": (),
    "semantic-role": ("ewt_propbank",),
    "proto-role:volition": ("uds/uds2.0_protoroles.tsv.gz",),
    "proto-role:sentient": ("uds/uds2.0_protoroles.tsv.gz",),
    "sentence-length": (),
    "tree-depth": (),
    "tense": (),
    "subj-number": (),
}
"""Task and the files with its annotations, below the folder of corpora."""

_HEAD = ("task", "kind", "annotations", "train", "dev", "test", "classes", "rule", "layer", "expected")
_HEAD += ("score", "interval", "floor", "selectivity", "kbit", "compression", "of the control")

MOST = 200
"""Classes that a task may have without a rule that says which are kept."""


@dataclass(frozen=True)
class Found:
    """One line of the table; the scores are None where the task was only counted."""

    task: str
    kind: str
    companion: str
    train: int
    dev: int
    test: int
    classes: int
    rule: str
    layer: str | None = None
    expected: float | None = None
    score: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    selectivity: float | None = None
    kbits: float | None = None
    compression: float | None = None
    control_compression: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def companions(tasks: Sequence[str], data: Path) -> list[Path]:
    """Return the files with the annotations of some tasks, each once."""
    return [data / name for name in dict.fromkeys(name for task in tasks for name in TASKS[task])]


def rule_of(task: str, classes: int) -> str:
    """Return how the labels of a task became so few, in words; empty where they are all kept as they are."""
    asked = get_task(task)
    if asked.top_labels is not None and classes >= asked.top_labels:
        return f"the {asked.top_labels} most frequent in training"
    return "" if asked.bins is None else f"{asked.bins} bins at quantiles of training"


def counted(task: str, sizes: dict[str, int], classes: int) -> Found:
    """Return the line of a task that was asked and not probed."""
    return Found(
        task,
        get_task(task).kind,
        ", ".join(name.partition("/")[0] for name in TASKS[task]),
        sizes["train"],
        sizes["dev"],
        sizes["test"],
        classes,
        rule_of(task, classes),
    )


def found(report: LayerReport) -> dict[str, Any]:
    """Return what a report says of a task, as the fields of a line."""
    summary = report.summary()
    best = summary["best_layer"]
    floors = [summary[name] for name in ("majority", "word_type", "bag_of_words") if summary[name] is not None]
    line = counted(report.task, report.provenance["targets"], report.provenance["classes"])
    return line.to_json() | {
        "layer": str(best),
        "expected": summary["expected_layer"],
        "score": summary["test"],
        "low": summary["low"],
        "high": summary["high"],
        "floor": max(floors),
        "selectivity": summary["selectivity"],
    }


def bits(report: LayerReport) -> dict[str, float | None]:
    """Return the online code of a report's only layer, as the fields of a line."""
    (layer,) = report.layers

    def value(method: str, metric: str) -> float | None:
        point = report.points(method, split="train", metric=metric).get(layer)
        return point.value if point else None

    total = value("online_code", "bits")
    return {
        "kbits": None if total is None else total / 1000,
        "compression": value("online_code", "compression"),
        "control_compression": value("online_code_control", "compression"),
    }


def too_many(lines: Sequence[Found]) -> list[str]:
    """Return the tasks that have too many classes and no rule for them."""
    return [line.task for line in lines if line.classes > MOST and "most frequent" not in line.rule]


def table(lines: Sequence[Found]) -> str:
    """Return the table in Markdown."""
    rows = [list(_HEAD), ["---"] * 3 + ["---:"] * 4 + ["---"] + ["---:"] * 3 + ["---"] + ["---:"] * 5]
    for line in lines:
        interval = "" if line.low is None or line.high is None else f"[{line.low:.3f}, {line.high:.3f}]"
        rows.append(
            [
                f"`{line.task}`",
                line.kind,
                line.companion or "EWT",
                *(f"{count:,}" for count in (line.train, line.dev, line.test, line.classes)),
                line.rule or "all",
                line.layer or "",
                "" if line.expected is None else f"{line.expected:.2f}",
                _three(line.score),
                interval,
                _three(line.floor),
                _three(line.selectivity),
                "" if line.kbits is None else f"{line.kbits:,.1f}",
                *("" if ratio is None else f"{ratio:.2f}" for ratio in (line.compression, line.control_compression)),
            ]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _three(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"


def document(lines: Sequence[Found]) -> str:
    """Return the whole document."""
    probed = any(line.score is not None for line in lines)
    said = "Counted only: run it without `--count` to fill in layer, score, floor and selectivity."
    if probed:
        said = (
            "The layer is chosen on dev; expected is the layer at which the dev score is gained on average; score "
            "(accuracy, with its 95 % interval) and selectivity are test; the floor is the best of the majority, the "
            "memory of forms and (of sentences) a bag of words; kbit is the online code of the training labels at that "
            "layer, in thousands of bits, compression against the uniform code, then that of the "
            "control's labels (`--bits`)."
        )
    return (
        "# Twenty tasks over one extraction\n\n"
        "Twelve questions about words, four about pairs, four about sentences of UD English EWT, with the annotations "
        "that other projects made of it joined by sentence and word id; the model is MiniLM. "
        "`python tests/bench/bench_twenty.py --write docs/twenty.md` makes this table, and times them.\n\n"
        f"{table(lines)}\n"
        f"{said} A control is on wherever a task has one; sentence tasks have none. "
        f"A task with more than {MOST} classes would need a rule that keeps the most frequent.\n"
    )
