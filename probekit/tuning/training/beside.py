"""Scores of what was learned beside the task: another task's own dev and test, by the head that it had.

Enters: a run that is through, at its best on dev of its own task. Leaves: rows of the report, companions named after
their signal, with their floor, and a sentence each. Nothing is chosen by them.
"""

from __future__ import annotations

from dataclasses import replace

from probekit.report import Measurement
from probekit.tuning.training.loop import Trainer
from probekit.tuning.training.scoring import SplitScorer


def scores_beside(trainer: Trainer, blank: Measurement) -> tuple[list[Measurement], list[str]]:
    """Score the other tasks of a run.

    Parameters
    ----------
    trainer : Trainer
        That is through.
    blank : Measurement
        What the rows of the run share.

    Returns
    -------
    rows : list of Measurement
    notes : list of str
    """
    rows: list[Measurement] = []
    notes: list[str] = []
    for label, signal in trainer.terms.signals.items():
        if (data := signal.judged) is None:
            continue
        own = replace(blank, task=data.task.name, corpus=data.corpus, method=label, role="companion", pooling=None)
        for split in ("dev", "test"):
            scorer = SplitScorer(data, split, seed=trainer.plan.loop.seed)
            found = scorer.measurements(signal.predict(trainer.network, split), own)
            name, guess = scorer.floor()
            floor = scorer.measurements(
                guess, replace(own, method=f"{label} {name}", layer=None, seed=None), floor=True
            )
            rows += [*found, *floor]
            notes.append(
                f"{label}: {found[0].metric} of '{data.task.name}' on {split} of '{data.corpus}' {found[0].value:.3f} "
                f"({floor[0].value:.3f} by {name}; n={found[0].n:,})."
            )
    return rows, notes
