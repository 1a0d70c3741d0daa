"""Metrics of labels: how often what reads them from a model gives the right one.

Enters: labelled targets with their reader. Leaves: what was read of them. Dev chooses what is important, test shows it;
the objective of a gradient is the log-probability of the right label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.ablation.labelled import Labelled, targets_of
from probekit.ablation.metrics import Entry, FloatArray, Reading, Wanted
from probekit.ablation.passes import Pass
from probekit.ablation.probes.pooled import LinearProbe
from probekit.behaviour.clusters import credit_of
from probekit.errors import InputError
from probekit.features.labels import UNSEEN
from probekit.statistics.units import Units, resampled_notes, units_of


def reading_of(labelled: Labelled, wanted: Wanted, probe: LinearProbe | None = None) -> Reading:
    """Return the targets of dev and of test, to be measured on.

    Raises
    ------
    InputError
        No target of dev or of test is left.
    """
    notes = list(labelled.notes)
    (deciding, of_dev), (showing, of_test) = (_entries(labelled, split, wanted.limit) for split in ("dev", "test"))
    choosing = [entry for entry in deciding if labelled.codes[entry.outcomes[0]] != UNSEEN]
    if unseen := len(deciding) - len(choosing):
        notes.append(f"{unseen:,} dev targets, whose labels training never showed, choose nothing.")
    if not choosing or not showing:
        what = "No dev target has a label that training showed" if not choosing else "No target is of test"
        raise InputError(f"{what}: '{labelled.task.name}' in the corpus '{labelled.corpus}'. Give more examples.")
    if wanted.limit is not None:
        notes.append(f"Only the first {wanted.limit:,} examples of dev and of test with a target are measured on.")

    def lay(entries: Sequence[Entry], batch_tokens: int) -> Sequence[Pass]:
        return labelled.passes(np.array([entry.outcomes[0] for entry in entries], np.int64), batch_tokens)

    return Reading(
        loaded=labelled.loaded,
        choosing=choosing,
        showing=showing,
        parts=(f"{of_dev.unit}s of dev", f"{of_test.unit}s of test"),
        lay=lay,
        unit=of_test.unit,
        name=labelled.name,
        corpus=labelled.corpus,
        identity=labelled.identity,
        said=labelled.said,
        notes=[*resampled_notes({"test": of_test}), *notes],
        settings=labelled.settings,
        layers=labelled.layers,
        probe=probe,
    )


def _entries(labelled: Labelled, split: str, limit: int | None) -> tuple[list[Entry], Units]:
    rows, table = targets_of(labelled.table, split, limit), labelled.table
    units = units_of(table.group, table.example[rows])
    # The right label, and the likeliest other one.
    return [Entry(f"{split} {unit}", (row, row)) for row, unit in zip(rows.tolist(), units.of, strict=True)], units


def count(entry: Entry, totals: FloatArray) -> tuple[float, float]:
    """Count a target, 1 where its label is the likeliest."""
    return credit_of(totals, entry.right), 1.0


def weigh(entry: Entry, totals: FloatArray) -> list[float]:
    """Follow the log-probability of the right label."""
    return [1.0, 0.0]
