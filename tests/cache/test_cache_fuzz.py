"""Whatever stands in the files of a cache: a result, or a `ProbekitError` that names the file."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from planted import PLAN, corpus_of, extract, identity_of, stage

from probekit.cache.format.names import cache_key
from probekit.cache.format.plan import resume_command
from probekit.cache.location import explain_difference, list_caches
from probekit.cache.manage.folders import info
from probekit.cache.manage.verify import verify
from probekit.cache.reader import ActivationCache
from probekit.cache.write.writer import CacheWriter
from probekit.errors import ProbekitError

FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
CORPUS = corpus_of(2, per_shard=2)
SHARD = "shards/00001.safetensors"
FILES = ["plan.json", "manifest.json", "receipts/00001.json", "corpus/source.json", "runs/resume.json", SHARD]
FUZZ = settings(
    max_examples=int(os.environ.get("PROBEKIT_FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# What JSON can say and Python cannot write, or what looks like what was there.
RAW = [
    *("null", "true", "-1", "0", "1.5", "1e999", "-1e999", "NaN", '"\\ud800"', '""', '"x/../../y"', "[]", "{}", "[[]]"),
    *("9" * 23, "9" * 400, "9" * 5000, '{"a":{"b":[1]}}', '["a",3]', '"' + "a" * 300 + '"', '"a\\u0000b"'),
    *("[" * 70 + "]" * 70, "[" * 500 + "]" * 500, "[" * 100_000),
]


class Scene:
    """A sound cache, and one of its files with something else in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = extract(root, CORPUS)
        self.sound = {name: (self.folder / name).read_bytes() for name in FILES}

    def parsed(self, name: str) -> Any:
        return json.loads(header_of(self.sound[name]) if name == SHARD else self.sound[name])

    def write(self, name: str, data: bytes) -> None:
        """Put text in place of a file's JSON; a shard keeps its data."""
        if name == SHARD:
            sound = self.sound[name]
            data = len(data).to_bytes(8, "little") + data + sound[8 + len(header_of(sound)) :]
        (self.folder / name).write_bytes(data)

    def restore(self) -> None:
        for name, data in self.sound.items():
            (self.folder / name).write_bytes(data)

    def use(self) -> None:
        """Everything that reads a cache, one after the other; each may refuse, and must name the place."""
        other = {**self.parsed("plan.json")["identity"], "dtype": "float16"}
        refusals = []
        for read in (
            self._open,
            lambda: verify(self.folder),
            lambda: info(self.folder),
            lambda: list_caches(self.root),
            lambda: explain_difference(self.root, other),
            lambda: resume_command(self.folder),
            self._resume,
        ):
            try:
                read()
            except ProbekitError as error:
                refusals.append(str(error))
        assert all(str(self.root) in refusal for refusal in refusals)

    def _open(self) -> None:
        cache = ActivationCache.open(self.folder)
        assert cache.nbytes > 0
        assert len(cache.index().word) == cache.layer("final").array().shape[0]
        assert cache.source is None or cache.source.kind
        assert len(list(cache.examples())) == len(CORPUS.sizes)
        assert json.dumps(cache.manifest["findings"])

    def _resume(self) -> None:
        """A writer reads plan, receipts and headers, and publishes nothing that it did not write."""
        with stage(CORPUS, self.root) as staged:
            identity = identity_of(staged) | {"dtype": "float32"}
            with CacheWriter.open(self.root, identity, PLAN, staged) as writer:
                assert writer.complete or writer.missing() is not None


def header_of(shard: bytes) -> bytes:
    return shard[8 : 8 + int.from_bytes(shard[:8], "little")]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with tempfile.TemporaryDirectory(dir=FAST) as root:
        yield Scene(Path(root))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value, of long lists the first three."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], raw: str) -> str:
    """The JSON text with other text at one place."""
    if not path:
        return raw
    value = copy.deepcopy(value)
    at = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = "@RAW@"
    return json.dumps(value).replace('"@RAW@"', raw)


def fresh(scene: Scene) -> None:
    """Whatever a use has done to the cache, the next example begins with a sound one."""
    kept = {path.name for path in scene.root.iterdir()} - {scene.folder.name}
    for name in kept:
        shutil.rmtree(scene.root / name)
    shutil.rmtree(scene.folder / "runs" / "aside", ignore_errors=True)
    scene.restore()


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_fault_06_any_json_in_place_of_any_value(scene: Scene, name: str, data: st.DataObject) -> None:
    fresh(scene)
    sound = scene.parsed(name)
    path = data.draw(st.sampled_from(places(sound)))
    text = replaced(sound, path, data.draw(st.sampled_from(RAW)))
    if name == "plan.json" and data.draw(st.booleans()):
        text = rekeyed(text)
    scene.write(name, text.encode())
    scene.use()


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_fault_05_any_bytes_in_place_of_some(scene: Scene, name: str, data: st.DataObject) -> None:
    fresh(scene)
    damaged = bytearray(scene.sound[name])
    end = min(len(damaged), 4096)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, end))
        stop = data.draw(st.integers(start, min(end, start + 8)))
        damaged[start:stop] = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from(RAW).map(str.encode)))
    (scene.folder / name).write_bytes(damaged[: data.draw(st.sampled_from([len(damaged), end // 2]))])
    scene.use()


@FUZZ
@given(data=st.data())
def test_fault_06_any_receipt_inside_a_header(scene: Scene, data: st.DataObject) -> None:
    """The receipt and the digests are JSON in a string of JSON; manifest and receipt agree with them or are gone."""
    fresh(scene)
    header = scene.parsed(SHARD)
    part = data.draw(st.sampled_from(["receipt", "tensors"]))
    inner = json.loads(header["__metadata__"][part])
    text = replaced(inner, data.draw(st.sampled_from(places(inner))), data.draw(st.sampled_from(RAW)))
    header["__metadata__"][part] = text
    scene.write(SHARD, json.dumps(header).encode())
    if data.draw(st.booleans()):
        (scene.folder / "manifest.json").unlink()
        (scene.folder / "receipts/00001.json").unlink()
    scene.use()


def rekeyed(text: str) -> str:
    """A plan whose key follows from its identity, so that the other checks are reached."""
    try:
        plan = json.loads(text)
        plan["key"] = cache_key(plan["identity"])
        return json.dumps(plan)
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@FUZZ
@given(receipts=st.lists(st.dictionaries(st.sampled_from(["largest", "count", "words"]), VALUES), max_size=3))
@example(receipts=[{"count": 1}, {"count": "a"}])
@example(receipts=[{"words": ["a"]}, {"words": {"a": 1}}])
@example(receipts=[{"count": 1e308}, {"count": 1e308}])
@example(receipts=[{"count": 10**400}, {"count": 0.5}])
def test_receipts_of_any_kind_add_up_or_are_refused(receipts: list[dict[str, Any]]) -> None:
    from probekit.cache.format.manifest import merge_findings
    from probekit.storage.strict import canonical

    try:
        hashlib.sha256(canonical(receipts))
    except ValueError:
        return  # no file could hold them
    refusal = ""
    try:
        canonical(merge_findings(receipts))
    except ProbekitError as error:
        refusal = str(error)
    assert not refusal or "do not add up" in refusal
