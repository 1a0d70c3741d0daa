"""Loading: the precision asked for, no foreign code, honest random weights, no silent gaps."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import FAMILIES, tiny_model

from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.errors import UsageError
from probekit.models.sources import load as load_module
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.models.sources.weights import quiet, state_digest

every_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private copy of a tiny BERT."""
    return Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))


def test_precision_is_the_one_asked_for_and_not_the_checkpoints(models: Path) -> None:
    source = locate(models / "gpt-novels")
    assert source.config["dtype"] == "float16"
    assert {part.dtype for part in load(source, device="cpu").model.parameters()} == {torch.float32}
    half = load(source, dtype="bfloat16", device="cpu")
    assert {part.dtype for part in half.model.parameters()} == {torch.bfloat16}


@every_family
def test_ready_to_be_read(name: str) -> None:
    loaded = load(locate(tiny_model(name)), device="cpu")
    assert not loaded.model.training
    assert not any(part.requires_grad for part in loaded.model.parameters())
    assert loaded.config.use_cache is False
    assert not type(loaded.model).__name__.endswith(("LM", "LMHeadModel", "ConditionalGeneration"))
    assert loaded.weights_digest() == loaded.source.digests()["weights"]
    assert loaded.attention in ("sdpa", "eager")
    assert loaded.vocabulary > loaded.pad_id


@every_family
def test_random_weights_are_the_seeds(name: str) -> None:
    source = locate(tiny_model(name))
    before = torch.random.get_rng_state()
    one, same, other = (load(source, control=Control(RANDOM_WEIGHTS, seed), device="cpu") for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.weights_digest() == same.weights_digest() == state_digest(same.model)
    assert one.weights_digest() != other.weights_digest()
    trained = dict(load(source, device="cpu").model.named_parameters())
    drawn = dict(one.model.named_parameters())
    assert drawn.keys() == trained.keys()
    # The tiny "trained" weights are shaken everywhere, so that none of them can be left by mistake.
    assert not any(torch.equal(drawn[key], trained[key]) for key in drawn)
    for dtype in ("bfloat16", "float16"):
        assert (
            load(source, control=Control(RANDOM_WEIGHTS, 3), dtype=dtype, device="cpu").weights_digest()
            == one.weights_digest()
        )


def test_random_weights_in_low_precision_keep_rotary_frequencies_exact() -> None:
    source = locate(tiny_model("llama"))
    exact = load(source, control=Control(RANDOM_WEIGHTS, 0), device="cpu").model.rotary_emb.inv_freq
    low = load(source, control=Control(RANDOM_WEIGHTS, 0), dtype="bfloat16", device="cpu").model
    assert low.rotary_emb.inv_freq.dtype == torch.float32
    assert torch.equal(low.rotary_emb.inv_freq, exact)
    assert low.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16


def test_a_checkpoint_with_gaps_is_refused_and_a_missing_pooler_is_not(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    without_pooler = {key: value for key, value in tensors.items() if "pooler" not in key}
    assert len(without_pooler) < len(tensors)
    save_file(without_pooler, folder / "model.safetensors", metadata={"format": "pt"})
    load(locate(folder), device="cpu")
    gap = {key: value for key, value in without_pooler.items() if "layer.1.attention" not in key}
    save_file(gap, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"layer\.1\.attention"):
        load(locate(folder), device="cpu")
    load(locate(folder), control=Control(RANDOM_WEIGHTS, 0), device="cpu")


def test_a_checkpoint_of_other_shapes_or_of_noise_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    with pytest.raises(UsageError, match="other shapes"):
        load(locate(folder), device="cpu")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"noise")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load(locate(folder), device="cpu")


def test_a_model_without_tokenizer_or_of_no_known_type_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "nothing-known"}))
    with pytest.raises(UsageError, match="no config of a known model"):
        load(locate(folder), device="cpu")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="tokenizer"):
        load(locate(folder), device="cpu")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match="no tokenizer"):
        locate(folder)


