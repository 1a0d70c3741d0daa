"""Signals whose batches do not fit into memory, and tasks beside the task that are scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from signal_runs import materials, other, plan
from tuned_runs import losses, trainer_of, without_dropout

from probekit.errors import ResourceError
from probekit.tuning.training.beside import scores_beside
from probekit.tuning.training.loop import Trainer
from probekit.tuning.training.run import run_plan
from probekit.tuning.training.scoring import blank_row

CASES = {
    "lm": ("gpt2", "lm:1"),
    "masked lm": ("bert", "lm:1"),
    "multitask": ("bert", "label@OTHER:1"),
    "consistency": ("bert", "consistency:1,on=OTHER,eps=0.5"),
    "augmented": ("bert", "augmented:1,on=OTHER"),
    "cross-view": ("bert", "cross-view:1,on=OTHER,views=left+lower"),
}


def trainer(case: str, folder: Path, **options: Any) -> Trainer:
    family, typed = CASES[case]
    task = "label" if case == "augmented" else "pos"
    made = plan(family, f"signals={typed.replace('OTHER', str(other()))}", task=task)
    return trainer_of(materials(family, task), made, folder, dropout=False, **options)


def short_of_memory(run: Trainer, most: int) -> None:
    """Let batches of a signal of more than so many texts not fit."""
    (signal,) = run.terms.signals.values()
    outputs = signal.outputs

    def bounded(network: Any, batch: Any) -> Any:
        if len(getattr(batch, "whole", getattr(batch, "laid", None)).padded.ids) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return outputs(network, batch)

    signal.outputs = bounded  # type: ignore[method-assign]


@pytest.mark.parametrize("case", CASES)
def test_a_batch_in_parts_loses_as_much_as_whole(case: str, tmp_path: Path) -> None:
    run = trainer(case, tmp_path)
    run.network.set_trained(frozenset({2, 3, 4}))
    run.network.set_dropout(False)
    counts = []
    with torch.no_grad():
        for step in range(2):
            whole, two, single = (
                [float(loss) for _, loss in run.terms.signal_losses(step, 0, 1, parts=parts)] for parts in (1, 2, 99)
            )
            counts.append((len(single), len(two), len(whole)))
            assert sum(two) == pytest.approx(sum(whole), rel=1e-4, abs=1e-7)
            assert sum(single) == pytest.approx(sum(whole), rel=1e-4, abs=1e-7)
    assert all(single >= two >= whole for single, two, whole in counts)
    assert any(single > whole for single, _, whole in counts)


def test_out_of_memory_cuts_the_batches_of_a_signal_too(tmp_path: Path) -> None:
    told: list[str] = []
    runs = [trainer("multitask", tmp_path / name, told=told.append) for name in ("short", "whole")]
    short_of_memory(runs[0], 2)
    for run in runs:
        without_dropout(run.network)  # that of the signal's head too
        run.fit()
    assert losses(tmp_path / "short") == pytest.approx(losses(tmp_path / "whole"), rel=1e-3)
    assert any("Out of memory at step 0: every batch is cut into" in note for note in told)
    run = trainer("multitask", tmp_path / "none")
    short_of_memory(run, 0)
    with pytest.raises(ResourceError, match=r"with one example a batch \(of the task and multitask\)"):
        run.fit()


def test_another_task_is_scored_on_its_own_dev_and_test(tmp_path: Path) -> None:
    run = trainer("multitask", tmp_path / "run")
    run.fit()
    signal: Any = run.terms.signals["multitask"]
    own = materials("bert")
    rows, notes = scores_beside(run, blank_row(run.plan, own.data, "bert"))
    data = signal.data
    run.network.set_dropout(False)
    for split in ("dev", "test"):
        right = []
        for example in data.examples(split):  # one by one, in another way than it is predicted
            laid = signal._feed.batch(np.array([example]))
            with torch.no_grad():
                batch = run.network.laid_out(laid, {})
                scores = signal.head(batch.with_states(run.network.sized(batch.states)))
            right += (scores.argmax(1).numpy() == data.gold[laid.targets]).tolist()
        (row,) = [one for one in rows if (one.split, one.metric, one.method) == (split, "accuracy", "multitask")]
        assert row.value == pytest.approx(np.mean(right))
        assert (row.n, row.task, row.role) == (len(right), "label", "companion")
        assert any(f"accuracy of 'label' on {split} of 'other-24' {row.value:.3f}" in note for note in notes)
    report = run_plan(own, run.plan, tmp_path / "whole").report
    assert {row.split for row in report.select("multitask", metric="accuracy")} == {"dev", "test"}
    assert [row.task for row in report.select("tuned", split="test", metric="accuracy")] == ["pos"]
    assert any("multitask: accuracy of 'label' on test" in note for note in report.provenance["notes"])
    assert str(report.table())
