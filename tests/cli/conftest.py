"""One folder with a tiny model, sound and wrong inputs, and sound and damaged caches, for all tests of the commands."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from tiny_models import tiny_model

from probekit.cli.app import run

NOUNS, VERBS = ["doctor", "teacher", "river", "house", "garden"], ["follow", "carry", "walk"]


def conllu(sentences: int, *, first: int = 0, seed: int = 0) -> str:
    """A small treebank with tags, heads and one feature; a new document every fifth sentence."""
    draw = random.Random(seed)
    parts = []
    for number in range(first, first + sentences):
        subject, verb, other = draw.choice(NOUNS), draw.choice(VERBS), draw.choice(NOUNS)
        lines = [f"# newdoc id = d{number // 5}"] if number % 5 == 0 else []
        lines += [f"# sent_id = s{number}", f"# text = {subject} {verb} {other}"]
        for place, (form, tag, head, relation) in enumerate(
            [(subject, "NOUN", 2, "nsubj"), (verb, "VERB", 0, "root"), (other, "NOUN", 2, "obj")], start=1
        ):
            lines.append(f"{place}\t{form}\t{form}\t{tag}\t_\tNumber=Sing\t{head}\t{relation}\t_\t_")
        parts.append("\n".join(lines) + "\n\n")
    return "".join(parts)


def _inputs(folder: Path) -> None:
    texts = {
        "good.conllu": conllu(120),
        "other.conllu": conllu(120, seed=1),
        "short.conllu": conllu(119),
        "long.conllu": conllu(125),
        "one.conllu": conllu(1),
        "two.conllu": conllu(2),
        "nouns.conllu": "".join(
            f"# newdoc id = d{i}\n# sent_id = n{i}\n1\t{NOUNS[i % 5]}\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n"
            for i in range(40)
        ),
        "plain.txt": "".join(f"the {noun} is number {i}\n" for i in range(60) for noun in NOUNS[:1]),
        "long.txt": " ".join(["tree"] * 100) + "\n",
        "empty.txt": "",
        "comments.conllu": "# only\n# comments\n\n",
        "columns.conllu": "# sent_id = a\n1\tDogs\tdog\n\n",
        "spaces.conllu": "1 Dogs dog NOUN _ _ 0 root _ _\n\n",
        "head.conllu": "1\tDogs\tdog\tNOUN\t_\t_\t7\troot\t_\t_\n\n",
        "cycle.conllu": "1\ta\ta\tX\t_\t_\t2\tdep\t_\t_\n2\tb\tb\tX\t_\t_\t1\tdep\t_\t_\n\n",
        "order.conllu": "2\tDogs\tdog\tNOUN\t_\t_\t0\troot\t_\t_\n\n",
        "twice.conllu": "# sent_id = a\n1\tDogs\tdog\tNOUN\t_\t_\t0\troot\t_\t_\n\n" * 2,
        "words.jsonl": '{"words": ["a", "b"]}\n{"words": 3}\n',
        "broken.jsonl": '{"words": ["a"]}\n{"words": ["a"\n',
        "keys.jsonl": '{"tokens_": ["a"]}\n',
        "unequal.jsonl": '{"words": ["a", "b"], "upos": ["X"]}\n',
        "notes.xyz": "what\n",
        "report.jsonl": '{"schema": "something/1"}\n',
        "newer.jsonl": '{"schema": "probekit.report/9"}\n',
        "torn.jsonl": "{",
        "deep.jsonl": "[" * 100_000 + "\n",
        "digits.jsonl": '{"schema": "probekit.report/2", "task": ' + "9" * 5000 + "}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "utf8.txt").write_bytes(b"fine\na\xff b\n")
    (folder / "gone.txt.gz").write_bytes(b"\x1f\x8b\x08\x00 not really")
    (folder / "nothing").mkdir()
    (folder / "bytes-\udcff.txt").write_text("what\n" * 40)
    os.mkfifo(folder / "pipe.txt")
    tasks = {
        "syntax": "def targets(:\n",
        "notask": '"""No task."""\nX = 1\n',
        "crash": '"""Crashes."""\nraise RuntimeError("at import")\n',
    }
    for name, text in tasks.items():
        (folder / f"tasks-{name}").mkdir()
        (folder / f"tasks-{name}" / f"{name}.py").write_text(text)


def _models(folder: Path) -> None:
    sound = folder / "model"
    shutil.copytree(tiny_model("bert"), sound)
    for name in ("automap", "bin", "notokenizer", "badconfig", "kindless", "badweights", "internal", "deeptokens"):
        shutil.copytree(sound, folder / name)
    config = json.loads((sound / "config.json").read_text())
    (folder / "automap/config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    internal = {**config, "_attn_implementation_internal": "someone/kernel"}
    (folder / "internal/config.json").write_text(json.dumps(internal))
    for name, change in (("nolayers", {"num_hidden_layers": 0}), ("wordwidth", {"hidden_size": "x"})):
        shutil.copytree(sound, folder / name)
        (folder / name / "config.json").write_text(json.dumps({**config, **change}))
    (folder / "deeptokens/tokenizer.json").write_text("[" * 100_000)
    shutil.copytree(sound, folder / "model-\udcff")
    (folder / "kindless/config.json").write_text(json.dumps({**config, "model_type": "nosuchkind"}))
    (folder / "badconfig/config.json").write_text("{")
    (folder / "bin/model.safetensors").rename(folder / "bin/pytorch_model.bin")
    for path in (folder / "notokenizer").glob("tokenizer*"):
        path.unlink()
    data = (sound / "model.safetensors").read_bytes()
    (folder / "badweights/model.safetensors").write_bytes(data[: len(data) // 2])
    (folder / "nomodel").mkdir()


def _damaged(caches: Path, good: Path) -> None:
    """Roots beside the sound one, each with a copy of the sound cache that has one fault."""
    for fault in (
        "truncated",
        "flipped",
        "newer",
        "incomplete",
        "planless",
        "manifest",
        "aside",
        "surrogate",
        "totals",
    ):
        shutil.copytree(good, caches.with_name(f"caches-{fault}") / good.name)
    shard = "shards/00000.safetensors"
    truncated = caches.with_name("caches-truncated") / good.name / shard
    truncated.write_bytes(truncated.read_bytes()[:-7])
    flipped = caches.with_name("caches-flipped") / good.name / shard
    flipped.write_bytes(flipped.read_bytes()[:-1] + bytes([flipped.read_bytes()[-1] ^ 1]))
    plan = caches.with_name("caches-newer") / good.name / "plan.json"
    known = json.loads(plan.read_text())
    plan.write_text(json.dumps({**known, "format": 99}))
    (caches.with_name("caches-incomplete") / good.name / "manifest.json").unlink()
    (caches.with_name("caches-incomplete") / good.name / "receipts/00000.json").unlink()
    (caches.with_name("caches-planless") / good.name / "plan.json").write_text("{")
    (caches.with_name("caches-manifest") / good.name / "manifest.json").write_text("{}")
    plan = caches.with_name("caches-surrogate") / good.name / "plan.json"
    plan.write_text(plan.read_text().replace('"name": "good"', '"name": "\\ud800"'))
    manifest = caches.with_name("caches-totals") / good.name / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "totals": {}}))
    aside = caches.with_name("caches-aside") / good.name / "runs/aside"
    aside.mkdir(parents=True)
    (aside / "00000.safetensors.1").write_bytes(b"x" * 1000)


@pytest.fixture(scope="session")
def whole_scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    _inputs(folder)
    _models(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PROBEKIT_CACHE", str(folder / "caches"))
        assert run(["extract", "model", "good.conllu", "-q"]) == 0
        assert run(["probe", "--task", "pos", "--fast", "-q", "--out", "pos.jsonl"]) == 0
    (good,) = (folder / "caches").glob("model--good--*")
    _damaged(folder / "caches", good)
    return folder


@pytest.fixture
def scene(whole_scene: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as working folder, its ``caches`` as root; tests leave both as they are."""
    monkeypatch.chdir(whole_scene)
    monkeypatch.setenv("PROBEKIT_CACHE", str(whole_scene / "caches"))
    return whole_scene


@pytest.fixture
def good(scene: Path) -> Path:
    """The one sound cache."""
    (found,) = (scene / "caches").glob("model--good--*")
    return found
