"""A report on disk: read back equal, or refused with the place and the reason."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from probekit.errors import CacheError, InputError, ResourceError, UsageError
from probekit.report import SCHEMA, LayerReport, Measurement

Make = Callable[..., LayerReport]
Row = Callable[..., Measurement]

HEAD = json.dumps({"schema": SCHEMA, "task": "pos"})


def write(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return path


def test_reading_gives_back_what_was_written(make_report: Make, tmp_path: Path) -> None:
    report = make_report(
        {0: 0.8, "final": 0.9}, notes=["naïve – ünïcode \u2028 inside"], tests={"not_worse": [0, "final"]}
    )
    path = report.write(tmp_path / "deep" / "er" / "pos.jsonl")
    again = LayerReport.read(path)
    assert again == report
    assert again.write(tmp_path / "again.jsonl").read_bytes() == path.read_bytes()


def test_the_file_is_lines_of_json_header_first(make_report: Make, tmp_path: Path) -> None:
    report = make_report()
    lines = report.write(tmp_path / "pos.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["schema"] == SCHEMA
    assert json.loads(lines[1])["method"] == "logistic"
    assert len(lines) == 1 + len(report.rows)


def as_version_1(report: LayerReport, path: Path, estimator: str = "logistic") -> Path:
    """Write a report as version 1 did: rows with neither role nor name of their strength."""
    settings = {**report.settings, "estimator": estimator}
    lines = [json.dumps({**report.provenance, "schema": "probekit.report/1", "settings": settings})]
    for row in report.rows:
        whole = row.to_json()
        lines.append(json.dumps({name: whole[name] for name in whole if name not in ("role", "strength_name")}))
    return write(path, *lines)


def test_a_report_of_version_1_is_read_and_written_as_of_today(
    make_report: Make, make_row: Row, tmp_path: Path
) -> None:
    report = make_report([0.8, 0.9], control=(0, 1))
    beside = [
        make_row(method=method, role=role, metric=metric)
        for method, role, metric in (
            ("size:200", "companion", "accuracy"),
            ("scalar_mix", "companion", "weight"),
            ("scalar_mix", "difference", "selectivity"),
            ("online_code", "companion", "bits"),
            ("online_code_control", "control", "bits"),
            ("random_weights", "floor", "accuracy"),
            ("mean", "floor", "accuracy"),
        )
    ]
    report = LayerReport((*report.rows, *beside), report.provenance)
    read = LayerReport.read(as_version_1(report, tmp_path / "old.jsonl"))
    assert read == report
    assert LayerReport.read(read.write(tmp_path / "new.jsonl")) == report
    assert str(read) == str(report)


@pytest.mark.parametrize(
    ("estimator", "name"), [("knn", "k"), ("mlp", "weight decay"), ("ridge", "C"), ("rank_8", "C")]
)
def test_the_strengths_of_version_1_are_named(make_row: Row, tmp_path: Path, estimator: str, name: str) -> None:
    rows = [make_row(method=estimator, strength=1.0), make_row(method="control", strength=1.0), make_row(method="mean")]
    mix = make_row(method="scalar_mix", split="train", strength=1.0)
    read = LayerReport.read(as_version_1(LayerReport((*rows, mix)), tmp_path / "old.jsonl", estimator))
    assert [row.strength_name for row in read.rows] == [name, name, None, "C"]
    assert read.method == estimator


def test_windows_line_ends_and_a_missing_last_one_are_read(make_report: Make, tmp_path: Path) -> None:
    report = make_report()
    path = report.write(tmp_path / "pos.jsonl")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    assert LayerReport.read(path) == report


def test_writing_replaces_in_one_step_and_leaves_nothing_beside(make_report: Make, tmp_path: Path) -> None:
    path = tmp_path / "pos.jsonl"
    make_report([0.1, 0.2]).write(path)
    make_report([0.3, 0.4]).write(path)
    assert LayerReport.read(path).points()[0].value == 0.3
    assert os.listdir(tmp_path) == ["pos.jsonl"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_report_that_is_no_json_leaves_the_old_file(make_report: Make, tmp_path: Path) -> None:
    path = make_report([0.1, 0.2]).write(tmp_path / "pos.jsonl")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="JSON"):
        make_report(extra=float("nan")).write(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["pos.jsonl"]


def test_a_place_that_cannot_be_written(make_report: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"cannot be written to .*file/pos\.jsonl.*--out"):
        make_report().write(tmp_path / "file" / "pos.jsonl")


def test_a_failed_rename_leaves_nothing_beside(make_report: Make, tmp_path: Path) -> None:
    (tmp_path / "pos.jsonl").mkdir()
    with pytest.raises(ResourceError, match="cannot be written"):
        make_report().write(tmp_path / "pos.jsonl")
    assert os.listdir(tmp_path) == ["pos.jsonl"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], ":1: the report is empty"),
        (["hello"], r":1:1: not JSON"),
        (["[1]"], ":1: .* must be a JSON object. Got a list"),
        (["{}"], ":1: not a probekit report.*Got None"),
        ([json.dumps({"schema": "other/1"})], ":1: not a probekit report.*Got 'other/1'"),
        ([json.dumps({"schema": 1})], ":1: not a probekit report"),
        ([HEAD, "{"], r":2:\d+: not JSON"),
        ([HEAD, ""], r":2:1: not JSON"),
        ([HEAD, "3"], ":2: .* must be a JSON object. Got a number"),
        ([HEAD, '{"stage": "probe"}'], ":2: not a report row"),
        ([HEAD, '{"value": NaN}'], ":2: not a line of a report: NaN is not JSON"),
        ([HEAD, '{"value": 1, "value": 2}'], ":2: not a line of a report: the key 'value' occurs twice"),
        ([HEAD, b'{"stage": "\xff"}'], ":2:12: not UTF-8"),
        ([json.dumps({"schema": SCHEMA, "tests": {"not_worse": ["3"]}})], ":1: tests.not_worse: layer must be"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, lines: list[str | bytes], message: str) -> None:
    path = write(tmp_path / "bad.jsonl", *lines)
    with pytest.raises(InputError, match=f"^{path}{message}"):
        LayerReport.read(path)


@pytest.mark.parametrize("kept", [1, 2, -1])
def test_a_file_cut_at_the_end_of_a_line_is_refused(make_report: Make, tmp_path: Path, kept: int) -> None:
    path = make_report().write(tmp_path / "report.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:kept]))
    with pytest.raises(
        InputError, match=rf"report\.jsonl:\d+: the report holds \d+ rows of {len(lines) - 1}: it was cut"
    ):
        LayerReport.read(path)
    # What an earlier version wrote has no count, and is read.
    path.write_text(lines[0].replace(f', "n_rows": {len(lines) - 1}', "") + "".join(lines[1:kept]))
    LayerReport.read(path)


def test_a_file_cut_in_the_middle_of_a_row_is_refused(make_report: Make, tmp_path: Path) -> None:
    path = make_report().write(tmp_path / "pos.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cut short"):
        LayerReport.read(path)


@pytest.mark.parametrize("writer", [{"probekit": "3.1.4"}, {"settings": {"probekit": "3.1.4"}}])
def test_a_newer_schema_names_who_wrote_it(tmp_path: Path, writer: dict[str, object]) -> None:
    path = write(tmp_path / "new.jsonl", json.dumps({"schema": "probekit.report/3", **writer}), "anything")
    with pytest.raises(CacheError, match=r"by probekit 3\.1\.4 as 'probekit\.report/3'"):
        LayerReport.read(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'.*none\.jsonl' cannot be read: No such file"):
        LayerReport.read(tmp_path / "none.jsonl")
