"""An edited model has a cache of its own: what stands there is what the model holds under the edits, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_models import HEADS, WIDTH, tiny_model
from typer.testing import CliRunner

from probekit import ActivationCache, extract
from probekit.ablation import Edits
from probekit.cli.app import app
from probekit.errors import UsageError
from probekit.extraction.cost import estimate
from probekit.extraction.request import Request
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.models.tokens.align import Aligner

SENTENCES = [["the", "doctor", "walked", "to", "the", "house"], ["music"], ["rivers", "carry", "paper"]] * 2
SIZE = WIDTH // HEADS
HEAD = {"site": "2.heads", "heads": [1]}


def at(made: Any, place: Any) -> np.ndarray[Any, Any]:
    """Return all rows at a layer or a place."""
    cache = ActivationCache.open(made.cache)
    return np.asarray(cache.layer(place), np.float32)


def test_the_cache_holds_what_the_model_has_without_the_columns_of_a_head(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"layers": [1, 2], "sites": "heads", "cache": tmp_path}
    whole = extract(tiny_model("bert"), SENTENCES, **wanted)
    made = extract(tiny_model("bert"), SENTENCES, edits=Edits.read(HEAD), **wanted)
    assert not made.reused
    assert made.cache != whole.cache
    heads, kept = at(made, "2.heads"), at(whole, "2.heads")
    gone = slice(SIZE, 2 * SIZE)
    assert not heads[:, gone].any()
    assert kept[:, gone].any()
    np.testing.assert_allclose(np.delete(heads, np.r_[gone], 1), np.delete(kept, np.r_[gone], 1), atol=1e-6)
    np.testing.assert_array_equal(at(made, 1), at(whole, 1))

    # The independent way: the same model with those columns of its output projection at zero, one sentence a run.
    loaded = load(locate(tiny_model("bert")), device="cpu")
    with torch.no_grad():
        loaded.model.get_parameter("encoder.layer.1.attention.output.dense.weight")[:, gone] = 0
        aligner = Aligner(loaded.tokenizer, vocabulary=loaded.vocabulary)
        ids = [torch.tensor(text.ids)[None] for text in aligner.encode_words(SENTENCES)]
        rows = [loaded.model(text, output_hidden_states=True).hidden_states[2][0] for text in ids]
    expected, found = torch.cat(rows).numpy(), at(made, 2)
    # Rows of a cache stand in an order of its own: each is one of those by hand, and none of the whole model.
    far = np.abs(found[:, None] - expected[None]).max(-1)
    assert far.min(1).max() < 1e-5
    assert np.abs(found - at(whole, 2)).max() > 1e-3


def test_identity_is_of_the_edits_and_the_bytes_of_their_files(tmp_path: Path) -> None:
    def made(edits: Any) -> Any:
        return extract(tiny_model("bert"), SENTENCES, layers=[2], edits=edits and Edits.read(edits), cache=tmp_path)

    whole = made(None)
    file = tmp_path / "d.safetensors"
    save_file({"directions": torch.ones(1, WIDTH)}, file)
    add = {"site": "1", "what": "add", "subspace": str(file)}
    first = made([add])
    assert made(json.dumps([add])).reused
    save_file({"directions": 2 * torch.ones(1, WIDTH)}, file)
    folders = {whole.cache, first.cache, made([add]).cache, made([add | {"strength": 0.5}]).cache}
    assert len(folders) == 4
    assert ActivationCache.open(whole.cache).identity["edits"] == []
    assert made(None).reused


def test_what_is_no_edit_of_this_model_leaves_no_folder(tmp_path: Path) -> None:
    for edits, says in (({"site": "9"}, "no place '9'"), ({"site": "2.heads", "heads": [99]}, "heads are 0 to")):
        with pytest.raises(UsageError, match=says):
            extract(tiny_model("bert"), SENTENCES, layers=[2], edits=Edits.read(edits), cache=tmp_path)
    assert not list(tmp_path.glob("*/plan.json"))
    with pytest.raises(UsageError, match="at least one edit"):
        Edits.read([])
    with pytest.raises(UsageError, match="`edits` option must be"):
        Request.build(tiny_model("bert"), SENTENCES, edits="{}")  # type: ignore[arg-type]
    assert estimate(Request.build(tiny_model("bert"), SENTENCES, edits=Edits.read(HEAD), cache=tmp_path)).rows


def test_the_command_says_the_edits_and_their_cache_is_not_scored_as_if_it_had_none(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(map(" ".join, SENTENCES)), encoding="utf-8")
    (tmp_path / "edits.json").write_text(json.dumps([HEAD]), encoding="utf-8")
    common = [str(tiny_model("bert")), str(corpus), "--edits", str(tmp_path / "edits.json"), "--cache", str(tmp_path)]
    run = CliRunner().invoke(app, ["extract", *common])
    assert run.exit_code == 0, run.output
    assert "edits      2.heads zero (heads 1)" in run.output
    folder = next(tmp_path.glob("*/plan.json")).parent
    shown = CliRunner().invoke(app, ["cache", "info", str(folder)])
    assert "edits      2.heads zero (heads 1)" in shown.output
    refused = CliRunner().invoke(app, ["extract", *common, "--score", "auto"])
    assert isinstance(refused.exception, UsageError)
    assert "no use with --edits" in str(refused.exception)
