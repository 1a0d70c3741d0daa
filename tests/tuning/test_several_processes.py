"""Two processes that train together do what one does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from children import SURVIVED, ended, start_child
from tuned_runs import losses, materials, plan_of, trainer_of

CHANGES = [
    ("loop.epochs=1",),
    ("loop.epochs=2", "schedule=chain-thaw", "loop.batch_tokens=12", "loop.accumulate=2"),
]


def train(folder: Path, *, among: dict[str, str] | None = None) -> None:
    """Train by every set of changes; ``among`` names the processes that train together, as a launcher does."""
    own = materials()
    for number, changes in enumerate(CHANGES):
        trainer = trainer_of(own, plan_of(own, "full", *changes), folder / str(number), dropout=False)
        if among is not None:
            assert trainer.processes.count == 2
            trainer.folder.writes = trainer.processes.main
        trainer.fit()


@pytest.mark.slow
def test_two_processes_lose_what_one_loses(tmp_path: Path) -> None:
    train(tmp_path / "one")

    def launched(rank: int) -> None:
        from accelerate.state import AcceleratorState

        among = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
        # They meet at a file: a port that is free now may be taken by the time that one of them listens there.
        os.environ.update(among, MASTER_ADDR="nobody's", MASTER_PORT="0")
        torch.distributed.init_process_group("gloo", f"file://{tmp_path / 'met'}", rank=rank, world_size=2)
        AcceleratorState._reset_state(reset_partial_state=True)
        train(tmp_path / "two", among=among)

    children = [start_child(lambda rank=rank: launched(rank)) for rank in range(2)]
    assert [ended(child) for child in children] == [SURVIVED] * 2
    for number in range(len(CHANGES)):
        one, two = (losses(tmp_path / name / str(number)) for name in ("one", "two"))
        assert len(one) > 3
        assert np.allclose(one, two, atol=1e-5)
