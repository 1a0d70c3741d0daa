"""Files made to fool a reader are refused at once, whatever they claim."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted import PLAN, corpus_of, extract, identity_of, stage

from probekit.cache.format.names import cache_key
from probekit.cache.format.plan import resume_command
from probekit.cache.manage.folders import info
from probekit.cache.manage.verify import verify
from probekit.cache.reader import ActivationCache
from probekit.cache.write.writer import CacheWriter
from probekit.errors import CacheError
from probekit.storage.strict import canonical

CORPUS = corpus_of(3, per_shard=3)
SHARD = "shards/00001.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return extract(tmp_path, CORPUS)


def refused(folder: Path, pattern: str) -> None:
    with pytest.raises(CacheError, match=pattern) as caught:
        ActivationCache.open(folder)
    assert caught.value.exit_code == 4


def header_of(folder: Path) -> tuple[dict[str, Any], int]:
    data = (folder / SHARD).read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), length


def duplicate_key(text: str) -> str:
    return text.replace('{"__metadata__"', '{"final":{},"__metadata__"', 1)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        header = json.loads(text)
        change(header)
        return canonical(header).decode()

    return apply


def extra_tensor(header: dict[str, Any]) -> None:
    end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    header["layer.09"] = {"dtype": "F32", "shape": [0, 40], "data_offsets": [end, end]}


def overlap(header: dict[str, Any]) -> None:
    header["layer.01"]["data_offsets"] = header["layer.00"]["data_offsets"]


def gap(header: dict[str, Any]) -> None:
    header["final"]["data_offsets"] = [offset + 4 for offset in header["final"]["data_offsets"]]


def huge_shape(header: dict[str, Any]) -> None:
    header["final"]["shape"] = [2**40, 2**40]


def negative(header: dict[str, Any]) -> None:
    header["final"]["shape"] = [-1, 8]


def wrong_type(header: dict[str, Any]) -> None:
    header["final"]["shape"] = [True, 8.0]


HOSTILE = {
    "duplicate key": duplicate_key,
    "extra tensor": changed(extra_tensor),
    "overlap": changed(overlap),
    "gap": changed(gap),
    "huge shape": changed(huge_shape),
    "negative": changed(negative),
    "wrong type": changed(wrong_type),
    "missing tensor": changed(lambda header: header.pop("final")),
    "unknown name": changed(lambda header: header.update({"../x": header["final"]})),
    "unknown dtype": changed(lambda header: header["final"].update(dtype="F8")),
    "no metadata": changed(lambda header: header.pop("__metadata__")),
    "other shard": changed(lambda header: header["__metadata__"].update(shard="0")),
    "other cache": changed(lambda header: header["__metadata__"].update(key="0" * 64)),
    "other format": changed(lambda header: header["__metadata__"].update(format="probekit.cache/9")),
    "deep": lambda text: '{"__metadata__":' + "[" * 20_000,
    "not a number": lambda text: text.replace('"F32"', "NaN", 1),
    "long number": lambda text: text.replace('"data_offsets":[0', '"data_offsets":[' + "9" * 5000, 1),
    "list": lambda text: "[]",
    "not text": lambda text: "\udcff",
}


def frugal(act: Callable[[], None]) -> None:
    """The act takes under 100 ms and under 50 MB."""
    tracemalloc.start()
    started = time.process_time()
    act()
    seconds = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 0.1 * 3  # tracemalloc itself slows Python down about threefold
    assert peak < 50e6


@pytest.mark.parametrize("name", HOSTILE)
def test_fault_06_hostile_headers(folder: Path, name: str) -> None:
    data = (folder / SHARD).read_bytes()
    length = int.from_bytes(data[:8], "little")
    text = HOSTILE[name](data[8 : 8 + length].decode().rstrip()).encode("utf-8", "surrogateescape").ljust(length)
    assert len(text) == length
    (folder / SHARD).write_bytes(data[:8] + text + data[8 + length :])
    frugal(lambda: refused(folder, "00001"))
    # Without manifest and receipt a writer would adopt it, if it did not look closely.
    (folder / "manifest.json").unlink()
    (folder / "receipts/00001.json").unlink()
    with stage(CORPUS, folder.parent) as staged:
        identity = identity_of(staged) | {"dtype": "float32"}
        with CacheWriter.open(folder.parent, identity, PLAN, staged) as writer:
            assert [spec.number for spec in writer.missing()] == [1]


@pytest.mark.parametrize("claimed", [200_000_000, 2**63, 2**64 - 1, 0])
def test_fault_06_a_header_of_200_megabytes_is_refused_unread(folder: Path, claimed: int) -> None:
    with (folder / SHARD).open("r+b") as file:
        file.write(claimed.to_bytes(8, "little"))
        file.truncate(300_000_000)
    frugal(lambda: refused(folder, "claims a header"))


@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"a":1,"a":2}', "[" * 100_000, '{"format": NaN}', "\x00" * 50]
)
def test_fault_06_hostile_json(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    frugal(lambda: refused(folder, name))


@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
def test_fault_06_an_endless_manifest_is_refused_unread(folder: Path, name: str) -> None:
    os.truncate(folder / name, 1 << 40)
    frugal(lambda: refused(folder, "at most"))


def put(folder: Path, name: str, path: tuple[str, ...], raw: str) -> None:
    """Replace one value of a file by other text; a plan's key follows its identity where it can."""
    value = json.loads((folder / name).read_text())
    at = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = "@RAW@"
    text = json.dumps(value).replace('"@RAW@"', raw)
    with contextlib.suppress(ValueError, RecursionError):
        again = json.loads(text)
        if name == "plan.json":
            text = json.dumps({**again, "key": cache_key(again["identity"])})
    (folder / name).write_text(text)


