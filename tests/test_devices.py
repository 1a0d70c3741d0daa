"""One rule for devices, whatever the machine: torch's answers are replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import tiny_model

from probekit import devices
from probekit.devices import choose_device
from probekit.errors import UsageError
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.probing.solvers.strengths import Vectors

MACHINES = {"plain": (), "apple": ("mps",), "nvidia": ("cuda",), "both": ("cuda", "mps")}


def on(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in MACHINES[machine])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in MACHINES[machine])


@pytest.mark.parametrize(
    ("machine", "fastest", "exact"),
    [("plain", "cpu", "cpu"), ("apple", "mps", "cpu"), ("nvidia", "cuda", "cuda"), ("both", "cuda", "cuda")],
)
def test_auto_is_the_fastest_that_will_do(
    machine: str, fastest: str, exact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(machine, monkeypatch)
    assert choose_device("auto") == fastest
    assert choose_device("auto", float64=True) == exact


@pytest.mark.parametrize("machine", MACHINES)
def test_a_named_device_is_that_device_or_an_error(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on(machine, monkeypatch)
    assert choose_device("cpu", float64=True) == "cpu"
    for name in ("cuda", "mps"):
        if name in MACHINES[machine]:
            assert choose_device(name) == name
        else:
            with pytest.raises(UsageError, match=f"says '{name}', but torch sees no such device"):
                choose_device(name)
    with pytest.raises(UsageError, match=r"must be one of auto, cpu, cuda, mps\. Got 'tpu'"):
        choose_device("tpu")


def test_fits_say_that_they_need_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    on("apple", monkeypatch)
    with pytest.raises(UsageError, match=r"float64, which MPS does not have\. Use --device auto or cpu"):
        choose_device("mps", float64=True)
    rows = torch.zeros(2, 3).numpy()
    with pytest.raises(UsageError, match="float64, which MPS does not have"):
        Vectors.standardise(rows, rows, rows, device="mps")


def test_a_model_goes_where_the_rule_says(monkeypatch: pytest.MonkeyPatch) -> None:
    on("plain", monkeypatch)
    assert load(locate(tiny_model("bert"))).device.type == "cpu"
    with pytest.raises(UsageError, match="no such device"):
        load(locate(tiny_model("bert")), device="mps")


def test_the_peak_of_a_process_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    status.write_text("VmPeak:\t 9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 100 kB\n")
    monkeypatch.setattr(devices, "STATUS", status)
    assert devices.peak_memory() == 2048 * 1024
    monkeypatch.setattr(devices, "STATUS", tmp_path / "absent")
    assert devices.peak_memory() > 2048 * 1024  # of this process, which has loaded torch
