"""One model and one corpus have one name, whatever path leads to them; another name is never taken in silence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tiny_models import tiny_model

from probekit import ActivationCache, extract
from probekit.corpus import open_corpus
from probekit.errors import CacheError, UsageError
from probekit.extraction.result import Extraction
from probekit.models.sources.find import find_model, shadowing_note, source_name
from probekit.probing.cache_selection import find_cache

WORDS = [["the", "doctor"], ["rivers"]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that has the models ``mm`` and, with other weights, ``other/mm``."""
    shutil.copytree(tiny_model("bert"), tmp_path / "mm")
    shutil.copytree(tiny_model("gpt2"), tmp_path / "other/mm")
    (tmp_path / "link").symlink_to("mm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def spellings(folder: str) -> list[str | Path]:
    whole = Path(folder).absolute()
    return [
        folder,
        f"{folder}/",
        f"./{folder}",
        f"{folder}/.",
        f"{folder}/../{folder}",
        str(whole),
        whole,
        f"~/{folder}",
    ]


def extracted(model: str | Path = "mm") -> Extraction:
    return extract(model, WORDS, layers=[0])


def test_every_path_to_a_model_is_one_cache_and_chooses_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = extracted()
    assert made.cache.name.startswith("mm--words--")
    assert ActivationCache.open(made.cache).model["name"] == "mm"
    for model in [*spellings("mm"), "link", "./link/"]:
        again = extracted(model)
        assert (again.cache, again.reused) == (made.cache, True), model
        assert find_cache(None, str(model), None, None) == made.cache, model
    monkeypatch.chdir(here / "other")
    assert extracted("../mm").cache == find_cache(None, "../link", None, None) == made.cache
    assert find_cache(None, str(here / "mm"), None, None) == made.cache


def test_the_static_model_of_a_folder_or_a_file_has_one_name(here: Path) -> None:
    Path("vectors.txt").write_text("the 1 2\nrivers 3 4\n")
    Path("vectors.link").symlink_to("vectors.txt")
    names = {source_name(f"static:{path}") for path in [*spellings("mm"), "link"]}
    files = {
        find_model(f"static:{path}").name for path in ["vectors.txt", "./vectors.txt", "vectors.link", "~/vectors.txt"]
    }
    assert (names, files) == ({"static:mm"}, {"static:vectors.txt"})


@pytest.mark.parametrize("name", ["my model", "модель", "mm.v2", "MM"])
def test_the_name_is_that_of_the_folder(here: Path, name: str) -> None:
    Path("mm").rename(name)
    assert {find_model(path).name for path in spellings(name)} == {name}


def test_what_is_no_folder_keeps_its_name(here: Path) -> None:
    Path("round").symlink_to("round")
    assert source_name("owner/name") == "owner/name"
    assert source_name("minilm") == find_model("minilm").name == "minilm"
    assert source_name("round") == "round"
    for model in ("./round", "~nobody-of-this-name/mm", "static:~nobody-of-this-name/v.txt"):
        with pytest.raises(UsageError, match=r"no model folder|home folder"):
            find_model(model)


def test_a_snapshot_in_the_cache_of_the_hub_is_the_model_of_the_hub(here: Path) -> None:
    snapshot = here / "hub/models--owner--name/snapshots" / ("a1" * 20)
    shutil.copytree("mm", snapshot)
    for before in ("", "static:"):
        source = find_model(f"{before}{snapshot}")
        assert (source.name, source.revision) == (f"{before}owner/name", "a1" * 20)


def test_the_whole_folder_of_a_model_in_the_cache_of_the_hub_bears_the_name_of_its_snapshot(here: Path) -> None:
    commit = "a1" * 20
    whole = here / "hub/models--owner--name"
    shutil.copytree("mm", whole / "snapshots" / commit)
    (here / "models--like--that").symlink_to(whole)
    caches = set()
    for path in (whole, f"{whole}/", whole / "snapshots" / commit, "models--like--that"):
        source = find_model(path)
        assert (source.name, source.revision) == ("owner/name", commit)
        caches.add(extracted(path).cache)
    assert len(caches) == 1
    shutil.copytree("mm", "models--plain")
    assert find_model("models--plain").name == "models--plain"


def test_a_folder_that_the_hub_could_have_too_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(here / "hub"))
    assert shadowing_note("mm") == shadowing_note("hub") == []
    (here / "hub/models--mm").mkdir(parents=True)
    assert "not a model of that name on the hub" in shadowing_note("mm")[0]
    assert (
        shadowing_note("./mm")
        == shadowing_note(Path("other/mm"))
        == shadowing_note("owner/name")
        == shadowing_note("minilm")
        == []
    )
    said = f"The model 'other/mm' is the folder {here}/other/mm, not a model of that name on the hub"
    assert any(note.startswith(said) for note in extracted("other/mm").notes)
    assert extracted("./other/mm").notes == []
    Path("mm").rename("minilm")
    assert "not the bundled model" in extracted("minilm").notes[0]


