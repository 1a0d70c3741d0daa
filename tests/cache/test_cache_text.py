"""Rows come from the text that the plan speaks of, and from no other: in extraction, repair and export."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from planted import PLAN, SHARD_WORDS, corpus_of, digests, extract, identity_of, stage, write_shard

from probekit.cache import examples
from probekit.cache.examples import read_examples
from probekit.cache.export import export, frame
from probekit.cache.format import manifest
from probekit.cache.format import names as format
from probekit.cache.format.plan import read_plan
from probekit.cache.manage.verify import repair, verify
from probekit.cache.reader import ActivationCache
from probekit.cache.write.writer import CacheWriter
from probekit.errors import CacheError, ResourceError

CORPUS = corpus_of(2, per_shard=3)
FIRST = "corpus/00000.jsonl"


def other_words(data: bytes) -> bytes:
    return data.replace(b"w1", b"v1")


def other_order(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([lines[1], lines[0], *lines[2:]])


def other_split(data: bytes) -> bytes:
    """Two examples change places in the splits; ids and words stay."""
    assert data.count(b'"split":"train"') == 2
    moved = data.replace(b'"split":"dev"', b'"split":"new"').replace(b'"split":"train"', b'"split":"dev"', 1)
    return moved.replace(b'"split":"new"', b'"split":"train"')


CHANGES = [other_words, other_order, other_split]


def change(path: Path, how: Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    changed = how(data)
    assert changed != data
    assert len(changed) == len(data)
    path.write_bytes(changed)


def assert_whole(folder: Path) -> None:
    assert verify(folder).ok


def begun(root: Path) -> Path:
    """A cache whose run was ended after its plan and corpus, before its first shard."""
    with stage(CORPUS, root) as staged:
        identity = identity_of(staged) | {"dtype": "float32"}
        with CacheWriter.open(root, identity, PLAN, staged) as writer:
            return writer.folder


@pytest.mark.parametrize("how", CHANGES)
def test_fault_05_a_text_of_the_same_size_never_becomes_rows(tmp_path: Path, how: Callable[[bytes], bytes]) -> None:
    sound = digests(extract(tmp_path / "sound", CORPUS))
    folder = begun(tmp_path)
    change(folder / FIRST, how)
    with pytest.raises(CacheError, match=rf"00000\.jsonl is damaged.*probekit cache verify --repair {folder}"):
        extract(tmp_path, CORPUS)
    assert list((folder / "shards").glob("[0-9]*")) == []
    assert [(problem.shard, problem.part) for problem in verify(folder).problems] == [(0, "corpus")]
    repair(folder)
    assert digests(extract(tmp_path, CORPUS)) == sound


def test_fault_05_a_text_that_changes_under_a_running_writer_is_seen(tmp_path: Path) -> None:
    with stage(CORPUS, tmp_path) as staged:
        identity = identity_of(staged) | {"dtype": "float32"}
        with CacheWriter.open(tmp_path, identity, PLAN, staged) as writer:
            first, second = writer.missing()
            write_shard(writer, first)
            change(writer.folder / "corpus/00001.jsonl", other_words)
            with pytest.raises(CacheError, match=r"00001\.jsonl is damaged.*--repair"):
                write_shard(writer, second)


def test_fault_05_a_shard_made_from_another_text_is_neither_opened_nor_adopted(tmp_path: Path) -> None:
    """Even a writer that looked at no digest would leave a shard that everyone refuses."""
    sound = digests(extract(tmp_path / "sound", CORPUS))
    folder = begun(tmp_path)
    (spec, _) = read_plan(folder).shards
    change(folder / FIRST, other_words)
    careless = {"sha256": examples.hashlib.sha256((folder / FIRST).read_bytes()).hexdigest()}
    wrong = format.ShardSpec(spec.number, spec.start, spec.stop, spec.words, spec.size, **careless)
    with stage(CORPUS, tmp_path) as staged, mock.patch.object(CacheWriter, "_restore"):
        identity = identity_of(staged) | {"dtype": "float32"}
        with CacheWriter.open(tmp_path, identity, PLAN, staged) as writer:
            assert write_shard(writer, wrong)
    shutil.copy(tmp_path / "sound" / folder.name / FIRST, folder / FIRST)
    assert [(problem.shard, problem.part) for problem in verify(folder).problems] == [(0, "shard")]
    with pytest.raises(CacheError, match="another text"):
        manifest.read_header(read_plan(folder), 0)
    written: list[int] = []
    extract(tmp_path, CORPUS, after_shard=lambda spec: written.append(spec.number))
    assert written == [0, 1]
    assert digests(folder) == sound


@pytest.mark.parametrize("how", CHANGES)
def test_fault_05_a_complete_cache_gives_no_wrong_examples(tmp_path: Path, how: Callable[[bytes], bytes]) -> None:
    folder = extract(tmp_path, CORPUS)
    cache = ActivationCache.open(folder)
    before = [example.words for example in cache.examples()]
    assert len(before) == len(CORPUS.sizes)
    change(folder / FIRST, how)
    with pytest.raises(CacheError, match=r"00000\.jsonl is damaged.*--repair"):
        list(cache.examples())
    with pytest.raises(CacheError):
        list(read_examples(folder / "corpus", cache.shards[0]))


@pytest.mark.parametrize("how", CHANGES)
def test_fault_05_export_writes_no_wrong_forms(tmp_path: Path, how: Callable[[bytes], bytes]) -> None:
    cache = ActivationCache.open(extract(tmp_path, CORPUS))
    export(cache, tmp_path / "sound.csv", layers="0")
    with (tmp_path / "sound.csv").open(newline="") as file:
        forms = [row["form"] for row in csv.DictReader(file)]
    assert sum(form != "" for form in forms) > SHARD_WORDS
    change(cache.path / FIRST, how)
    for name in ("x.csv", "x.npz"):
        with pytest.raises(CacheError, match=r"00000\.jsonl is damaged.*--repair"):
            export(cache, tmp_path / name, layers="0")
    with pytest.raises(CacheError):
        frame(cache, "0")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["sound.csv"]


def test_a_repair_takes_back_only_the_text_of_the_plan(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (folder / FIRST).unlink()
    with stage(CORPUS, tmp_path) as staged:
        change(staged.folder / FIRST, other_words)
        identity = identity_of(staged) | {"dtype": "float32"}
        with pytest.raises(CacheError, match="damaged"):
            CacheWriter.open(tmp_path, identity, PLAN, staged)
    assert not (folder / FIRST).exists()
    extract(tmp_path, CORPUS)
    assert verify(folder).ok


@pytest.mark.parametrize("name", ["plan.json", "corpus/source.json"])
def test_fault_05_every_byte_of_plan_and_source_counts_before_there_is_a_manifest(tmp_path: Path, name: str) -> None:
    folder = begun(tmp_path)
    whole = (folder / name).read_bytes()
    others = [bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]]) for at in range(0, len(whole), 31)]
    reordered = json.dumps(json.loads(whole)).encode()
    for data in [*others, whole[:-1], whole + b"\n", reordered]:
        (folder / name).write_bytes(data)
        with pytest.raises(CacheError):
            extract(tmp_path, CORPUS)
        with pytest.raises((CacheError, AssertionError)):
            assert_whole(folder)
    (folder / name).write_bytes(whole)
    extract(tmp_path, CORPUS)
    assert verify(folder).ok


@pytest.mark.parametrize("name", ["receipts/00001.json", "manifest.json"])
def test_fault_05_other_bytes_of_the_same_meaning_are_seen(tmp_path: Path, name: str) -> None:
    folder = extract(tmp_path, CORPUS)
    sound = digests(folder)
    (folder / name).write_text(json.dumps(json.loads((folder / name).read_bytes())))
    assert len(verify(folder).problems) == 1
    repair(folder)
    extract(tmp_path, CORPUS)
    assert digests(folder) == sound


def test_a_file_that_cannot_be_read_just_now_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = extract(tmp_path, CORPUS)
    sound = digests(folder)
    (folder / "manifest.json").unlink()
    real = os.open

    def busy(path: Path, *values: int, **options: int) -> int:
        if Path(path).name == "00001.safetensors":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *values, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", busy)
        with pytest.raises(ResourceError, match="Nothing was set aside"):
            extract(tmp_path, CORPUS)
    assert not (folder / "runs/aside").exists()
    written: list[int] = []
    extract(tmp_path, CORPUS, after_shard=lambda spec: written.append(spec.number))
    assert written == []
    assert digests(folder) == sound
