"""What is written appears whole or not at all, in one way; JSON is strict, in one way."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import probekit
from probekit.cli.output import show_json
from probekit.errors import InputError, ResourceError
from probekit.probing.estimators.logistic import LogisticProbe
from probekit.probing.saving import load_estimator, save_estimator
from probekit.report.files import read_report
from probekit.storage.files import replace_bytes, replacing
from probekit.storage.strict import canonical, decode, dump


def test_a_file_is_replaced_in_one_step_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250)
    before = os.umask(0o022)
    try:
        replace_bytes(path, b"one")
        replace_bytes(path, b"two")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_in_between_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    path.write_bytes(b"one")
    interrupted = False
    try:
        with replacing(path) as beside:
            beside.write_bytes(b"tw")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        interrupted = True
    assert interrupted
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_an_estimator_is_replaced_whole_and_readable_by_others(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    fitted = LogisticProbe().fit(X, np.where(X[:, 0] > 0, "é", "b"))
    path = save_estimator(fitted, tmp_path / "probe.safetensors")
    assert path.stat().st_mode & 0o077 == 0o077 & 0o666 & ~_umask()
    assert (load_estimator(path).predict(X) == fitted.predict(X)).all()
    with pytest.raises(ResourceError, match="cannot be written"):
        save_estimator(fitted, path / "inside")


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1e999}', "1e999 is not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_is_strict_wherever_it_is_read(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        decode(text)
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=why):
        read_report(path)
    with pytest.raises(InputError, match=why):
        list(probekit.open_corpus(path))


def test_json_is_strict_wherever_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    for write in (dump, canonical):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write({"a": float("nan")})
    show_json({"path": "é\udcff"})
    assert json.loads(capsys.readouterr().out) == {"path": "é\udcff"}


def test_no_other_place_publishes_locks_or_parses() -> None:
    package = Path(probekit.__file__).parent
    primitive = re.compile(
        r"os\.replace\(|\.replace\(path\)|os\.link\(|os\.fsync\(|flock\(|object_pairs_hook|parse_constant"
        r"|hashlib\.file_digest"
    )
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        if path.parent.name != "storage"
        for line in path.read_text(encoding="utf-8").splitlines()
        if primitive.search(line)
    ]
    assert found == []
