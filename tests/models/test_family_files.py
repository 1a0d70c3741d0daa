"""Types whose blocks a file of their own finds, read beside their own hidden states; and what cannot run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from self_check import self_check
from tiny_models import FAMILIES, write_model

from probekit.errors import UsageError
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.models.tokens.align import Encoded

SIZES: dict[str, Any] = {"vocab_size": 400, "attention_window": 8, "pad_token_id": 0}
MLM: dict[str, Any] = {"vocab_size": 400, "emb_dim": 32, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64}
CONFIGS = {
    "longformer": lambda: transformers.LongformerConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, max_position_embeddings=64,
        **SIZES,
    ),
    "led": lambda: transformers.LEDConfig(
        d_model=32, encoder_layers=3, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=64, decoder_ffn_dim=64, max_encoder_position_embeddings=64, max_decoder_position_embeddings=64,
        decoder_start_token_id=2, **SIZES,
    ),
    "xlm": lambda: transformers.XLMConfig(**MLM),
    "flaubert": lambda: transformers.FlaubertConfig(**MLM),
}  # fmt: skip


@cache
def tokenizer() -> Any:
    return FAMILIES["bert"].tokenizer()


def loaded(folder: Path, config: Any) -> LoadedModel:
    return load(locate(write_model(folder, config, tokenizer())), device="cpu")


def row(size: int) -> Encoded:
    return Encoded(np.arange(size, dtype=np.int32) * 7 % 390 + 5, np.arange(size, dtype=np.int32), 0, 1)


@pytest.mark.parametrize("kind", CONFIGS)
def test_rows_of_a_batch_are_the_own_hidden_states_of_single_sentences(kind: str, tmp_path: Path) -> None:
    """Lengths below, at and beyond an attention window of 8."""
    model = loaded(tmp_path / kind, CONFIGS[kind]())
    rows = [row(size) for size in (37, 3, 8, 16, 21)]
    assert max(self_check(model, rows, model.layer_names).values()) <= 1e-5
    with Capture(model, model.layer_names) as capture:
        forward(model, pad(rows, model.pad_id))
        states = {name: state.clone() for name, state in capture.states.items()}
    decoder = "decoder_input_ids" if model.decoder_start_id is not None else ""
    for place, item in enumerate(rows):
        ids = torch.from_numpy(item.ids.astype(np.int64))[None]
        more = {decoder: torch.cat([torch.tensor([[model.decoder_start_id or 0]]), ids[:, :-1]], 1)} if decoder else {}
        with torch.inference_mode():
            own = model.model(input_ids=ids, **more, output_hidden_states=True)
        for stack in model.stacks:
            expected = own[f"{stack.name}_hidden_states" if stack.name else "hidden_states"]
            assert len(expected) == len(stack.layer_names) == stack.n_layers + 1
            for layer, state in zip(stack.layer_names, expected, strict=True):
                assert float(state.abs().max()) > 0.1
                found = states[stack.full_name(layer)][place, : len(item.ids)]
                torch.testing.assert_close(found, state[0], rtol=0, atol=1e-5 * float(state.abs().max()))


def test_the_pads_of_a_window_have_positions_too(tmp_path: Path) -> None:
    config = CONFIGS["led"]()
    config.max_encoder_position_embeddings = 60  # seven windows of 8
    model = loaded(tmp_path / "led", config)
    assert model.max_length == 56
    forward(model, pad([row(56)], model.pad_id))
    assert loaded(tmp_path / "longformer", CONFIGS["longformer"]()).max_length == 63


def test_norms_that_stand_first_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pre_norm"):
        loaded(tmp_path / "model", transformers.FlaubertConfig(**MLM, pre_norm=True))


def test_a_model_whose_own_code_fails_on_padded_rows_is_named(tmp_path: Path) -> None:
    """Heads that its config counts twice show under a mask alone, not in the first pass without one."""
    model = loaded(tmp_path / "model", CONFIGS["xlm"]())
    model.model.attentions[1].register_forward_pre_hook(_fails_on_pads)
    forward(model, pad([row(5)], model.pad_id))
    with pytest.raises(
        UsageError, match=r"model' \(type 'xlm'\) cannot read 2 padded row\(s\) of up to 5 tokens: .*no 8"
    ):
        forward(model, pad([row(5), row(3)], model.pad_id))


def _fails_on_pads(module: Any, args: Any) -> None:
    if not bool(args[1].all()):
        raise RuntimeError("4 is\nno 8")


def test_a_model_that_names_no_table_of_embeddings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(transformers.XLMModel, "get_input_embeddings", missing)
    with pytest.raises(UsageError, match="'xlm' do not say which of their tables"):
        loaded(tmp_path / "model", CONFIGS["xlm"]())