def test_two_folders_of_one_name_are_told_apart_by_their_weights(here: Path) -> None:
    one, two = extracted("./mm"), extracted("./other/mm")
    assert one.cache != two.cache
    assert any("model.weights differs" in note for note in two.notes)
    assert find_cache(None, "./mm", None, None) == one.cache
    assert find_cache(None, "./other/mm", None, None) == two.cache
    shutil.rmtree(two.cache)
    with pytest.raises(CacheError, match=r"'\./other/mm' changed after mm--words.* or is another of that name: config"):
        find_cache(None, "./other/mm", None, None)
    random = extract("./mm", WORDS, random_weights=0).cache
    assert find_cache("random", "mm", None, None) == random
    with pytest.raises(CacheError, match=r"or is another of that name"):
        find_cache("random", "./other/mm", None, None)


def test_the_same_weights_under_another_name_are_extracted_again_and_that_is_said(here: Path) -> None:
    made = extracted()
    Path("mm").rename("renamed")
    with pytest.raises(UsageError, match=rf"under the name 'mm': probe with --on {made.cache}\."):
        find_cache(None, "renamed", None, None)
    notes = extracted("./renamed").notes
    assert notes == [f"Another cache exists: {made.cache.name}: model.name differs: old 'mm', new 'renamed'."]
    with pytest.raises(UsageError, match=r"of a model 'mm' there are some: --model mm\."):
        find_cache(None, "./gone/mm", None, None)
    assert extracted("static:./renamed").notes == []


@pytest.mark.parametrize("complete", [True, False])
def test_a_cache_whose_model_was_kept_as_it_was_typed_is_found_or_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, complete: bool
) -> None:
    with monkeypatch.context() as before:
        before.setattr("probekit.models.sources.find._name_and_commit", lambda model: (model, None))
        old = extract("./mm", WORDS, layers=[0], random_weights=None if complete else 0).cache
        assert ActivationCache.open(old).model["name"] == "./mm"
    if complete:
        again = extracted("mm/")
        assert (again.cache, again.reused) == (old, True)
        assert again.notes == [f"The model 'mm' was extracted before as './mm': {old} is taken."]
        assert find_cache(None, "mm", None, None) == find_cache(None, "./link", None, None) == old
        return
    (old / "manifest.json").unlink()
    notes = extract("mm/", WORDS, layers=[0], random_weights=0).notes
    assert notes == [f"Another cache exists: {old.name}: model.name differs: old './mm', new 'mm'."]


def test_a_folder_of_a_corpus_has_one_name(here: Path) -> None:
    Path("ewt").mkdir()
    for split in ("train", "test"):
        Path(f"ewt/x-{split}.txt").write_text("the doctor\nrivers\n")
    Path("corpus").symlink_to("ewt")
    paths = [*spellings("ewt"), "corpus", "./corpus/"]
    assert {open_corpus(path).name for path in paths} == {"ewt"}
    assert {extract("mm", path, layers=[0]).cache.name for path in ("ewt/", "./corpus", os.path.abspath("corpus"))} == {
        find_cache(None, "mm", "corpus", None).name
    }
