"""How well a linear probe reads a task from a layer: its accuracy while parts below are left out.

The probe is fitted on the whole model and stays as it is. Dev chooses what is important, test shows it; the objective
of a gradient is the log-probability of the right label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from probekit.ablation.metrics import Entry, FloatArray, Metric, Reading, Wanted
from probekit.ablation.passes import Longs, Pass
from probekit.ablation.probes.fitting import Probed, identity_of, load_probed, name_of
from probekit.ablation.probes.pooled import OUTCOMES, ProbePass, vector_passes
from probekit.behaviour.clusters import credit_of
from probekit.errors import InputError
from probekit.features.labels import UNSEEN
from probekit.statistics.bootstrap import SHARE
from probekit.statistics.units import Units, resampled_notes, units_of


@contextmanager
def open_probed(wanted: Wanted) -> Iterator[Reading]:
    """Load a model, with or without a head, and fit a probe of a layer of it."""
    loaded, probed = load_probed(
        wanted.source, wanted.argument, spec=wanted.spec, probing=wanted.probing, seed=wanted.seed
    )  # fmt: skip
    probe, pooler = probed.probe, probed.pooler
    notes = list(probed.notes)
    sides = {split: _entries(probed, split, wanted.limit) for split in ("dev", "test")}
    choosing = [entry for entry in sides["dev"][0] if probed.coded.codes[entry.outcomes[0]] != UNSEEN]
    if unseen := len(sides["dev"][0]) - len(choosing):
        notes.append(f"{unseen:,} dev targets, whose labels training never showed, choose nothing.")
    if not choosing:
        raise InputError(f"No dev target of '{wanted.argument}' has a label that training showed. Give more examples.")
    if wanted.limit is not None:
        notes.append(f"Only the first {wanted.limit:,} examples of dev and of test with a target are measured on.")

    def lay(entries: Sequence[Entry], batch_tokens: int) -> Sequence[Pass]:
        rows = np.array([entry.outcomes[0] for entry in entries], np.int64)
        passes = vector_passes(
            probed.index, pooler, rows, probe.layer, pad_id=loaded.pad_id, batch_tokens=batch_tokens
        )  # fmt: skip
        found = []
        for each in passes:
            at = OUTCOMES * np.searchsorted(rows, each.rows)
            gold = probed.coded.codes[each.rows].astype(np.int64)
            found.append(ProbePass(each, probe, gold, np.concatenate([at, at + 1])))
        return found

    units = sides["test"][1]
    yield Reading(
        loaded=loaded,
        choosing=choosing,
        showing=sides["test"][0],
        parts=(f"{sides['dev'][1].unit}s of dev", f"{units.unit}s of test"),
        lay=lay,
        unit=units.unit,
        name=name_of(loaded),
        corpus=probed.corpus,
        identity=identity_of(loaded),
        said=probed.said,
        notes=[*resampled_notes({"test": units}), *notes],
        settings={"layer": probe.layer, "pool": wanted.probing.pool,
                  "pair": wanted.probing.pair},
        layer=probe.layer,
        probe=probe,
    )  # fmt: skip


def _entries(probed: Probed, split: str, limit: int | None) -> tuple[list[Entry], Units]:
    rows: Longs = probed.targets(split, limit)
    table = probed.pooler.table
    units = units_of(table.group, table.example[rows])
    # The right label, and the likeliest other one.
    return [Entry(f"{split} {unit}", (row, row)) for row, unit in zip(rows.tolist(), units.of, strict=True)], units


def count(entry: Entry, totals: FloatArray) -> tuple[float, float]:
    """Count a target, 1 where its label is the likeliest."""
    return credit_of(totals, entry.right), 1.0


def weigh(entry: Entry, totals: FloatArray) -> list[float]:
    """Follow the log-probability of the right label."""
    return [1.0, 0.0]


METRIC = Metric(
    "probe",
    open_probed,
    count,
    weigh,
    score="accuracy",
    bounds=SHARE,
    higher=True,
    argument="TASK",
    help="Accuracy of a linear probe of a layer, fitted on the whole model.",
)
