"""The parameters of a checkpoint that find no place in the base model: which may be left, and which may not.

Enters: a base model, what transformers says of loading it, the tensors of the files. Leaves: the names that were not
read, grouped; or a refusal. What counts is the place of a name: under a part of the base model (a block, the
embeddings) it would have changed the vectors, outside it is a head. Transformers leaves out of its own account what a
family ignores on purpose, so that the files' names are looked at too. Of a model that is several models (text beside
images or sound) the part whose config is its ``text_config`` is taken, once the whole is loaded: only its class knows
how the names of the checkpoint map to the parts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from probekit.cache.format.certificate import counted
from probekit.errors import UsageError

NotRead = Mapping[str, Mapping[str, int]]

NAMED = 5
CONSTANT = re.compile(r"(^|\.)(position_ids|inv_freq|masked_bias|causal_mask|sin_cached|cos_cached|version)$")
"""What older files keep although it follows from the config: counters, frequencies, masks."""
MASK = re.compile(r"(^|\.)(attn|attention|crossattention)\.bias$")
"""A causal mask [1, 1, T, T] in GPT-2 and its relatives; with fewer dimensions, a bias that was trained."""
HEAD = re.compile(r"(^|\.)(pooler|mtp|seq_relationship|sop_classifier)(\.|$)")
"""Heads that some families keep inside of the base model, or beside that of the tokens; nothing is read behind them."""

KINDS = (
    (
        re.compile(
            r"lora_|(^|[._])(adapters?|ia3|prefix|prefix_encoder|prompt|prompt_encoder|prompt_embeddings)([._]|$)"
        ),
        "These are of an adapter: merge it into its model first (peft: merge_and_unload, then save_pretrained and the "
        "tokenizer beside it), and name that folder.",
    ),
    (
        re.compile(
            r"(absmax|quant_map|nested_quant|quant_state|qweight|qzeros|g_idx|scales?|scale_inv|zero_point|SCB)"
        ),
        "These are of quantised weights that config.json says nothing of: name the model that was quantised.",
    ),
)
OTHERWISE = (
    "Vectors without them would be those of another model. Is config.json that of these weights (number of layers, "
    "architecture)? Fetch both from one place, or choose another model."
)


def unread(model: Any, unexpected: Collection[str], dimensions: Mapping[str, int], folder: Path) -> NotRead:
    """Return what was not read of a checkpoint.

    Parameters
    ----------
    model : PreTrainedModel
        The base model, loaded.
    unexpected : collection of str
        Names that transformers found no place for.
    dimensions : mapping of str to int
        Dimensions of every tensor of the files.
    folder : Path
        For messages.

    Returns
    -------
    mapping
        ``heads`` and ``constants``: a name (``*`` for the number of a block) -> how many.

    Raises
    ------
    UsageError
        Some of them stand inside of the base model, or belong to an adapter.
    """
    inside = sorted(name for name in unexpected if _inside(model, name, dimensions))
    if inside:
        kind = next((advice for pattern, advice in KINDS if any(map(pattern.search, inside))), OTHERWISE)
        raise UsageError(
            f"The checkpoint in {folder} has {counted(len(inside))} that the model of its config.json has no place "
            f"for: {first_names(inside)}. {kind}"
        )
    left = {*unexpected, *_ignored(model, dimensions)}
    constants = {name for name in left if _constant(model, name, dimensions)}
    found = {"heads": left - constants, "constants": constants}
    return {
        kind: dict(sorted(Counter(_group(model, name, constants) for name in names).items()))
        for kind, names in found.items()
    }


def first_names(names: Sequence[str]) -> str:
    """Return the first few names."""
    return ", ".join(names[:NAMED]) + (", .." if len(names) > NAMED else "")


def _inside(model: nn.Module, name: str, dimensions: Mapping[str, int]) -> bool:
    """Whether a name without a place would have changed the vectors of a base model."""
    if KINDS[0][0].search(name):
        return True
    if _constant(model, name, dimensions) or HEAD.search(name):
        return False
    own, prefixed = _stripped(model, name)
    return prefixed or own.partition(".")[0] in dict(model.named_children())


def _constant(model: nn.Module, name: str, dimensions: Mapping[str, int]) -> bool:
    """Whether a name is of a table that the model makes for itself, now or in older versions."""
    if _stripped(model, name)[0] in dict(model.named_buffers()):
        return True
    return CONSTANT.search(name) is not None or (MASK.search(name) is not None and dimensions.get(name, 0) > 2)


def _stripped(model: Any, name: str) -> tuple[str, bool]:
    """Return a name as the base model has it, and whether it began with the base model's prefix."""
    prefix = f"{model.base_model_prefix}."
    whole = prefix == "." or model.base_model_prefix in dict(model.named_children())
    return (name, False) if whole or not name.startswith(prefix) else (name.removeprefix(prefix), True)


def _ignored(model: Any, dimensions: Iterable[str]) -> set[str]:
    """Return the names of the files that transformers drops without a word."""
    patterns = [*(model._keys_to_ignore_on_load_unexpected or ()), CONSTANT.pattern]
    ignored = re.compile("|".join(f"({pattern})" for pattern in patterns))
    state = model.state_dict().keys()
    return {name for name in dimensions if ignored.search(name) and _stripped(model, name)[0] not in state}


def _group(model: nn.Module, name: str, constants: Collection[str]) -> str:
    """Name a head by its first name, all else with ``*`` for the number of a block."""
    first = _stripped(model, name)[0].partition(".")[0]
    if name in constants or first in dict(model.named_children()):
        return re.sub(r"(?<=\.)\d+(?=\.)", "*", name)
    return first


DEPTHS = ("num_hidden_layers", "num_layers", "encoder_layers")


def text_part(model: Any) -> tuple[Any, dict[str, int]]:
    """Return the model that reads text, and the parts beside it: a name -> how many parameters.

    Parameters
    ----------
    model : PreTrainedModel

    Returns
    -------
    (PreTrainedModel, dict)
        The model itself and nothing beside it, where its own config tells the number of layers.

    Raises
    ------
    UsageError
        Its config holds those of several models, and none of its parts reads text by itself.
    """
    from transformers import PreTrainedModel

    config = model.config
    if any(isinstance(getattr(config, key, None), int) for key in DEPTHS):
        return model, {}
    nested = sorted(key for key, value in vars(config).items() if key.endswith("_config") and value is not None)
    if not nested:
        return model, {}
    text = getattr(config, "text_config", None)
    for name, module in model.named_modules():
        if name and isinstance(module, PreTrainedModel) and type(module.config) is type(text):
            part = module.base_model  # without its head
            own = {id(parameter) for parameter in part.parameters()}
            others = (key for key, parameter in model.named_parameters() if id(parameter) not in own)
            return part, dict(sorted(Counter(key.partition(".")[0] for key in others).items()))
    raise UsageError(
        f"Models of type '{config.model_type}' are several models in one ({', '.join(nested)}), and no part of them "
        "was found that reads text by itself. Name a model of text alone."
    )
