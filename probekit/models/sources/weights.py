"""The parameters of a model: read from its files, or drawn at random as its family does.

Enters: a :class:`~probekit.models.sources.locate.TransformersSource`. Leaves: a transformers model, evaluation
mode, no gradients, in the precision asked for. Surprise: random weights are drawn in float32 on
the CPU and only then converted, so that a seed means the same state on every device and in every
precision; their digest is of that float32 state.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from probekit.cache.format.certificate import counted, parameter_counts
from probekit.errors import ProbekitError, ResourceError, UsageError, reason_of
from probekit.models.sources.quantised import config_for_loading
from probekit.models.sources.unread import NotRead, first_names, unread

if TYPE_CHECKING:
    from probekit.models.sources.locate import TransformersSource


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' warnings and progress bars, and only while the context lasts."""
    from transformers.utils import logging as hub_logging

    level, bars = hub_logging.get_verbosity(), hub_logging.is_progress_bar_enabled()
    hub_logging.set_verbosity(logging.CRITICAL)
    hub_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # Marian's tokenizer, of a normaliser that it never calls.
            warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
            yield
    finally:
        hub_logging.set_verbosity(level)
        if bars:
            hub_logging.enable_progress_bar()


@contextmanager
def as_usage_error(file: Path) -> Iterator[None]:
    """Say which file of a model is at fault, whatever transformers raises while it obeys it.

    Raises
    ------
    UsageError
        Naming the file. What says more by itself passes through: our own errors, and want of memory.
    """
    try:
        yield
    except (ProbekitError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise UsageError(
            f"{file} describes nothing that can be loaded and run ({reason_of(error)}). Fetch the model again, or "
            "choose another."
        ) from error


def read_config(source: TransformersSource, attention: str | None) -> Any:
    """Return the transformers config, with the attention implementation that we choose, never the file's."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source.folder, local_files_only=True)
    except (ValueError, KeyError, OSError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"{source.folder}/config.json is no config of a known model: {reason} Update transformers, or choose "
            "another model."
        ) from error
    config._attn_implementation = attention
    if (found := source.quantisation()) is not None:
        config.quantization_config = config_for_loading(found)
    return config


def quantised(source: TransformersSource) -> dict[str, Any] | None:
    """Return what is on record of quantised weights that were made dense; None where there are none."""
    found = source.quantisation()
    return None if found is None else found.to_json(sum(name.endswith("weight_scale") for name in _dimensions(source)))


def token_table(model: Any) -> torch.Tensor | None:
    """Return the table of input embeddings; None where the code of the model names none."""
    try:
        table = getattr(model.get_input_embeddings(), "weight", None)
    except NotImplementedError:
        return None
    return table if isinstance(table, torch.Tensor) and table.dim() == 2 else None


def pretrained(
    source: TransformersSource,
    config: Any,
    dtype: torch.dtype,
    kind: str = "AutoModel",
    *,
    spread: Mapping[str, Any] | None = None,
) -> tuple[Any, NotRead]:
    """Read a model from its safetensors files; return it and what of them is not read.

    Parameters
    ----------
    source : TransformersSource
    config : PreTrainedConfig
    dtype : torch.dtype
    kind : str
        The class of transformers that loads it: by default the base model, without a head.
    spread : mapping or None
        What puts it on several devices; see :func:`~probekit.models.sources.placing.asked_of_transformers`.

    Raises
    ------
    UsageError
        They cannot be read, leave parameters of the base model unset, have parameters inside of it that its
        config has no place for, or have them in other shapes.
    """
    import transformers
    from safetensors import SafetensorError

    try:
        dimensions = _dimensions(source)
        model, info = getattr(transformers, kind).from_pretrained(
            source.folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # which are refused below, with both shapes
            **(spread or {}),
        )
    except (SafetensorError, ValueError, RuntimeError, OSError, KeyError) as error:
        raise UsageError(f"The weights in {source.folder} cannot be loaded: {error}. Fetch them again.") from error
    left = unread(model, info["unexpected_keys"], dimensions, source.folder)
    if info["mismatched_keys"]:
        raise _shape_error(source, config, sorted(info["mismatched_keys"]))
    # The pooler is a head: no layer is read behind it.
    unset = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if unset:
        has = f" It has others instead: {parameter_counts(left['heads'])}." if left["heads"] else ""
        raise UsageError(
            f"The checkpoint in {source.folder} leaves {len(unset)} parameters of the model unset "
            f"({first_names(unset)}): its layers would be partly random.{has} "
            "Is it a checkpoint of another architecture? For random weights on purpose, use --random-weights."
        )
    _copy_from_file(model)
    return model, left


def _dimensions(source: TransformersSource) -> dict[str, int]:
    """Return how many dimensions each tensor of the files has; only their headers are read."""
    from safetensors import safe_open

    found = {}
    for path in source.weights:
        with safe_open(path, "pt") as tensors:
            found.update({name: len(tensors.get_slice(name).get_shape()) for name in tensors.keys()})  # noqa: SIM118
    return found


def _shape_error(source: TransformersSource, config: Any, mismatched: list[tuple[str, Any, Any]]) -> UsageError:
    """Say which parameters have other shapes than the config gives, and which of its fields may be why."""
    shapes = [
        f"{name} is {_shape(found)} there and {_shape(wanted)} by the config" for name, found, wanted in mismatched
    ]
    pairs = {
        (want, have)
        for _, found, wanted in mismatched
        if len(found) == len(wanted)
        for have, want in zip(found, wanted, strict=True)
        if have != want
    }
    fields = [
        f"{field} = {want} (the weights have {have})"
        for field, value in sorted(config.to_dict().items())
        for want, have in sorted(pairs)
        if type(value) is int and value == want
    ]
    says = f" config.json says {' and '.join(fields)}." if fields else ""
    first = "; ".join(shapes[:3]) + ("; .." if len(shapes) > 3 else "")
    return UsageError(
        f"The weights in {source.folder} have other shapes than its config.json says, in {counted(len(mismatched))}: "
        f"{first}.{says} Put the config.json of these weights there, or fetch the model again."
    )


def _shape(shape: Any) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _copy_from_file(model: nn.Module) -> None:
    """Take the parameters out of the file that they are mapped from: a file written to later must not change them."""
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.device.type == "cpu":
                tensor.data = tensor.data.clone()


def randomised(config: Any, seed: int, dtype: torch.dtype, kind: str = "AutoModel") -> tuple[Any, str]:
    """Initialise as the family does before training; return the model and the digest of its float32 state."""
    import transformers

    config.__dict__.pop("quantization_config", None)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, kind).from_config(config, dtype=torch.float32)
    digest = state_digest(model)
    if dtype != torch.float32:
        # Read back as a checkpoint is, because model.to(dtype) would also round what must stay
        # exact: the frequencies of rotary positions, the parts a family keeps in float32.
        model = type(model).from_pretrained(None, config=config, state_dict=model.state_dict(), dtype=dtype)
    return model, digest


def state_digest(model: nn.Module) -> str:
    """Return the sha256 over names, shapes, types and bytes of a model's parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def prepare_for_inference(model: Any, device: torch.device | None) -> Any:
    """Put a model on its device, ready to be read: no dropout, no gradients, no cache, no extra outputs.

    Without a device it stays where its parts lie.
    """
    try:
        model = model if device is None else model.to(device)
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            f"The model does not fit on {device}: {error}. Try --dtype bfloat16, --device-map auto or --device cpu."
        ) from error
    model.eval().requires_grad_(False)
    for part in model.modules():
        config = getattr(part, "config", None)
        if config is not None:
            config.use_cache = False
            config.output_hidden_states = False
            config.output_attentions = False
            config.return_dict = True
    return model
