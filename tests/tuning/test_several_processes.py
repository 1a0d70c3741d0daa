"""Two processes that train together do what one does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model
from tuned_runs import losses, materials, plan_of, trainer_of

CODE = """
import sys
from pathlib import Path
import tiny_models
tiny_models.tiny_model = lambda name: Path(sys.argv[1])
import tuned_runs
tuned_runs.tiny_model = tiny_models.tiny_model
import torch
from tuned_runs import materials, plan_of, trainer_of
from probekit.tuning.processes import Processes
own = materials()
for number, changes in enumerate(eval(sys.argv[3])):
    folder = Path(sys.argv[2]) / str(number)
    processes = Processes(torch.device("cpu"))
    assert processes.count == 2
    trainer = trainer_of(own, plan_of(own, "full", *changes), folder, dropout=False)
    trainer.folder.writes = processes.main
    trainer.fit()
"""
CHANGES = [
    ("loop.epochs=1",),
    ("loop.epochs=2", "schedule=chain-thaw", "loop.batch_tokens=12", "loop.accumulate=2"),
]


@pytest.mark.slow
def test_two_processes_lose_what_one_loses(tmp_path: Path) -> None:
    own = materials()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    children = []
    for rank in range(2):
        world = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": paths}
        words = [sys.executable, "-c", CODE, str(tiny_model("bert")), str(tmp_path / "two"), repr(CHANGES)]
        children.append(
            subprocess.Popen(words, env={**os.environ, **world, **address}, stderr=subprocess.PIPE, text=True)
        )
    ends = [child.communicate(timeout=120)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], ends
    for number, changes in enumerate(CHANGES):
        trainer_of(own, plan_of(own, "full", *changes), tmp_path / "one" / str(number), dropout=False).fit()
        one, two = losses(tmp_path / "one" / str(number)), losses(tmp_path / "two" / str(number))
        assert len(one) > 3
        assert np.allclose(one, two, atol=1e-5)
