"""From a model's files to a model that is ready to be read.

Enters: a :class:`~probekit.models.sources.locate.TransformersSource`. Leaves: a :class:`LoadedModel`: the base
model without its task head, in evaluation mode, in the precision that was asked for, never in the
one the checkpoint happens to have. Surprise: loading turns TF32 off for the whole process, because
a layer's vectors must not depend on the graphics card's shortcuts.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from probekit import plain
from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.devices import WITHOUT_CONTROLS, DeviceMap, choose_device
from probekit.errors import UsageError, reason_of
from probekit.models.architecture.families import Family, family_of
from probekit.models.architecture.stacks import Stack, find_stacks
from probekit.models.sources.limits import decoder_start, max_length, pad_id, position_offset, vocabulary
from probekit.models.sources.placing import Placement, runs_spread, spread
from probekit.models.sources.shuffling import shuffle
from probekit.models.sources.unread import NotRead, text_part
from probekit.models.sources.weights import (
    as_usage_error,
    prepare_for_inference,
    pretrained,
    quantised,
    quiet,
    randomised,
    read_config,
)
from probekit.sites import tensor_name

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.locate import TransformersSource
    from probekit.models.tokens.words import Encoder

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
ATTENTION = ("eager", "sdpa")


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
    placement : Placement or None
        Where the weights of a model over several devices lie; ``device`` is then the one where a pass begins.
    quantised : mapping or None
        How the weights of the checkpoint are quantised, and what made them dense.
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
    placement: Placement | None = None
    quantised: Mapping[str, Any] | None = None
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
        return vocabulary(self.model)

    def weights_digest(self) -> str:
        """Return the sha256 of the weights: of the files, or of the produced state of a control model."""
        return self._state_digest or self.source.digests()["weights"]


def load(
    source: TransformersSource,
    *,
    dtype: str = "float32",
    device: str | DeviceMap = "auto",
    control: Control | None = None,
    attention: str | None = None,
) -> LoadedModel:
    """Load a model and its tokenizer.

    Parameters
    ----------
    source : TransformersSource
    dtype : {"float32", "float16", "bfloat16"}
        Computing precision.
    device : {"auto", "cpu", "cuda", "mps"} or DeviceMap
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
        Unknown option, a checkpoint that leaves parameters unset, no tokenizer, blocks that are not understood, or a
        control or a family that cannot be spread over several devices.
    """
    plain.choice(dtype, "dtype", tuple(DTYPES))
    plain.choice(attention or "sdpa", "attention", ATTENTION)
    if isinstance(device, DeviceMap) and control is not None:
        raise UsageError(WITHOUT_CONTROLS.format(control.kind.replace("_", " ")))
    place = None if isinstance(device, DeviceMap) else torch.device(choose_device(device))
    exact_products()
    with quiet():
        with as_usage_error(source.folder / "config.json"):
            config = read_config(source, attention)
            digest: str | None = None
            not_read: NotRead = {}
            placement: Placement | None = None
            if isinstance(device, DeviceMap):
                model, not_read, placement = spread(source, config, DTYPES[dtype], "AutoModel", wanted=device)
            elif control is not None and control.kind == RANDOM_WEIGHTS:
                model, digest = randomised(config, control.seed, DTYPES[dtype])
            else:
                model, not_read = pretrained(source, config, DTYPES[dtype])
            part, beside = text_part(model)
            if part is not model:
                model, config, not_read = part, part.config, {**not_read, "parts": beside}
            model = prepare_for_inference(model, place)
            family = family_of(config.model_type)
            with runs_spread(config.model_type, placement):
                stacks = find_stacks(model, config, family)
            digest = shuffle(model, stacks, control) or digest
        tokenizer = read_tokenizer(source)
    place = place if placement is None else placement.main
    assert place is not None
    loaded = assemble(
        source,
        model,
        tokenizer,
        device=place,
        stacks=stacks,
        control=control,
        not_read=not_read,
        digest=digest,
    )
    made = None if control is not None and control.kind == RANDOM_WEIGHTS else quantised(source)
    return replace(loaded, placement=placement, quantised=made)


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
        max_length=family.max_length(model, config) if family.max_length else max_length(model, config),
        pad_id=pad_id(model, tokenizer, config),
        decoder_start_id=decoder_start(config),
        takes_mask="attention_mask" in accepted,
        takes_positions="position_ids" in accepted,
        position_offset=position_offset(model),
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
