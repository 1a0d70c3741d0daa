"""Damaged, swapped, foreign and hostile files never become numbers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from planted import LAYERS, PLAN, corpus_of, digests, extract, identity_of, stage, tensors_of, write_shard

from probekit.cache.export import export
from probekit.cache.format.header import parse_header
from probekit.cache.format.manifest import build_manifest, read_header, read_receipt
from probekit.cache.format.names import FORMAT_VERSION, TensorSpec, cache_key
from probekit.cache.format.plan import FormatVersionError, read_plan
from probekit.cache.location import explain_difference
from probekit.cache.manage.verify import repair, verify
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


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def repaired(root: Path, folder: Path, sound: dict[str, str], *, shards: list[int]) -> None:
    """Repair and extract again; only `shards` are written, and every byte is back."""
    repair(folder)
    with pytest.raises(CacheError, match="incomplete"):
        ActivationCache.open(folder)
    written: list[int] = []
    extract(root, CORPUS, after_shard=lambda spec: written.append(spec.number))
    assert written == shards
    assert digests(folder) == sound
    assert verify(folder).ok


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_fault_04_truncated_shard(tmp_path: Path, folder: Path, keep: int) -> None:
    sound = digests(folder)
    data = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(data[:keep])
    refused(folder, rf"00001\.safetensors is damaged.*probekit cache verify --repair {folder}")
    repaired(tmp_path, folder, sound, shards=[1])


def test_fault_04_appended_bytes(tmp_path: Path, folder: Path) -> None:
    sound = digests(folder)
    with (folder / SHARD).open("ab") as file:
        file.write(b"\0")
    refused(folder, "describes")
    repaired(tmp_path, folder, sound, shards=[1])


@pytest.mark.parametrize("at", [-1, -5000, 70_000])
def test_fault_05_flipped_byte_in_data(tmp_path: Path, folder: Path, at: int) -> None:
    sound = digests(folder)
    assert verify(folder).ok
    flip(folder / SHARD, at)
    (problem,) = verify(folder).problems
    assert (problem.shard, problem.part) == (1, "shard")
    repaired(tmp_path, folder, sound, shards=[1])


@pytest.mark.parametrize("name", ["index.example", "index.word", "index.token"])
def test_fault_05_a_wrong_number_in_an_index_is_never_read(folder: Path, tmp_path: Path, name: str) -> None:
    header = parse_header((folder / SHARD).read_bytes(), (folder / SHARD).stat().st_size, SHARD)
    flip(folder / SHARD, header.tensors[name].offset + 2)
    cache = ActivationCache.open(folder)
    for read in (cache.index, lambda: export(cache, tmp_path / "out.csv")):
        with pytest.raises(CacheError, match=rf"00001\.safetensors is damaged: {name}.*verify --repair"):
            read()


def test_fault_05_every_byte_of_a_header_counts(folder: Path) -> None:
    data = (folder / SHARD).read_bytes()
    length = 8 + int.from_bytes(data[:8], "little")
    for at in [*range(0, 3000, 13), *range(3000, length, 5003), length - 1]:
        flip(folder / SHARD, at)
        refused(folder, "verify --repair")
        flip(folder / SHARD, at)
    ActivationCache.open(folder)


@pytest.mark.parametrize("name", ["manifest.json", "plan.json", "receipts/00001.json", "corpus/00001.jsonl"])
def test_fault_05_flipped_byte_in_a_small_file(folder: Path, name: str) -> None:
    size = (folder / name).stat().st_size
    for at in range(0, size, max(1, size // 150)):
        flip(folder / name, at)
        try:
            found = verify(folder).ok
        except FormatVersionError:
            found = False
        except CacheError:
            found = name != "plan.json"
        assert not found, at
        flip(folder / name, at)
    assert verify(folder).ok


@pytest.mark.parametrize("name", ["receipts/00001.json", "corpus/00001.jsonl", "manifest.json", "corpus/source.json"])
def test_fault_05_small_files_are_repaired_without_recomputing(tmp_path: Path, folder: Path, name: str) -> None:
    sound = digests(folder)
    if name == "corpus/source.json":
        (folder / name).unlink()
    else:
        flip(folder / name, 20)
    assert not verify(folder).ok
    repaired(tmp_path, folder, sound, shards=[])


def test_fault_08_two_configurations_are_two_caches(tmp_path: Path) -> None:
    first, second = extract(tmp_path, CORPUS), extract(tmp_path, CORPUS, dtype="float16")
    assert first != second
    assert ActivationCache.open(first).layer(0).dtype == "float32"
    assert ActivationCache.open(second).layer(0).dtype == "float16"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("field", ["weights", "tokenizer"])
def test_fault_09_10_a_change_gives_another_key_and_is_named(tmp_path: Path, field: str) -> None:
    first = extract(tmp_path, CORPUS)
    with stage(CORPUS, tmp_path) as staged:
        old = identity_of(staged) | {"dtype": "float32"}
        new = identity_of(staged, **{field: "c" * 64}) | {"dtype": "float32"}
    assert cache_key(old) != cache_key(new)
    before = old["model"][field]
    assert explain_difference(tmp_path, new) == [
        f"{first.name}: model.{field} differs: old {before!r}, new {'c' * 64!r}"
    ]
    assert explain_difference(tmp_path, old) == []
    assert extract(tmp_path, CORPUS, **{field: "c" * 64}) != first


def test_fault_25_deleted(tmp_path: Path, folder: Path) -> None:
    sound = digests(folder)
    (folder / SHARD).unlink()
    refused(folder, r"00001\.safetensors is missing.*--repair")
    repaired(tmp_path, folder, sound, shards=[1])


def test_fault_25_swapped(tmp_path: Path, folder: Path) -> None:
    sound = digests(folder)
    other = folder / "shards/00000.safetensors"
    (folder / SHARD).rename(folder / "shards/x")
    other.rename(folder / SHARD)
    (folder / "shards/x").rename(other)
    refused(folder, "under another name")
    repaired(tmp_path, folder, sound, shards=[0, 1])


def test_fault_25_from_another_cache(tmp_path: Path, folder: Path) -> None:
    sound = digests(folder)
    foreign = extract(tmp_path, CORPUS, weights="d" * 64)
    shutil.copy(foreign / SHARD, folder / SHARD)
    refused(folder, "was written for another cache")
    repaired(tmp_path, folder, sound, shards=[1])


@pytest.mark.parametrize("name", [SHARD, "manifest.json", "plan.json"])
def test_fault_25_links_are_not_followed(tmp_path: Path, folder: Path, name: str) -> None:
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    refused(folder, "symbolic link")


def test_fault_25_a_linked_folder_is_not_followed(tmp_path: Path, folder: Path) -> None:
    (folder / "shards").rename(tmp_path / "outside")
    (folder / "shards").symlink_to(tmp_path / "outside")
    refused(folder, "no links")


@pytest.mark.parametrize("number", ["../../x", -1, 10**20, True, 2])
def test_fault_25_paths_in_a_manifest(folder: Path, number: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["shards"][0]["number"] = number
    (folder / "manifest.json").write_bytes(canonical(manifest))
    refused(folder, "manifest.json is damaged")


def test_fault_25_devices_are_not_read(folder: Path) -> None:
    (folder / SHARD).unlink()
    os.mkfifo(folder / SHARD)
    refused(folder, "not a regular file")


@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
@pytest.mark.parametrize(("version", "remedy"), [(FORMAT_VERSION + 1, "Upgrade"), (FORMAT_VERSION - 1, "Extract")])
def test_fault_26_another_format_names_who_wrote_it(folder: Path, name: str, version: int, remedy: str) -> None:
    data = json.loads((folder / name).read_bytes())
    data |= {"format": version, "written_by": "probekit 9.1.0", "something": "new"}
    (folder / name).write_bytes(canonical(data))
    refused(folder, rf"format version {version}, written by probekit 9\.1\.0.*reads version {FORMAT_VERSION}.*{remedy}")
    with pytest.raises(CacheError, match=remedy):
        repair(folder)
    assert (folder / name).exists()


def test_fault_27_shards_of_different_dtype_or_width(tmp_path: Path) -> None:
    for name, tensors in {
        "dtype": tensors_of("float16"),
        "width": tensors_of(width=4),
        "fewer": tensors_of()[:2],
    }.items():
        root = tmp_path / name
        with stage(CORPUS, root) as staged, CacheWriter.open(root, identity_of(staged), PLAN, staged) as writer:
            specs = writer.missing()
            for spec in specs[1:]:
                write_shard(writer, spec)
            write_blank(writer, specs[0].number, tensors)
            with pytest.raises(CacheError, match="shard 1 holds other tensors, dtypes or widths than shard 0"):
                writer.finish()
            assert not (writer.folder / "manifest.json").exists()


def write_blank(writer: CacheWriter, number: int, tensors: list[TensorSpec]) -> None:
    import numpy as np

    from probekit.cache.write.shard import NUMPY

    with writer.shard(writer.plan.shards[number], rows={"": 2}, tensors=tensors) as shard:
        for name in ("index.example", "index.word", "index.token"):
            shard.put(name, 0, np.zeros(2, np.int32))
        for tensor in tensors:
            shard.put(tensor.name, 0, np.zeros((2, tensor.width), NUMPY[tensor.dtype]))
        shard.publish({})


def test_fault_27_permuted_receipts(tmp_path: Path, folder: Path) -> None:
    sound = digests(folder)
    first, second = folder / "receipts/00000.json", folder / "receipts/00001.json"
    (folder / "manifest.json").unlink()
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    with pytest.raises(CacheError, match="mixed up"):
        read_receipt(folder, read_plan(folder).shards[0])
    assert [problem.part for problem in verify(folder).problems] == ["receipt", "receipt"]
    written: list[int] = []
    extract(tmp_path, CORPUS, after_shard=lambda spec: written.append(spec.number))
    assert written == []
    assert digests(folder) == sound


def test_fault_27_the_order_of_receipts_does_not_matter(folder: Path) -> None:
    plan = read_plan(folder)
    pairs = [(read_receipt(folder, spec), read_header(plan, spec.number)[0]) for spec in plan.shards]
    assert canonical(build_manifest(plan, pairs[::-1])) == canonical(build_manifest(plan, pairs))
    for wrong in (pairs[1:], [pairs[0], *pairs]):
        with pytest.raises(CacheError, match="one for each shard"):
            build_manifest(plan, wrong)


def test_a_header_survives_being_written_and_read(folder: Path) -> None:
    data = (folder / SHARD).read_bytes()
    header = parse_header(data[: 8 + int.from_bytes(data[:8], "little")], len(data), "x")
    assert [name for name in header.tensors if not name.startswith("index")] == [
        "final" if layer == "final" else f"layer.{layer:02d}" for layer in LAYERS
    ]
