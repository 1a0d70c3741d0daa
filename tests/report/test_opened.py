"""Every kind of report has a stage of its own, by which a file is opened as what wrote it."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import probekit
from probekit import LayerReport, Measurement
from probekit.ablation.inputs.report import DISTANCE, STAGE, SUPPORT, InputReport
from probekit.cli.app import app, run
from probekit.cli.opened import KINDS, opened
from probekit.errors import InputError, UsageError
from probekit.report import compare
from probekit.report.rows import RowReport

PACKAGE = Path(probekit.__file__).parent


def kinds_of(base: type[RowReport]) -> set[type[RowReport]]:
    below = base.__subclasses__()
    return {kind for kind in below if kind.__module__.startswith("probekit.")}.union(*map(kinds_of, below))


def test_all_kinds_are_known_and_each_stage_is_one() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if re.search(r"^class \w+\(\w*Report\)", path.read_text(encoding="utf-8"), re.MULTILINE):
            import_module(".".join(["probekit", *path.relative_to(PACKAGE).with_suffix("").parts]))
    found = {f"{kind.__module__}:{kind.__name__}" for kind in kinds_of(RowReport)}
    assert set(KINDS.values()) == found
    assert len(KINDS) == len(found)


def row_of(stage: str) -> Measurement:
    return Measurement(
        stage=stage, task="t", model="m", corpus="c", split="test", layer=1, method="a", role="estimator", metric="b",
        value=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("stage", sorted(KINDS))
def test_a_report_is_opened_by_its_stage(stage: str) -> None:
    module, _, name = KINDS[stage].partition(":")
    report = opened(LayerReport((row_of(stage),), {}))
    assert type(report) is getattr(import_module(module), name)
    assert report.rows == (row_of(stage),)


@pytest.mark.parametrize("stage", sorted(KINDS))
def test_what_is_not_by_layer_is_not_compared_as_if_it_were(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [LayerReport((row_of(stage),), {}).write(tmp_path / f"{name}.jsonl") for name in "ab"]
    assert run(["report", "compare", *map(str, files)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"is a report of `{stage}`, which is not aligned by layer" in said
    assert "`report page` puts several on a page" in said
    with pytest.raises(UsageError, match=f"Report 1 of 2 is of `{stage}`, which is not aligned by layer"):
        compare(files)


@pytest.mark.parametrize("stage", sorted(KINDS))
@pytest.mark.parametrize(
    ("changed", "said"),
    [({"settings": None}, "'settings' of the first line must be an object, not null"),
     ({"model": "m"}, "'model' of the first line must be an object, not a text"),
     ({"notes": 5}, "'notes' of the first line must be a list, not a number")],
)  # fmt: skip
def test_a_first_line_that_was_changed_is_no_fault_of_probekit(
    stage: str, changed: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = LayerReport((row_of(stage),), changed).write(tmp_path / "a.jsonl")
    for words in (["show", str(file)], ["page", str(file), "--out", str(tmp_path / "a.html")]):
        assert run(["report", *words]) == 3
        assert said in " ".join(capsys.readouterr().err.split())
    module, _, name = KINDS[stage].partition(":")
    with pytest.raises(InputError, match="of the first line must be"):
        getattr(import_module(module), name).read(file)


def test_rows_of_probes_and_of_several_stages_stay_what_they_are() -> None:
    for stages in (["probe"], ["probe", "ablate"], []):
        report = LayerReport(tuple(map(row_of, stages)), {})
        assert opened(report) is report


def test_what_words_support_is_shown_again_as_that(tmp_path: Path) -> None:
    row = Measurement(
        stage=STAGE, task="behave:x", model="m", corpus="x", split="test", layer=None, method="erasing",
        role="estimator", metric=SUPPORT, value=0.5, n=20, strength=-1.0, strength_name=DISTANCE, unit="template",
    )  # fmt: skip
    written = InputReport((row,), {"task": "behave:x", "model": {"name": "m"}})
    done = CliRunner().invoke(app, ["report", "show", str(written.write(tmp_path / "inputs.jsonl"))])
    assert (done.exit_code, done.stdout.rstrip()) == (0, written.table(80).rstrip())
