"""Small configs of any model type: from the fields of its default that speak of sizes, until one runs.

Enters: a model type. Leaves: a config whose own model reads five tokens, and two padded rows if any such config does;
or NotBuilt with the first reason. Surprise: the trial is the model's own forward, so a config that does not fit its
type is never taken for a refusal.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch

SIZES = {
    32: "hidden_size d_model n_embd dim emb_dim embed_dim embedding_size word_embed_proj_dim n_embed",
    3: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_decoder_layers "
    "num_encoder_layers",
    4: "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads num_experts "
    "num_local_experts n_routed_experts moe_num_experts rotary_dim",
    2: "num_key_value_heads num_experts_per_tok moe_topk moe_top_k num_key_value_groups n_group topk_group",
    8: "head_dim d_kv qk_nope_head_dim qk_rope_head_dim v_head_dim",
    16: "q_lora_rank kv_lora_rank",
    64: "intermediate_size ffn_dim d_ff hidden_dim encoder_ffn_dim decoder_ffn_dim moe_intermediate_size n_inner "
    "shared_expert_intermediate_size",
    1024: "max_position_embeddings n_positions max_seq_len n_ctx max_sequence_length",
    0: "pad_token_id",
    1: "n_shared_experts first_k_dense_replace bos_token_id decoder_start_token_id",
}
WIDTHS = SIZES[32].split()
HEAD_SIZES = (*SIZES[8].split(), *SIZES[16].split(), "rotary_dim")
DERIVED = ("coordinate_size", "shape_size")
GROUPS = ("num_key_value_heads", "num_key_value_groups")
THREE = ["sliding_attention", "full_attention", "full_attention"]
OWN: dict[str, dict[str, Any]] = {
    "cohere_compass_text": {"layer_types": THREE},
    "chameleon": {"vocabulary_map": {"<image>": 4}},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0}},
    "funnel": {"block_sizes": [1, 1, 1], "num_hidden_layers": None, "num_decoder_layers": 1, "d_head": 8},
    "gemma3n_text": {"layer_types": THREE, "num_kv_shared_layers": 0, "activation_sparsity_pattern": [0.0] * 3},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "num_layers": 4},
    "lfm2": {"layer_types": ["conv", "full_attention", "conv"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv"]},
    "longformer": {"attention_window": 16},
    "led": {"attention_window": 16, "max_encoder_position_embeddings": 1024, "max_decoder_position_embeddings": 1024},
    # Their tokenizers are read as others than the one that is written, of a token a letter.
    "qwen2": {"max_position_embeddings": 8192},
    "qwen3_5_moe_text": {"max_position_embeddings": 8192},
    "reformer": {
        "attn_layers": ["local", "lsh", "local"], "axial_pos_shape": [32, 32], "axial_pos_embds_dim": [16, 16],
        "attention_head_size": 8, "feed_forward_size": 64, "local_attn_chunk_length": 16, "lsh_attn_chunk_length": 16,
        "num_hidden_layers": None, "is_decoder": False,
    },
    "xmod": {"default_language": "en_XX"},
    "zaya": {"num_experts_per_tok": 1},
}  # fmt: skip
MOST_PARAMETERS = 50_000_000


class NotBuilt(Exception):
    """No small config of a type runs."""


def tiny_config(kind: str, vocabulary: int) -> Any:
    """Return a small config whose model reads five tokens; raise NotBuilt with the reason of the first that did not.

    The first one that reads padded rows too is preferred: a type may want as many heads of keys as of queries, and
    only a mask shows it.
    """
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    reasons, unpadded = [], None
    for settings in candidates(kind, vocabulary):
        try:
            config = CONFIG_MAPPING[kind](**{**settings, "vocab_size": vocabulary})
            with torch.device("meta"):
                size = sum(part.numel() for part in AutoModel.from_config(config).parameters())
            if size > MOST_PARAMETERS:
                raise NotBuilt(f"{size:,} parameters are left in parts that no field of sizes reaches")
            model = AutoModel.from_config(config).eval()
            read(model, [5, 6, 7, 8, 9])
            unpadded = unpadded or config
            if "attention_mask" in inspect.signature(model.forward).parameters:
                read(model, [5, 6, 7, 8, 9], attention_mask=torch.tensor([[1, 1, 1, 0, 0]]))
        except Exception as error:  # whatever the code of some 250 types raises for sizes that do not fit it
            reasons.append(error)
            continue
        return config
    if unpadded is not None:
        return unpadded
    raise NotBuilt(f"{type(reasons[0]).__name__}: {reasons[0]}")


def candidates(kind: str, vocabulary: int) -> Iterator[dict[str, Any]]:
    """Yield settings: small ones, those that are unset by default too, default sizes of heads, ungrouped heads.

    At last such in which what follows from other sizes is set too, parts of other modalities included.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    default = CONFIG_MAPPING[kind]()
    every = _sizes(default)
    set_ones = {name: size for name, size in every.items() if _is_set(default, name)}
    own = OWN.get(kind, {})
    for settings in (set_ones, every):
        for dropped in ((), ("head_dim",), GROUPS, HEAD_SIZES, (*HEAD_SIZES, *GROUPS)):
            for width in (32, 256, 512):
                chosen = {name: size for name, size in settings.items() if name not in dropped}
                chosen |= {name: width for name in WIDTHS if name in chosen}
                yield {name: value for name, value in {**chosen, **own}.items() if value is not None}
    for settings in (set_ones, every):
        for groups in (2, 4):
            for width in (32, 96, 256):  # 96: places on a page take a sixth of the width each
                chosen = {**settings, **_fitted(default, width, groups, vocabulary)}
                yield {name: value for name, value in {**chosen, **own}.items() if value is not None}


