"""A cache goes through a store and comes out the same bytes, whatever happens on the way; through S3, too."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cache.planted import corpus_of, digests, extract

from probekit.cache.manage.hub import card
from probekit.cache.manage.leftovers import collect, garbage
from probekit.cache.manage.pull import pull
from probekit.cache.manage.push import complete_plan, push
from probekit.cache.manage.stores import Store, open_store
from probekit.cli.app import run
from probekit.errors import CacheError, NetworkError, UsageError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(tmp_path_factory.mktemp("caches"), corpus_of(3))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A new bucket of the server."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = "".join(letter for letter in request.node.name.lower() if letter.isalnum())[:50]
    open_store(f"s3://{name}").files.mkdir(name)
    return f"s3://{name}/caches"


def test_a_cache_goes_to_s3_and_comes_back_the_same(cache: Path, bucket: str, tmp_path: Path) -> None:
    sent = push(cache, bucket)
    assert sent.url == f"{bucket}/{cache.name}"
    assert (sent.files, sent.found, sent.replaced) == (12, 0, ())
    again = push(cache, bucket)
    assert (again.files, again.nbytes, again.found) == (0, 0, 12)
    fetched = pull(sent.url, tmp_path)
    assert fetched.path == tmp_path / cache.name
    assert digests(fetched.path) == digests(cache)
    with pytest.raises(CacheError, match="is there already"):
        pull(sent.url, tmp_path)


def test_s3_takes_no_object_over_another(cache: Path, bucket: str, tmp_path: Path) -> None:
    sent = push(cache, bucket)
    store = open_store(sent.url)
    assert not store.put(tmp_path_file(tmp_path, b"other"), "plan.json")
    assert store.small("plan.json") == (cache / "plan.json").read_bytes()
    store.put(tmp_path_file(tmp_path, b"other"), "plan.json", anew=True)
    with pytest.raises(CacheError, match=r"another cache of this name: its plan\.json differs"):
        push(cache, bucket)


def tmp_path_file(folder: Path, data: bytes) -> Path:
    (folder / "file").write_bytes(data)
    return folder / "file"


class Interrupted(Exception):
    """In the place of Ctrl-C."""


@pytest.mark.parametrize("after", [0, 1, 4, 7, 10, 11])
def test_a_push_goes_on_where_it_was_interrupted(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    url, put, count = f"file://{tmp_path}/store", Store.put, 0

    def counting(self: Store, path: Path, name: str, *, anew: bool = False) -> bool:
        nonlocal count
        count += 1
        if count > after:
            raise Interrupted
        return put(self, path, name, anew=anew)

    monkeypatch.setattr(Store, "put", counting)
    with pytest.raises(Interrupted):
        push(cache, url)
    place = f"{url}/{cache.name}"
    with pytest.raises(CacheError, match="is not a cache" if after == 0 else "is incomplete"):
        pull(place, tmp_path / "root")
    monkeypatch.undo()
    done = push(cache, url)
    assert done.files + done.found == 12
    # A shard without its receipt is sent again.
    assert (done.found, done.replaced) == ((9, ("shards/00002.safetensors",)) if after == 10 else (after, ()))
    assert digests(pull(place, tmp_path / "root").path) == digests(cache)


def test_what_an_upload_left_broken_is_sent_again_and_said(cache: Path, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/store"
    shard = Path(tmp_path / "store" / cache.name / "shards")
    shard.mkdir(parents=True)
    (shard / "00000.safetensors").write_bytes(b"half")
    assert push(cache, url).replaced == ("shards/00000.safetensors",)
    assert digests(pull(f"{url}/{cache.name}", tmp_path / "root").path) == digests(cache)


@pytest.mark.parametrize("after", [1, 3, 6, 9])
def test_a_pull_goes_on_where_it_was_interrupted(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    url = push(cache, f"file://{tmp_path}/store").url
    root, reading, count = tmp_path / "root", Store.reading, 0

    def counting(self: Store, name: str) -> Any:
        nonlocal count
        count += 1
        if count > after:
            raise Interrupted
        return reading(self, name)

    monkeypatch.setattr(Store, "reading", counting)
    with pytest.raises(Interrupted):
        pull(url, root)
    assert not [path for path in root.iterdir() if not path.name.startswith(".")]
    monkeypatch.undo()
    done = pull(url, root)
    assert (done.found, done.files) == (after, 10 - after)
    assert digests(done.path) == digests(cache)


def test_an_abandoned_pull_is_garbage_and_a_lively_one_is_not(cache: Path, tmp_path: Path) -> None:
    url = push(cache, f"file://{tmp_path}/store").url
    root = tmp_path / "root"

    def look(done: float, name: str) -> None:
        assert garbage(root) == []
        with pytest.raises(CacheError, match="Another process pulls"):
            pull(url, root)
        raise Interrupted

    with pytest.raises(Interrupted):
        pull(url, root, progress=look)
    (left,) = garbage(root)
    assert "cache pull" in left.why
    assert collect([left]) == [left]
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["shards/00001.safetensors", "receipts/00002.json", "corpus/00000.jsonl", "manifest.json"]
)
def test_damage_in_the_store_is_named_and_nothing_of_it_stays(cache: Path, tmp_path: Path, name: str) -> None:
    url = push(cache, f"file://{tmp_path}/store").url
    damaged = next((tmp_path / "store" / cache.name).glob(f"{Path(name).parent}/{Path(name).stem}*"))
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-2] + bytes([sound[-2] ^ 1]) + sound[-1:])
    with pytest.raises(CacheError, match="damaged"):
        pull(url, tmp_path / "root")
    assert not [path for path in (tmp_path / "root").iterdir() if not path.name.startswith(".")]
    damaged.write_bytes(sound)
    assert digests(pull(url, tmp_path / "root").path) == digests(cache)


def test_what_is_missing_in_the_store_is_named(cache: Path, tmp_path: Path) -> None:
    url = push(cache, f"file://{tmp_path}/store").url
    (tmp_path / "store" / cache.name / "shards" / "00001.safetensors").unlink()
    with pytest.raises(CacheError, match=r"shards/00001\.safetensors is missing"):
        pull(url, tmp_path / "root")
    with pytest.raises(CacheError, match=rf"holds no plan\.json.*{cache.name}"):
        pull(f"file://{tmp_path}/store", tmp_path / "root")


def test_a_damaged_cache_is_not_pushed(cache: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(cache, tmp_path / cache.name))
    shard = copy / "shards" / "00001.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CacheError, match=r"is damaged: .* Nothing was sent"):
        push(copy, f"file://{tmp_path}/store")
    assert not (tmp_path / "store").exists()


def test_stores_that_cannot_be_reached(cache: Path, monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    with pytest.raises(UsageError, match="there is no such bucket"):
        push(cache, "s3://nowhere-at-all/caches")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = open_store("s3://elsewhere/caches")
    type(store.files).clear_instance_cache()
    with pytest.raises(NetworkError, match="the same command goes on"):
        push(cache, "s3://elsewhere/caches")
    for url, message in (("strange://x", "no URL of a store"), ("hf://models/x", "no dataset repository")):
        with pytest.raises(UsageError, match=message):
            push(cache, url)


def test_commands_say_where_it_is_and_what_goes_with_it(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"file://{tmp_path}/store"
    assert run(["cache", "push", store, str(cache)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{store}/{cache.name}: 12 files sent")
    assert "licence: not recorded" in shown.err
    assert run(["cache", "push", store, str(cache), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["found"] == 12
    assert run(["cache", "pull", f"{store}/{cache.name}", "--cache", str(tmp_path / "root"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 10
    assert run(["cache", "pull", f"{store}/nothing", "--cache", str(tmp_path / "root")]) == 4


class Hub:
    """As much of the Hub as a push asks for; no network."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def asked(*_: Any, **fields: Any) -> bool:
            self.asked.append((name, fields))
            return False

        return asked


def test_the_hub_gets_one_private_commit_and_a_card(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    sent = push(cache, "hf://datasets/me/vectors")
    assert sent.url == f"hf://datasets/me/vectors/{cache.name}"
    assert [name for name, _ in hub.asked] == ["create_repo", "file_exists", "upload_file", "upload_folder"]
    assert hub.asked[0][1]["private"] is True
    sent_files = set(hub.asked[3][1]["allow_patterns"])
    there = {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}
    assert sent_files == {name for name in there if not name.startswith("runs")}
    text = card(complete_plan(cache), sent.url)
    for words in ("planted/model", "aaaa", f"$ probekit cache pull {sent.url}", "licence of the corpus | not recorded"):
        assert words in text
    assert os.linesep in text