@pytest.mark.parametrize(
    "options", [{"dtype": "float64"}, {"device": "tpu"}, {"attention": "flash_attention_2"}, {"attention": "a/b"}]
)
def test_unknown_options(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be one of"):
        load(locate(tiny_model("bert")), **options)


def test_attention_is_ours_to_choose_and_never_the_files(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attn_implementation": "flash_attention_2"}))
    assert load(locate(folder), device="cpu").attention == "sdpa"
    assert load(locate(folder), device="cpu", attention="eager").attention == "eager"


def test_no_shortcuts_in_float32_products() -> None:
    torch.set_float32_matmul_precision("high")
    load(locate(tiny_model("bert")), device="cpu")
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_loading_is_quiet_and_gives_the_voice_back(capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(locate(tiny_model("bert")), device="cpu")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bars)
    with pytest.raises(ZeroDivisionError), quiet():
        raise ZeroDivisionError
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bars)


# Every folder in a child of its own, forked when torch has been imported and before anything is loaded.
AUDIT = """
import json, os, sys
from pathlib import Path
import numpy.testing, torch, transformers  # numpy 2.0 asks lscpu when its part for tests is first read
import probekit.models.sources.load, probekit.models.sources.locate
forbidden = ("subprocess.Popen", "os.system", "socket.connect", "pickle.find_class")
def audit(folder):
    touched = []
    def watch(event, args):
        if event in ("import", "compile", "exec", "open", *forbidden):
            touched.append((event, str(args[0] if event != "exec" else args[0].co_filename)))
    sys.addaudithook(watch)
    refused = ""
    try:
        probekit.models.sources.load.load(probekit.models.sources.locate.locate(folder), device="cpu")
    except probekit.errors.UsageError as error:
        refused = str(error)
    bad = [t for t in touched if t[0] in forbidden]
    bad += [t for t in touched if "evil" in t[1] or (t[0] in ("compile", "exec") and t[1].startswith(str(folder)))]
    bad += [("module", name) for name in sys.modules if "evil" in name or name.startswith("transformers_modules")]
    print(json.dumps([folder.name, bad, refused]), flush=True)
for folder in Path(sys.argv[1]).resolve().iterdir():
    if os.fork() == 0:
        try:
            audit(folder)
        finally:
            os._exit(0)
    os.wait()
"""


def change(folder: Path, file: str, **changes: Any) -> None:
    value = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**value, **changes}))


HOSTILE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "sound files beside code": ("", lambda folder: None),
    "auto_map of the model": (
        "foreign code",
        lambda folder: change(folder, "config.json", auto_map={"AutoModel": "modeling_evil.Evil"}),
    ),
    "auto_map of the config": (
        "foreign code",
        lambda folder: change(folder, "config.json", auto_map={"AutoConfig": "evil.Evil"}, model_type="evil"),
    ),
    "auto_map of the tokenizer": (
        "foreign code",
        lambda folder: change(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]}),
    ),
    "attention from the hub": (
        "internals",
        lambda folder: change(folder, "config.json", _attn_implementation_internal="evil/kernel"),
    ),
    "experts from the hub": (
        "internals",
        lambda folder: change(folder, "config.json", _experts_implementation_internal="evil/kernel"),
    ),
    "pickled weights": ("can run code", lambda folder: (folder / "model.safetensors").unlink()),
    "weights redirected": (
        "redirects",
        lambda folder: change(folder, "config.json", transformers_weights="pytorch_model.bin"),
    ),
    "an unknown kind": ("known model", lambda folder: change(folder, "config.json", model_type="evil")),
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[object], str]]:
    """What loading each of the folders touched that it must not, and how it was refused."""
    root = tmp_path_factory.mktemp("hostile")
    for name, (_, spoil) in HOSTILE.items():
        folder = shutil.copytree(tiny_model("bert"), root / name)
        (folder / "modeling_evil.py").write_text("raise SystemExit('foreign code ran')")
        (folder / "evil.py").write_text("raise SystemExit('foreign code ran')")
        (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
        spoil(folder)
    done = subprocess.run([sys.executable, "-c", AUDIT, str(root)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(name for name, _, _ in said) == sorted(HOSTILE), done.stderr[-2000:]
    return {name: (bad, refused) for name, bad, refused in said}


@pytest.mark.parametrize("name", HOSTILE)
def test_fault_28_no_code_of_the_folder_is_run(audited: dict[str, tuple[list[object], str]], name: str) -> None:
    says = HOSTILE[name][0]
    bad, refused = audited[name]
    assert bad == []
    assert says in refused
    assert bool(refused) == bool(says)


def test_fault_28_remote_code_is_never_trusted_and_pickles_never_read() -> None:
    for module in Path(load_module.__file__).parent.rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        assert "trust_remote_code" not in text
        assert "torch.load" not in text
    from probekit.models.sources import weights

    assert inspect.getsource(weights).count("use_safetensors=True") == 1


@every_family
def test_a_family_must_be_understood_or_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from probekit.models.architecture import stacks
    from probekit.models.architecture.families import ORDINARY

    loaded = load(locate(tiny_model(name)), device="cpu")
    if name in ("albert", "deberta-v2"):
        with pytest.raises(UsageError, match="not understood"):
            stacks.find_stacks(loaded.model, loaded.config, ORDINARY)
    else:
        stacks.find_stacks(loaded.model, loaded.config, ORDINARY)
    wrong = stacks.Blocks(first=loaded.model.get_input_embeddings(), outputs=(loaded.model,) * loaded.n_layers)
    odd = stacks.Family(model_types=(), blocks=lambda stack, config: wrong)
    with pytest.raises(UsageError, match="not understood"):
        stacks.find_stacks(loaded.model, loaded.config, odd)