UNWRITABLE = ['"\\ud800"', '"a\\udfffb"', "1e999", "-1e999", "NaN", "[" * 70 + "]" * 70, "[" * 900 + "]" * 900]


@pytest.mark.parametrize("raw", UNWRITABLE, ids=lambda raw: raw[:8])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("plan.json", ("identity", "model", "name")),
        ("plan.json", ("identity", "dtype")),
        ("plan.json", ("plan", "torch")),
        ("manifest.json", ("findings", "largest")),
        ("manifest.json", ("model", "name")),
    ],
)
def test_fault_06_what_no_cache_could_have_written(folder: Path, name: str, path: tuple[str, ...], raw: str) -> None:
    put(folder, name, path, raw)
    refused(folder, name)
    assert info_refuses(folder)
    with pytest.raises(CacheError, match=re.escape(name)) if name == "plan.json" else contextlib.nullcontext():
        assert not verify(folder).ok


def info_refuses(folder: Path) -> bool:
    with pytest.raises(CacheError):
        info(folder)
    return True


@pytest.mark.parametrize("part", ["receipt", "tensors", "key"])
@pytest.mark.parametrize("raw", ["\ud800", '{"a": "\\ud800"}', '{"a": 1e999}', "[" * 900 + "]" * 900])
def test_fault_06_half_a_character_inside_a_header(folder: Path, part: str, raw: str) -> None:
    header, length = header_of(folder)
    header["__metadata__"][part] = raw
    data = (folder / SHARD).read_bytes()
    text = json.dumps(header).encode()
    (folder / SHARD).write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    refused(folder, "00001")


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        (("totals",), "{}"),
        (("totals", "bytes"), "null"),
        (("totals", "bytes"), "-5"),
        (("totals", "bytes"), '"7"'),
        (("totals", "rows"), '{"": "7"}'),
        (("totals", "rows", ""), "7"),
        (("totals", "words"), "7"),
        (("findings",), "{}"),
        (("findings", "alignment", "words"), "0"),
        (("findings", "largest"), "true"),
        (("tensors",), "[]"),
        (("tensors",), "[3]"),
        (("tensors",), '[{"name": "final", "dtype": "float32", "width": "4"}]'),
        (("model", "name"), '"other/model"'),
    ],
    ids=str,
)
def test_fault_06_a_manifest_that_does_not_follow_from_its_shards(
    folder: Path, path: tuple[str, ...], raw: str
) -> None:
    put(folder, "manifest.json", path, raw)
    refused(folder, "(manifest.json|other tensors).*Repair with")
    assert not verify(folder).ok


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        (("identity", "model", "weights"), "7"),
        (("corpus", "splits"), '{"train": "7"}'),
        (("corpus", "annotations"), "[7]"),
        (("corpus", "remarks"), "[7]"),
        (("corpus", "remarks"), '"7"'),
    ],
    ids=str,
)
def test_fault_06_a_plan_whose_parts_have_the_wrong_type(folder: Path, path: tuple[str, ...], raw: str) -> None:
    put(folder, "plan.json", path, raw)
    refused(folder, "plan.json is damaged")


@pytest.mark.parametrize(
    "command", ["rm -rf ~", "\x1b[31mprobekit", "probekit extract\x1b[2J", "probekit x\nrm -rf ~", "probekitx", 7, None]
)
def test_the_command_that_resumes_is_ours_or_not_shown(folder: Path, command: object) -> None:
    (folder / "runs/resume.json").write_text(json.dumps({"command": command}))
    assert resume_command(folder) == "probekit extract (with the same model, corpus and options)"
    (folder / "runs/resume.json").write_text(json.dumps({"command": "probekit extract m 'c d.txt'"}))
    assert resume_command(folder) == "probekit extract m 'c d.txt'"
