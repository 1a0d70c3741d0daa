"""How well a tuned run does its task: the accuracy of its own head while parts of its model are left out.

The model is that of the run, cut and tuned, and its head stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from probekit.ablation.metrics import Metric, Reading, Wanted
from probekit.ablation.metrics._labelled import count, reading_of, weigh
from probekit.ablation.tuned.opening import open_tuned
from probekit.statistics.bootstrap import SHARE


@contextmanager
def open_run(wanted: Wanted) -> Iterator[Reading]:
    """Open a run of ``probekit tune``, and lay out its task over a corpus."""
    yield reading_of(open_tuned(wanted.argument, wanted.named, spec=wanted.spec, probing=wanted.probing), wanted)


METRIC = Metric(
    "run",
    open_run,
    count,
    weigh,
    score="accuracy",
    bounds=SHARE,
    higher=True,
    argument="FOLDER",
    help="Accuracy of the head of a run of `probekit tune`.",
    annotated=True,
)
