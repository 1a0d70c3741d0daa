"""From a model's files to a model that is ready to be read.

Enters: a :class:`~probekit.models.sources.locate.TransformersSource`. Leaves: a :class:`LoadedModel`: the base
model without its task head, in evaluation mode, in the precision that was asked for, never in the
one the checkpoint happens to have. Surprise: loading turns TF32 off for the whole process, because
a layer's vectors must not depend on the graphics card's shortcuts.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from probekit import plain
from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.devices import choose_device
from probekit.errors import UsageError, reason_of
from probekit.models.architecture.families import Family, family_of
from probekit.models.architecture.stacks import Stack, find_stacks
from probekit.models.sources.shuffling import shuffle
from probekit.models.sources.unread import NotRead, text_part
from probekit.models.sources.weights import (
    as_usage_error,
    prepare_for_inference,
    pretrained,
    quiet,
    randomised,
    read_config,
    token_table,
)
from probekit.sites import tensor_name

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.locate import TransformersSource
    from probekit.models.tokens.words import Encoder

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
ATTENTION = ("eager", "sdpa")
POSITION_TABLES = ("position_embeddings", "wpe", "embed_positions")


@dataclass(slots=True)
class LoadedModel:
    """A live model and what the rest needs to know of it.

    Attributes
    ----------
    source : ModelSource
    model : PreTrainedModel
        The base model, evaluation mode, no gradients.
    tokenizer : PreTrainedTokenizerBase
    device : torch.device
    dtype : torch.dtype
    family : Family
    stacks : tuple of Stack
    max_length : int or None
        Tokens the model reads at once, special ones included; None: no limit.
    pad_id : int
    decoder_start_id : int or None
        What an encoder-decoder's decoder reads first; None for other models.
    takes_mask : bool
        Whether its forward takes an ``attention_mask``; where it does not, a pad is a token like others.
    takes_positions : bool
        Whether its forward takes ``position_ids``.
    position_offset : int
        Number of the first position where it is not 0 (RoBERTa: ``padding_idx`` + 1).
    attention : str
        The attention implementation in use.
    control : Control or None
        Of a control model, what was done to its weights.
    encoder : Encoder or None
        What encodes words in the place of the tokenizer, where tokens are whole words.
    not_read : mapping
        Parameters of the checkpoint outside of the base model; see :func:`~probekit.models.sources.unread.unread`.
    head : str or None
        What the head of ``model`` does where it is kept (``causal``, ``masked``, ``seq2seq``); None of a base model.
    """

    source: ModelSource
    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    family: Family
    stacks: tuple[Stack, ...]
    max_length: int | None
    pad_id: int
    decoder_start_id: int | None
    takes_mask: bool
    takes_positions: bool
    position_offset: int
    attention: str
    control: Control | None = None
    encoder: Encoder | None = None
    not_read: NotRead = field(default_factory=dict, repr=False)
    head: str | None = None
    _state_digest: str | None = field(default=None, repr=False)

    @property
    def config(self) -> Any:
        """The transformers config."""
        return self.model.config

    @property
    def width(self) -> int:
        """Width of layer 0 of the first stack."""
        return self.stacks[0].widths[tensor_name(0)]

    @property
    def n_layers(self) -> int:
        """Blocks of the first stack."""
        return self.stacks[0].n_layers

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Every tensor name: ``layer.00`` .., ``encoder.layer.00`` .., ``decoder.final``."""
        return tuple(stack.full_name(layer) for stack in self.stacks for layer in stack.layer_names)

    @property
    def parameters(self) -> int:
        """Number of parameters, shared ones once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table: ids the model knows."""
        return _vocabulary(self.model)

    def weights_digest(self) -> str:
        """Return the sha256 of the weights: of the files, or of the produced state of a control model."""
        return self._state_digest or self.source.digests()["weights"]


def load(
    source: TransformersSource,
    *,
    dtype: str = "float32",
    device: str = "auto",
    control: Control | None = None,
    attention: str | None = None,
) -> LoadedModel:
    """Load a model and its tokenizer.

    Parameters
    ----------
    source : TransformersSource
    dtype : {"float32", "float16", "bfloat16"}
        Computing precision.
    device : {"auto", "cpu", "cuda", "mps"}
    control : Control or None
        Ignore the checkpoint and initialise as the family does before training, or shuffle what it holds.
    attention : {"eager", "sdpa"} or None
        None: sdpa where the family has it.

    Returns
    -------
    LoadedModel

    Raises
    ------
    UsageError
        Unknown option, a checkpoint that leaves parameters unset, no tokenizer, blocks that are not understood.
    """
    plain.choice(dtype, "dtype", tuple(DTYPES))
    plain.choice(attention or "sdpa", "attention", ATTENTION)
    place = torch.device(choose_device(device))
    exact_products()
    with quiet():
        with as_usage_error(source.folder / "config.json"):
            config = read_config(source, attention)
            digest: str | None = None
            not_read: NotRead = {}
            if control is not None and control.kind == RANDOM_WEIGHTS:
                model, digest = randomised(config, control.seed, DTYPES[dtype])
            else:
                model, not_read = pretrained(source, config, DTYPES[dtype])
            part, beside = text_part(model)
            if part is not model:
                model, config, not_read = part, part.config, {**not_read, "parts": beside}
            model = prepare_for_inference(model, place)
            family = family_of(config.model_type)
            stacks = find_stacks(model, config, family)
            digest = shuffle(model, stacks, control) or digest
        tokenizer = read_tokenizer(source)
    return assemble(
        source,
        model,
        tokenizer,
        device=place,
        stacks=stacks,
        control=control,
        not_read=not_read,
        digest=digest,
    )


