"""Data on stdout, all else on stderr; quiet, verbose, JSON, colours; two commands from nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from probekit.amounts import human_bytes
from probekit.cache.reader import ActivationCache
from probekit.cli import output
from probekit.cli.app import run
from probekit.cli.output import human_age, human_time
from probekit.extraction.engines import local as running

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def empty(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root without caches."""
    monkeypatch.setenv("PROBEKIT_CACHE", str(tmp_path / "root"))
    return tmp_path


def test_extract_then_probe(empty: Path, capsys: Captured) -> None:
    assert run(["extract", "model", "good.conllu"]) == 0
    made = capsys.readouterr()
    lines = dict(line.split(None, 1) for line in made.out.splitlines())
    assert list(lines) == ["cache", "corpus", "splits", "vectors", "state", "alignment"]
    assert Path(lines["cache"]).is_dir()
    assert lines["state"].startswith("complete in ")
    assert made.err == ""
    assert run(["extract", "model", "good.conllu"]) == 0
    assert "complete before; nothing was computed" in capsys.readouterr().out
    assert run(["probe", "--task", "pos", "--fast"]) == 0
    asked = capsys.readouterr()
    assert asked.out.startswith("pos on model")
    assert asked.err == f"probing    {lines['cache']}\n"


def test_quiet_leaves_what_a_script_wants(scene: Path, good: Path, capsys: Captured) -> None:
    assert run(["extract", "model", "good.conllu", "-q"]) == 0
    assert capsys.readouterr() == (f"{good}\n", "")
    assert run(["probe", "--task", "pos", "--fast", "-q", "--on", str(good)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "* " in shown.out


def test_verbose_says_more_on_stderr_only(scene: Path, capsys: Captured) -> None:
    assert run(["extract", "model", "good.conllu", "-v"]) == 0
    assert "covered: 360" in capsys.readouterr().err
    run(["probe", "--task", "pos", "--fast"])
    plain = capsys.readouterr()
    run(["probe", "--task", "pos", "--fast", "-v"])
    verbose = capsys.readouterr()
    assert verbose.out == plain.out
    assert "classes    2" in verbose.err
    assert "estimator logistic" in verbose.err


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        (["extract", "model", "good.conllu"], "probekit.extract/1"),
        (["extract", "model", "good.conllu", "--dry-run"], "probekit.cost/1"),
        (["probe", "--task", "pos", "--fast"], "probekit.report/2"),
        (["report", "show", "pos.jsonl"], "probekit.report/2"),
        (["report", "compare", "pos.jsonl", "pos.jsonl"], "probekit.comparison/1"),
        (["cache", "ls"], "probekit.caches/1"),
        (["cache", "info"], "probekit.cache-info/1"),
        (["cache", "verify"], "probekit.verify/1"),
        (["cache", "gc", "--dry-run"], "probekit.gc/1"),
        (["tasks"], "probekit.tasks/1"),
        (["doctor"], "probekit.doctor/1"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else None,
)
def test_json_is_one_document_and_nothing_else(words: list[str], schema: str, scene: Path, capsys: Captured) -> None:
    assert run([*words, "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["schema"] == schema
    assert shown.out.count("\n") == 1
    assert shown.err == ""


def test_several_caches_make_one_comparison(scene: Path, good: Path, capsys: Captured, tmp_path: Path) -> None:
    out = tmp_path / "report.jsonl"
    words = ["probe", "--task", "pos", "--fast", "--on", str(good), "--on", str(good), "--out", str(out), "-q"]
    assert run([*words, "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert both["schema"] == "probekit.reports/1"
    assert len(both["reports"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.1.jsonl", "report.2.jsonl"]


def test_what_is_done_is_kept_when_a_later_task_fails(scene: Path, capsys: Captured, tmp_path: Path) -> None:
    out, wrong = tmp_path / "all.jsonl", tmp_path / "wrong.jsonl"
    words = ["probe", "--task", "pos", "--task", "morph:Nosuch", "--fast", "--layers", "0"]
    assert run([*words, "--out", str(out), "--predictions", str(wrong)]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.1.jsonl", "wrong.1.jsonl"]
    assert run(["report", "show", str(tmp_path / "all.1.jsonl")]) == 0
    assert capsys.readouterr().out.startswith("pos on")


def test_what_probe_writes_is_named_and_there(scene: Path, capsys: Captured, tmp_path: Path) -> None:
    files = {name: tmp_path / "deep" / name for name in ("r.jsonl", "c.png", "p.jsonl")}
    words = ["--out", files["r.jsonl"], "--plot", files["c.png"], "--predictions", files["p.jsonl"]]
    assert run(["probe", "--task", "pos", "--fast", *map(str, words)]) == 0
    named = capsys.readouterr().err
    for file in files.values():
        assert str(file) in named
        assert file.stat().st_size > 0
    assert run(["report", "show", str(files["r.jsonl"])]) == 0
    assert capsys.readouterr().out.startswith("pos on model")


def test_parts_say_how_far_the_whole_is(empty: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    import probekit.cache.write.staging

    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 100)
    assert run(["extract", "model", "good.conllu", "--shard", "1/2"]) == 0
    assert "2 of 4 shards done" in capsys.readouterr().out
    (folder,) = (empty / "root").glob("model--*")
    assert run(["cache", "info", folder.name]) == 0
    begun = capsys.readouterr()
    assert "2 of 4 shards done" in begun.out
    assert begun.err == "Resume with: probekit extract model good.conllu\n"
    assert run(["extract", "model", "good.conllu", "--shard", "2/2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"]


def test_a_dry_run_writes_nothing(empty: Path, capsys: Captured) -> None:
    assert run(["extract", "model", "good.conllu", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "120 examples, 360 words in 1 shard;" in shown
    assert "free on" in shown
    assert "with --store bfloat16" in shown
    assert [path.name for path in (empty / "root").iterdir()] == []


@pytest.mark.parametrize(
    ("quiet", "terminal", "shown"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_progress_is_shown_to_a_person_only(
    quiet: bool, terminal: bool, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    with output.progress_bar("counting", 1.0, quiet=quiet) as advance:
        assert (advance is not None) is shown
        if advance is not None:
            advance(0.5, "half")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1", "FORCE_COLOR": ""}, {}])
def test_no_colours_reach_a_pipe(
    variables: dict[str, str], scene: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for words in (["report", "show", "pos.jsonl"], ["tasks"], ["cache", "ls"], ["cache", "info"], ["--help"]):
        assert run(words) == 0
        shown = capsys.readouterr()
        assert "\x1b" not in shown.out + shown.err


def test_a_table_fits_the_terminal(scene: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    assert run(["report", "show", "pos.jsonl"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 44


def test_a_corpus_edited_after_extraction_is_refused_and_extracted_again(
    empty: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Path("model").resolve()
    shutil.copy("good.conllu", empty / "mine.conllu")
    monkeypatch.chdir(empty)
    assert run(["extract", str(model), "mine.conllu", "-q"]) == 0
    text = Path("mine.conllu").read_text()
    Path("mine.conllu").write_text(text.replace("s3\n", "s3\n# a comment\n").replace("\t_\t_\n", "\t_\tNote=x\n"))
    assert run(["probe", "--task", "pos", "--fast", "-q"]) == 0, "annotations may change"
    Path("mine.conllu").write_text(text.replace("\triver\t", "\tstream\t", 1))
    capsys.readouterr()
    assert run(["probe", "--task", "pos", "--fast", "-q"]) == 4
    said = capsys.readouterr().err
    assert "changed after extraction" in said
    assert "cached" in said
    assert run(["extract", str(model), "mine.conllu"]) == 0
    assert "Another cache exists" in capsys.readouterr().err
    Path("mine.conllu").rename("moved.conllu")
    assert run(["probe", "--task", "pos", "--fast", "-q"]) == 3
    assert "--corpus" in capsys.readouterr().err


@pytest.mark.parametrize("moment", ["before loading", "after loading", "while it runs"])
def test_fault_09_weights_written_to_while_they_are_read(
    empty: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    shutil.copytree("model", empty / "mine")
    shutil.copy("good.conllu", empty / "good.conllu")
    monkeypatch.chdir(empty)
    words = ["extract", "mine", "good.conllu", "-q", "--cache"]
    assert run([*words, "sound"]) == 0
    sound = ActivationCache.open(capsys.readouterr().out.strip())
    name = "check_unchanged" if moment == "while it runs" else "load_for"
    whole = getattr(running, name)

    def disturbed(*args: Any) -> Any:
        found = None if moment == "before loading" else whole(*args)
        # In place, as `rsync --inplace` writes: a mapped file changes under whoever reads it.
        weights = Path("mine/model.safetensors")
        size = weights.stat().st_size
        with weights.open("r+b") as file:
            file.seek(size // 2)
            file.write(bytes(size - size // 2))
        return whole(*args) if moment == "before loading" else found

    monkeypatch.setattr(running, name, disturbed)
    code = run([*words, "disturbed"])
    shown = capsys.readouterr()
    if moment == "while it runs":
        assert code == 0
        made = ActivationCache.open(shown.out.strip())
        assert made.key == sound.key
        np.testing.assert_array_equal(made.layer(2).array(), sound.layer(2).array())
    else:
        assert code == 4
        assert "changed while the model 'mine' was read" in shown.err
        assert list(Path("disturbed").glob("mine*")) == []


def test_fault_09_10_a_changed_model_is_refused_under_its_old_name(
    empty: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree("model", empty / "mine")
    shutil.copy("good.conllu", empty / "good.conllu")
    monkeypatch.chdir(empty)
    assert run(["extract", "mine", "good.conllu", "-q"]) == 0
    assert run(["probe", "--task", "pos", "--fast", "-q", "--model", "mine"]) == 0
    tensors = load_file("mine/model.safetensors")
    name = sorted(tensors)[0]
    save_file({**tensors, name: tensors[name] + 1}, "mine/model.safetensors", metadata={"format": "pt"})
    capsys.readouterr()
    assert run(["probe", "--task", "pos", "--fast", "-q", "--model", "mine"]) == 4
    refusal = capsys.readouterr().err
    assert re.search(r"'mine' changed after mine--good.*weights differs: old '\w{64}', new '\w{64}'", refusal)
    assert run(["extract", "mine", "good.conllu", "--dry-run"]) == 0
    assert "model.weights differs: old" in capsys.readouterr().err
    assert run(["extract", "mine", "good.conllu"]) == 0
    assert capsys.readouterr().err.count("model.weights differs: old") == 1
    assert run(["probe", "--task", "pos", "--fast", "-q", "--model", "mine"]) == 0
    assert run(["extract", "mine", "good.conllu", "--dry-run"]) == 0
    assert "complete already" in capsys.readouterr().err


def test_doctor_names_what_is_wrong(
    scene: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(["doctor"]) == 0
    assert "torch" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    assert run(["doctor", "--cache", str(tmp_path / "file" / "root")]) == 6
    assert "--cache or PROBEKIT_CACHE" in capsys.readouterr().err
    for name in ("HOME", "USERPROFILE", "PROBEKIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert run(["doctor", "--json"]) == 6
    found = json.loads(capsys.readouterr().out)
    assert found["cache"]["root"] is None
    assert "HOME" in found["problems"][0]


@pytest.mark.parametrize(("scripts", "code"), [("", 6), ("[console_scripts]\nprobekit = probekit.cli:main\n", 0)])
def test_doctor_says_when_a_namesake_is_installed(
    scripts: str, code: int, scene: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = tmp_path / "probekit-9.8.7.dist-info"
    info.mkdir()
    head = "Metadata-Version: 2.4\nName: probekit\nVersion: 9.8.7\nSummary: Probes of another kind.\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    (info / "entry_points.txt").write_text(scripts, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert run(["doctor"]) == code
    said = capsys.readouterr().err
    assert ("version 9.8.7: Probes of another kind" in said, "pip uninstall probekit probekit-nlp" in said) == (
        (code == 6,) * 2
    )


def test_numbers_for_people() -> None:
    assert [human_bytes(n) for n in (0, 999, 1500, 3.7e9, 366e6, 2e13)] == [
        "0 B",
        "999 B",
        "2 kB",
        "3.7 GB",
        "366 MB",
        "20.0 TB",
    ]
    assert [human_time(n) for n in (0.04, 45, 200, 7300)] == ["0.0 s", "45 s", "3 min 20 s", "2 h 1 min"]
    assert [human_age(n) for n in (-3, 59, 61, 7300, 90000)] == ["0 s", "59 s", "1 min", "2 h", "1 d"]


def test_trees_are_probed_predicted_and_drawn(scene: Path, capsys: Captured, tmp_path: Path) -> None:
    words = ["probe", "--task", "tree-distance", "--ranks", "2,4", "--fast", "--layers", "0,1"]
    files = ["--trees", str(tmp_path / "trees.svg"), "--predictions", str(tmp_path / "edges.jsonl")]
    assert run([*words, *files, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["summary"]["metric"] == "uuas"
    assert {row["method"] for row in report["rows"]} == {"rank_2", "rank_4", "linear_chain"}
    lines = [json.loads(line) for line in (tmp_path / "edges.jsonl").read_text().splitlines()]
    assert len(lines) == report["targets"]["test"]
    assert lines[0]["gold"] == [[0, 1], [1, 2]]
    assert run(["probe", "--task", "word-depth", "--layers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "root accuracy" in shown
    assert "linear chain" in shown
    for wrong, says in (
        (["--ranks", "x"], "8,64"),
        (["--also", "online-code"], "over trees"),
        (["--ranks", "0"], "from 1"),
        (["--estimator", "logistic"], "structural probe alone"),
    ):
        assert run([*words[:3], *wrong]) == 2
        assert says in capsys.readouterr().err
    assert run(["probe", "--task", "pos", "--ranks", "4"]) == 2
    assert "over trees" in capsys.readouterr().err
    assert run(["probe", "--task", "pos", "--trees", "x.png"]) == 2
    assert "tree-distance" in capsys.readouterr().err


def test_a_model_beside_its_control_with_random_weights(empty: Path, capsys: Captured) -> None:
    assert run(["extract", "model", "good.conllu", "-q"]) == 0
    trained = capsys.readouterr().out.strip()
    words = ["probe", "--task", "pos", "--fast", "-q", "--on", trained, "--on", "random"]
    assert run(words) == 2
    assert "--random-weights" in capsys.readouterr().err
    assert run(["extract", "model", "good.conllu", "-q", "--random-weights", "3"]) == 0
    capsys.readouterr()
    assert run(words) == 0
    head = capsys.readouterr().out.splitlines()
    assert any("model random 3" in line for line in head)
    assert "Same corpus, same number of test items." in head
