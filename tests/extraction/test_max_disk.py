"""``--max-disk``: what would not fit is not begun, and each way that is offered fits, in the bytes it says."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_headed, tiny_model

import probekit.cache.write.staging
from probekit import extract
from probekit.amounts import read_bytes
from probekit.cli.app import run
from probekit.errors import ResourceError, UsageError
from probekit.extraction.cost import Cost, estimate
from probekit.extraction.fitting import Excess, exceeding, within
from probekit.extraction.request import Request
from probekit.extraction.result import Extraction

CORPUS = "grammar:n=24"


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards from a small corpus."""
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 60)


def asked(root: Path, limit: Any, **options: Any) -> Request:
    options = {"max_length": 64, "overflow": "truncate", **options}
    return Request.build(tiny_model("bert"), CORPUS, cache=root, max_disk=limit, **options)


def headers(made: Extraction) -> int:
    return sum(8 + int.from_bytes(path.read_bytes()[:8], "little") for path in (made.cache / "shards").iterdir())


def excess(root: Path, limit: Any, **options: Any) -> Excess:
    request = asked(root, limit, **options)
    found = exceeding(request, estimate(request))
    assert found is not None
    return found


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize(("family", "keep"), [("bert", "tokens"), ("bert", "last,spans:pos"), ("t5", "words")])
def test_the_estimate_is_what_is_written(family: str, keep: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"layers": [1, 2], "store": "float16", "overflow": "truncate", "keep": keep}
    cost = estimate(Request.build(tiny_model(family), CORPUS, cache=tmp_path, **options))
    made = extract(tiny_model(family), CORPUS, cache=tmp_path, **options)
    assert cost.exact
    assert cost.bytes == made.bytes - headers(made)
    assert (cost.rows, cost.tokens, cost.keep) == (made.rows, made.tokens, keep)
    assert cost.to_json()["rows"] == made.rows
    assert not cost.complete
    assert estimate(Request.build(tiny_model(family), CORPUS, cache=tmp_path, **options)).complete


def test_each_way_fits_and_takes_what_it_says(tmp_path: Path) -> None:
    cost: Cost = estimate(asked(tmp_path, None))
    found = excess(tmp_path, cost.bytes - 1)
    assert [sorted(way.options) for way in found.ways] == [["store"], ["keep"], ["keep"], ["layers"], ["subsample"]]
    for way in found.ways:
        request = way.applied(found.request)
        now = estimate(request)
        assert now.bytes <= found.limit
        if not way.about:
            assert now.bytes == way.bytes
    assert within(request, pytest.fail) is request  # nobody is asked again
    few = excess(tmp_path, cost.bytes // 3)
    assert all(way.bytes <= few.limit for way in few.ways)
    # The precision alone is not enough: it stands beside another thing that is given up, which alone is not enough or
    # takes more of what is kept.
    names = [tuple(way.options) for way in few.ways]
    assert ("store",) not in names
    assert {("keep",), ("layers",), ("subsample",), ("store", "layers"), ("store", "subsample")} <= set(names)
    assert len({way.options.get("keep") for way in few.ways} - {None}) == sum("keep" in way.options for way in few.ways)
    layers = [way.options["layers"] for way in few.ways if "layers" in way.options]
    assert [len(each.split(",")) for each in layers] == sorted(len(each.split(",")) for each in layers)
    assert excess(tmp_path, 100).ways == ()


@pytest.mark.parametrize("limit", ["700kB", "100kB"])
def test_attention_weights_are_not_offered_fewer_rows(limit: str, tmp_path: Path) -> None:
    found = excess(tmp_path, limit, sites="weights", layers=[1, 2])
    assert found.ways
    for way in found.ways:
        assert "keep" not in way.options
        assert way.applied(found.request).spec.sites == found.request.spec.sites


def test_what_is_scored_is_not_offered_fewer_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tiny_headed("gpt2", "AutoModelForCausalLM"))
    options = ["--overflow", "truncate", "--max-disk", "300kB", "--cache", str(tmp_path), "--json"]
    for score, offered in (([], True), (["--score", "causal"], False)):
        assert run(["extract", model, CORPUS, *options, *score]) == 6
        said = capsys.readouterr().err
        assert "--subsample" in said
        assert ("--keep" in said) is offered


def test_a_command_has_the_options_that_fit_in_the_place_of_those_it_had(tmp_path: Path) -> None:
    found = excess(tmp_path, "3kB")
    typed = "probekit extract 'my model' corpus --store=float32 --layers 0,1 --keep tokens --max-disk 3kB"
    for way in found.ways:
        words = shlex.split(way.command(typed))
        assert words[:4] == ["probekit", "extract", "my model", "corpus"]
        assert "--max-disk" in words
        for name, value in way.options.items():
            assert words[words.index(f"--{name}") + 1] == value
            assert sum(word.partition("=")[0] == f"--{name}" for word in words) == 1


def test_in_python_nothing_is_chosen(tmp_path: Path) -> None:
    options: dict[str, Any] = {"overflow": "truncate", "cache": tmp_path}
    with pytest.raises(ResourceError, match=r"and --max-disk allows 40 kB\. Nothing was extracted\. It fits as one"):
        extract(tiny_model("bert"), CORPUS, max_disk="40kB", **options)
    with pytest.raises(ResourceError, match="subsample of an example fits: allow more"):
        extract(tiny_model("bert"), CORPUS, max_disk=10, **options)
    assert not list(tmp_path.glob("*--*"))
    made = extract(tiny_model("bert"), CORPUS, max_disk="1GB", **options)
    assert extract(tiny_model("bert"), CORPUS, max_disk=10, **options).reused  # it takes no more room
    assert made.complete


def test_a_person_chooses_by_number_and_a_program_gets_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", str(tiny_model("bert")), CORPUS, "--overflow", "truncate", "--cache", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["probekit", *command])
    assert run([*command, "--max-disk", "90kB", "--json"]) == 6
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["kind"] == "resource"
    lines = error["message"].split("\n")[1:]
    assert all(line.startswith("  probekit extract ") and "--max-disk 90kB" in line for line in lines)
    assert run([*command, "--max-disk", "90kB", "--dry-run", "--json"]) == 0
    ways = json.loads(capsys.readouterr().out)["max_disk"]["ways"]
    assert len(ways) == len(lines)
    number = next(place for place, way in enumerate(ways, 1) if way["options"] == {"keep": "sentence"})
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    answers = iter([0, number])
    monkeypatch.setattr("typer.prompt", lambda text, **options: next(answers))
    assert run([*command, "--max-disk", "90kB"]) == 6
    assert not list(tmp_path.glob("*--*"))
    assert run([*command, "--max-disk", "90kB"]) == 0
    shown = capsys.readouterr()
    assert f"  {number}  --keep sentence: " in shown.err
    assert "keeps      a row an example, the mean of its tokens; the model read" in shown.out
    (made,) = tmp_path.glob("*--*")
    resume = json.loads((made / "runs" / "resume.json").read_text())["command"]
    assert resume.endswith("--max-disk 90kB --keep sentence")


def test_sizes_have_units() -> None:
    for text, value in (
        ("20GB", 20 * 10**9), ("500 MB", 5 * 10**8), ("1.5TB", 15 * 10**11), ("2gib", 2 << 30), ("7kB", 7000),
        ("12B", 12), (12, 12),
    ):  # fmt: skip
        assert read_bytes(text, "max_disk") == value
    for text in ("20", "GB", "-1GB", "1e3GB", "0GB", "0.1B", "3iB", "2 G", 0, 1.5, None):
        with pytest.raises(UsageError, match="max_disk"):
            read_bytes(text, "max_disk")
