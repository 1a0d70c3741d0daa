"""How well a linear probe reads a task from a layer: its accuracy while parts below are left out.

The probe is fitted on the whole model and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from probekit.ablation.metrics import Metric, Reading, Wanted
from probekit.ablation.metrics._labelled import count, reading_of, weigh
from probekit.ablation.probes.fitting import load_probed
from probekit.statistics.bootstrap import SHARE


@contextmanager
def open_probed(wanted: Wanted) -> Iterator[Reading]:
    """Load a model, with or without a head, and fit a probe of a layer of it."""
    probed = load_probed(
        wanted.source, wanted.argument, spec=wanted.spec, probing=wanted.probing, seed=wanted.seed
    )  # fmt: skip
    yield reading_of(probed, wanted, probed.probe)


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
    annotated=True,
    probed=True,
)
