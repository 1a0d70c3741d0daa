"""The tuned lens: the identity to begin with, never worse on dev, bound to its model when it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_models import tiny_headed

from probekit import ActivationCache, extract
from probekit.cli.app import run
from probekit.errors import CacheError, InputError, UsageError
from probekit.models.runtime.ending import Ending
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import load_with_head
from probekit.viewing import LensReport, LensSettings, view_lens
from probekit.viewing.lenses import LENSES, Materials, Translator, tuned
from probekit.viewing.predictions.changes import translated
from probekit.viewing.predictions.metrics import AGREEMENT, CROSS_ENTROPY, DIVERGENCE
from probekit.viewing.predictions.scoring import Reading, score
from probekit.viewing.predictions.tokens import Part, Sentences, next_tokens

BOTH = LensSettings(lenses=("logit", "tuned"), limit=4, steps=8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tuned")


@pytest.fixture(scope="module")
def cache(root: Path) -> ActivationCache:
    folder = tiny_headed("gpt2", "AutoModelForCausalLM")
    return ActivationCache.open(extract(str(folder), "grammar:n=60", overflow="truncate", cache=root))


@pytest.fixture(scope="module")
def ending() -> Ending:
    folder = tiny_headed("gpt2", "AutoModelForCausalLM")
    return Ending(load_with_head(find_model(str(folder)), "causal", device="cpu", stacks=True))


@pytest.fixture(scope="module")
def report(cache: ActivationCache, root: Path) -> LensReport:
    return view_lens(cache, settings=BOTH, save=root / "tuned.safetensors")


def materials_of(cache: ActivationCache, ending: Ending, layers: tuple[int, ...], steps: int = 20) -> Materials:
    sentences = Sentences.of(cache)
    parts = [next_tokens(sentences, sentences.of_split(split)[:6], cache) for split in ("train", "dev")]
    return Materials(ending, layers, parts[0], parts[1], steps, 0, 64, lambda done, note: None)


def test_before_a_step_it_is_the_logit_lens(cache: ActivationCache, ending: Ending) -> None:
    materials = materials_of(cache, ending, (0, 1))
    fit = tuned._Fit(materials, 0.01)
    states = torch.from_numpy(materials.dev.states(1, np.arange(9)))
    with torch.no_grad():
        assert torch.equal(fit.read(1, states), ending.logits(states).log_softmax(-1))
    begun = fit.translator(1, {})
    found = score(
        ending, materials.dev, [Reading("logit", 1), Reading("tuned", 1, translated(begun, torch.device("cpu")))]
    )
    for metric in (CROSS_ENTROPY, DIVERGENCE, AGREEMENT):
        assert np.array_equal(found["logit", 1].own[metric], found["tuned", 1].own[metric])


def test_on_dev_no_layer_is_read_worse_than_before(report: LensReport) -> None:
    logit, lens = (report.curve(name, DIVERGENCE, split="dev") for name in ("logit", "tuned"))
    assert set(lens) == {0, 1, 2, 3}
    assert all((lens[layer].value or 0) < (logit[layer].value or 0) for layer in (0, 1, 2))
    assert lens[3].value == 0  # the last layer has no map
    fitted = report.provenance["lenses"]["tuned"]["fitted"]
    assert set(fitted) == {"0", "1", "2"}
    for layer in (0, 1, 2):
        assert lens[layer].value == pytest.approx(fitted[str(layer)]["dev_kl"], abs=1e-5)
        assert logit[layer].value == pytest.approx(fitted[str(layer)]["dev_kl_before"], abs=1e-5)
        assert lens[layer].strength == fitted[str(layer)]["rate"]
        gain = report.curve("tuned - logit", DIVERGENCE)[layer]
        assert gain.role == "difference"
        own = (report.curve(name, DIVERGENCE)[layer].value or 0 for name in ("tuned", "logit"))
        assert gain.value == pytest.approx(next(own) - next(own), abs=1e-9)


def test_a_layer_that_is_an_affine_map_away_from_the_last_is_read_as_the_last(ending: Ending) -> None:
    """Layer 0 is planted as the last one behind an invertible map: the lens takes it back."""
    rng = np.random.default_rng(0)
    width = ending.width
    last = rng.normal(size=(600, width)).astype(np.float32)
    planted = (last @ (np.eye(width) + 0.3 * rng.normal(size=(width, width)) / width**0.5) + 0.5).astype(np.float32)
    layers = {0: planted, 3: last}
    zeros = np.zeros(300, np.int64)
    train, dev = (
        Part(zeros, zeros, zeros, zeros, lambda layer, which, at=at: layers[layer][at:][which])  # type: ignore[misc]
        for at in (0, 300)
    )
    found = tuned.fit(Materials(ending, (0,), train, dev, 40, 0, 256, lambda done, note: None))[0]
    assert found.fitted["dev_kl"] < 0.1 * found.fitted["dev_kl_before"]


def test_what_no_step_improves_stays_the_identity(cache: ActivationCache, ending: Ending) -> None:
    """The last layer itself is its own best reading: every step leads away from it."""
    (found,) = tuned.fit(materials_of(cache, ending, (3,), steps=3)).values()
    assert found.fitted["step"] == 0
    assert not found.weight.any()
    assert not found.bias.any()


def test_seeds_decide_and_the_same_one_fits_the_same(cache: ActivationCache, ending: Ending) -> None:
    materials = replace(materials_of(cache, ending, (1,), steps=3), train=materials_of(cache, ending, (1,)).train)
    first, again = (tuned.fit(materials)[1] for _ in range(2))
    assert np.array_equal(first.weight, again.weight)
    assert first.fitted == again.fitted


def test_a_kept_lens_reads_the_same_and_only_its_own_model(
    report: LensReport, cache: ActivationCache, root: Path, tmp_path: Path
) -> None:
    file = root / "tuned.safetensors"
    again = view_lens(cache, settings=replace(BOTH, lenses=("logit",)), lens=file)
    for metric in (CROSS_ENTROPY, DIVERGENCE):
        for layer in (0, 1, 2, 3):
            own, kept = (one.curve("tuned", metric)[layer].value for one in (report, again))
            assert kept == pytest.approx(own, abs=1e-7)
    assert any("on the training part of this corpus" in note for note in again.notes)
    assert set(load_file(file)) == {f"layer.0{layer}.{kind}" for layer in (0, 1, 2) for kind in ("weight", "bias")}
    other = extract(str(tiny_headed("opt", "AutoModelForCausalLM")), "grammar:n=60", overflow="truncate", cache=root)
    with pytest.raises(UsageError, match="which is another model"):
        view_lens(other, settings=BOTH, lens=file)
    with pytest.raises(InputError, match="There is no file"):
        view_lens(cache, settings=BOTH, lens=tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:900])
    with pytest.raises(CacheError, match="is damaged"):
        view_lens(cache, settings=BOTH, lens=tmp_path / "cut.safetensors")
    few = view_lens(cache, settings=replace(BOTH, layers="1,3", steps=2), save=tmp_path / "one.safetensors")
    assert set(few.provenance["lenses"]["tuned"]["fitted"]) == {"1"}
    with pytest.raises(UsageError, match="has no map of layer 0"):
        view_lens(cache, settings=BOTH, lens=tmp_path / "one.safetensors")
    with pytest.raises(UsageError, match="no fitted lens to save"):
        view_lens(cache, settings=LensSettings(limit=2), save=tmp_path / "nothing")


def test_the_command_shows_both(
    cache: ActivationCache, root: Path, report: LensReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "view",
        "lens",
        str(cache.path),
        "--limit",
        "3",
        "--lens",
        str(root / "tuned.safetensors"),
        "--layers",
        "1",
    ]
    assert run([*command, "--tokens", str(tmp_path / "t.png"), "--plot", str(tmp_path / "p.png")]) == 0
    said = capsys.readouterr()
    assert "lens: tuned" in said.out
    assert "cross-entropy, tuned - logit, by layer: 1:" in said.out
    assert "(lens tuned)" in said.err


def test_every_lens_of_the_catalogue_gives_maps_of_the_layers_or_none(cache: ActivationCache, ending: Ending) -> None:
    for name, lens in LENSES.members().items():
        assert (lens.name, bool(lens.said), bool(lens.reference)) == (name, True, True)
        if lens.fit is not None:
            found = lens.fit(materials_of(cache, ending, (1,), steps=1))
            assert all(isinstance(one, Translator) and one.weight.shape == (32, 32) for one in found.values())
            assert set(found) == {1}