def _sizes(config: Any) -> dict[str, int]:
    """Return the fields that speak of sizes, each under one name, with small values."""
    aliases = getattr(type(config), "attribute_map", {})
    sized = {name: size for size, names in SIZES.items() for name in names.split()}
    known = (set(vars(config)) | set(aliases)) & set(sized)
    return {name: sized[name] for name in sized if name in known and aliases.get(name) not in known}


def _fitted(config: Any, width: int, groups: int, vocabulary: int) -> dict[str, Any]:
    """Return what follows from the width, from the number of layers or from the vocabulary, nested configs included."""
    fields = vars(config)
    found: dict[str, Any] = {name: width for name in (*WIDTHS, "condition_dim") if _is_set(config, name)}
    found |= {name: groups for name in GROUPS if _is_set(config, name)}
    found |= {name: width // 6 for name in DERIVED if name in fields}
    if {"expand", "num_heads", "head_dim", "n_groups"} <= set(fields):
        found |= {"head_dim": width * config.expand // 4, "n_groups": 2}
    depth = getattr(config, "num_hidden_layers", None)
    for name, value in fields.items():
        if isinstance(value, list | tuple) and depth and len(value) == depth:
            # Each kind of layer once, the last of all at the end, where a type may want it.
            found[name] = [*dict.fromkeys([*value[:-1], value[-1]]), *[value[-1]] * 3][:3]
        elif isinstance(value, int) and "vocab_size" in name:
            found[name] = vocabulary
    for name in getattr(type(config), "sub_configs", {}):
        part = fields.get(name)
        if part is not None and not isinstance(part, dict):
            sizes = {key: size for key, size in _sizes(part).items() if _is_set(part, key)}
            kind = {"model_type": part.model_type} if part.model_type else {}
            found[name] = {**kind, **sizes, **_fitted(part, width, groups, vocabulary)}
    return found


def read(model: Any, ids: list[int], decoder_ids: list[int] | None = None, **more: Any) -> Any:
    """Return what a model's own forward gives for one sentence, without a cache of keys and values."""
    accepted = inspect.signature(model.forward).parameters
    inputs: dict[str, Any] = {"input_ids": torch.tensor([ids])}
    if decoder_ids is not None or "decoder_input_ids" in accepted:
        inputs["decoder_input_ids"] = torch.tensor([ids if decoder_ids is None else decoder_ids])
    if "use_cache" in accepted:
        inputs["use_cache"] = False
    with torch.inference_mode():
        return model(**inputs, **more)


def _is_set(config: Any, name: str) -> bool:
    try:
        return getattr(config, name, None) is not None
    except Exception:  # an attribute that differs by layer has no value of its own
        return False
