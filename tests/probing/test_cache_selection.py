"""Which cache a word means: what fits beside the first one named, else the newest, and then the difference is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model

from probekit import ActivationCache, extract
from probekit.errors import CacheError, UsageError
from probekit.probing.cache_selection import find_cache, find_caches

ONE, OTHER = [["the", "doctor"], ["rivers"]], [["a", "bright", "window"]]

Make = Callable[..., Path]


@pytest.fixture
def make() -> Make:
    """Extracts, each cache newer than the one before."""
    made: list[Path] = []

    def extracted(model: str, corpus: Any = ONE, **options: Any) -> Path:
        path = extract(model, corpus, **options).cache
        made.append(path)
        os.utime(path / "manifest.json", (1e9 + len(made), 1e9 + len(made)))
        return path

    return extracted


def found(*on: str | Path, model: str | None = None) -> list[Path]:
    return [item.cache.path for item in find_caches(on, model, None, None)]


def test_random_is_of_the_model_and_corpus_of_the_first_named_although_others_are_newer(make: Make) -> None:
    bert, gpt = str(tiny_model("bert")), str(tiny_model("gpt2"))
    trained = make(bert)
    fitting = make(bert, random_weights=0)
    newer = make(bert, random_weights=1)
    make(bert, OTHER, random_weights=0)
    newest = make(gpt, random_weights=0)
    assert found(trained, "random") == [trained, newer]
    assert found("random", trained) == [newer, trained]
    assert found("random") == [newest]
    assert found("random", model=bert) != [newest]
    os.utime(fitting / "manifest.json", (2e9, 2e9))
    assert found(trained, "random") == [trained, fitting]
    said = [item.said for item in find_caches([trained, "random"], None, None, None)]
    assert said[0] == ""
    assert said[1] == f"random     {fitting}"


def test_where_none_fits_the_newest_is_taken_and_the_difference_said(make: Make) -> None:
    bert, gpt = str(tiny_model("bert")), str(tiny_model("gpt2"))
    trained = make(bert)
    make(gpt, OTHER, random_weights=0)
    of_the_model = make(bert, OTHER, random_weights=0)
    (_, taken) = find_caches([trained, "random"], None, None, None)
    assert taken.cache.path == of_the_model
    assert taken.said.startswith("No cache with random weights has the model and the corpus of the first cache named.")
    assert f"{of_the_model}, which has another corpus (bert on " in taken.said
    of_the_text = make(gpt, ONE, random_weights=0)
    (_, taken) = find_caches([trained, "random"], None, None, None)
    assert taken.cache.path == of_the_text
    assert "which has another model (gpt2 on " in taken.said


def test_static_is_of_the_corpus_of_the_first_named_and_never_random(make: Make) -> None:
    bert, gpt = str(tiny_model("bert")), str(tiny_model("gpt2"))
    trained = make(bert)
    fitting = make(f"static:{gpt}")
    elsewhere = make(f"static:{bert}", OTHER)
    drawn = make(bert, random_weights=0)
    make(f"static:{bert}", random_weights=0)
    assert found(trained, "static") == [trained, fitting]
    assert found(trained, "random", "static") == [trained, drawn, fitting]
    assert found("static") == [elsewhere]
    assert found("random") == [drawn]
    assert find_cache("static", None, None, None) == elsewhere


def test_what_is_not_there_is_said_with_what_makes_it(make: Make) -> None:
    trained = make(str(tiny_model("bert")))
    with pytest.raises(UsageError, match=r"no complete cache with random weights .*--random-weights 0"):
        found(trained, "random")
    with pytest.raises(UsageError, match=r"no complete cache with static embeddings .*probekit extract static:MODEL"):
        found(trained, "static")
    with pytest.raises(UsageError, match=r"no cache .nowhere., here or in"):
        found("nowhere", "static")


def test_without_a_name_the_newest_is_probed_and_said(make: Make) -> None:
    make(str(tiny_model("bert")))
    newest = make(str(tiny_model("bert")), OTHER)
    (item,) = find_caches((), None, None, None)
    assert (item.cache.path, item.said) == (newest, f"probing    {newest}")


def test_a_file_of_vectors_that_changed_is_refused_by_name(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("the 1 2\n")
    made = make(f"static:{path}")
    assert found(model=f"static:{path}") == [made]
    path.write_text("the 1 3\n")
    with pytest.raises(CacheError, match=r"changed after .*weights differs"):
        found(model=f"static:{path}")
    path.unlink()
    assert found(model="static:vectors.txt") == [made]
    with pytest.raises(UsageError, match=r"Nor is there such a folder or file here; .*--model static:vectors\.txt\."):
        found(model=f"static:{path}")


def test_a_cache_that_others_stand_beside_is_opened_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, _ = make(str(tiny_model("bert"))), make(str(tiny_model("bert")), random_weights=0)
    opened: list[Path] = []
    plain = ActivationCache.open
    monkeypatch.setattr(ActivationCache, "open", lambda path: opened.append(Path(path)) or plain(path))
    assert len(find_caches([trained, "random"], None, None, None)) == 2
    assert opened.count(trained) == 1