def assemble(
    source: ModelSource,
    model: Any,
    tokenizer: Any,
    *,
    device: torch.device,
    stacks: tuple[Stack, ...] = (),
    control: Control | None = None,
    not_read: NotRead | None = None,
    digest: str | None = None,
) -> LoadedModel:
    """Gather what the rest needs to know of a model in evaluation mode: its limits, its pads, what it takes."""
    config, family = model.config, family_of(model.config.model_type)
    accepted = inspect.signature(model.forward).parameters
    return LoadedModel(
        source=source,
        model=model,
        tokenizer=tokenizer,
        device=device,
        dtype=model.dtype,
        family=family,
        stacks=stacks,
        max_length=family.max_length(model, config) if family.max_length else _max_length(model, config),
        pad_id=_pad_id(model, tokenizer, config),
        decoder_start_id=_decoder_start(config),
        takes_mask="attention_mask" in accepted,
        takes_positions="position_ids" in accepted,
        position_offset=_position_offset(model),
        attention=model.config._attn_implementation,
        control=control,
        not_read=not_read or {},
        _state_digest=digest,
    )


def exact_products() -> None:
    """Multiply float32 matrices in float32, on every device."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def read_tokenizer(source: TransformersSource) -> Any:
    """Return the tokenizer of a model."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source.folder, local_files_only=True)
    except Exception as error:  # what it raises is up to the code of some fifty tokenizers
        raise UsageError(
            f"The tokenizer in {source.folder} ({', '.join(source.vocabularies())}) cannot be loaded: "
            f"{reason_of(error)}. Fetch the model again."
        ) from error


def _position_tables(model: nn.Module) -> list[Any]:
    """Return the tables of learned or fixed positions: embeddings, or a module of its own kind that holds one."""
    return [
        part
        for name, part in model.named_modules()
        if name.rpartition(".")[2] in POSITION_TABLES
        and hasattr(part, "padding_idx")
        and isinstance(getattr(part, "weight", None), torch.Tensor)
    ]


def _position_numbers(model: nn.Module) -> list[torch.Tensor]:
    """Return the buffers that some models take their position numbers from, [1, most tokens] each."""
    return [
        part for name, part in model.named_buffers() if name.rpartition(".")[2] == "position_ids" and part.ndim == 2
    ]


def _reserved(table: Any) -> int:
    """RoBERTa and its relatives keep row ``padding_idx`` for pads and count from the next one."""
    return 0 if table.padding_idx is None else int(table.padding_idx) + 1


def _position_offset(model: nn.Module) -> int:
    """A second table, of entities, need not keep rows for pads as that of tokens does, so the largest counts."""
    firsts = [int(numbers.min()) for numbers in _position_numbers(model)]
    return max([_reserved(table) for table in _position_tables(model)] + firsts, default=0)


def _max_length(model: nn.Module, config: Any) -> int | None:
    tables = _position_tables(model)
    if tables:
        rows = [len(table.weight) - int(getattr(table, "offset", _reserved(table))) for table in tables]
        return min([*rows, *(numbers.shape[1] for numbers in _position_numbers(model))])
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if isinstance(limit, int) and limit > 0 else None


def _pad_id(model: Any, tokenizer: Any, config: Any) -> int:
    """Pads are masked everywhere, so any id of the vocabulary serves a model that has none."""
    rows = _vocabulary(model)
    for candidate in (tokenizer.pad_token_id, getattr(config, "pad_token_id", None), tokenizer.eos_token_id):
        if isinstance(candidate, int) and 0 <= candidate < rows:
            return candidate
    return 0


def _vocabulary(model: Any) -> int:
    table = token_table(model)
    if table is None:
        raise UsageError(
            f"Models of type '{model.config.model_type}' do not say which of their tables holds the embeddings of "
            "tokens, so that no id can be checked. Choose another model."
        )
    return len(table)


def _decoder_start(config: Any) -> int | None:
    if not getattr(config, "is_encoder_decoder", False):
        return None
    for key in ("decoder_start_token_id", "bos_token_id", "pad_token_id"):
        value = getattr(config, key, None)
        if isinstance(value, int):
            return value
    raise UsageError("The config of this encoder-decoder names no start token for its decoder.")
