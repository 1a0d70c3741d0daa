"""The parameters of a model: read from its files, or drawn at random as its family does.

Enters: a :class:`~probekit.models.locate.ModelSource`. Leaves: a transformers model, evaluation
mode, no gradients, in the precision asked for. Surprise: random weights are drawn in float32 on
the CPU and only then converted, so that a seed means the same state on every device and in every
precision; their digest is of that float32 state.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from probekit.errors import ProbekitError, ResourceError, UsageError
from probekit.models.locate import ModelSource


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' warnings and progress bars, and only while the context lasts."""
    from transformers.utils import logging as hub_logging

    level, bars = hub_logging.get_verbosity(), hub_logging.is_progress_bar_enabled()
    hub_logging.set_verbosity(logging.CRITICAL)
    hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)
        if bars:
            hub_logging.enable_progress_bar()


@contextmanager
def blamed(file: Path) -> Iterator[None]:
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
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise UsageError(
            f"{file} describes nothing that can be loaded and run ({reason}). Fetch the model again, or choose another."
        ) from error


def read_config(source: ModelSource, attention: str | None) -> Any:
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
    return config


def pretrained(source: ModelSource, config: Any, dtype: torch.dtype) -> Any:
    """Read the base model from its safetensors files.

    Raises
    ------
    UsageError
        They cannot be read, or leave parameters of the base model unset.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        model, info = AutoModel.from_pretrained(
            source.folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (SafetensorError, ValueError, RuntimeError, OSError, KeyError) as error:
        raise UsageError(f"The weights in {source.folder} cannot be loaded: {error}. Fetch them again.") from error
    # The pooler is a head: no layer is read behind it.
    unset = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if unset:
        raise UsageError(
            f"The checkpoint in {source.folder} leaves {len(unset)} parameters of the model unset "
            f"({', '.join(unset[:5])}{', ..' if len(unset) > 5 else ''}): its layers would be partly random. "
            "Is it a checkpoint of another architecture? For random weights on purpose, use --random-weights."
        )
    _hold(model)
    return model


def _hold(model: nn.Module) -> None:
    """Take the parameters out of the file that they are mapped from: a file written to later must not change them."""
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.device.type == "cpu":
                tensor.data = tensor.data.clone()


def randomised(config: Any, seed: int, dtype: torch.dtype) -> tuple[Any, str]:
    """Initialise as the family does before training; return the model and the digest of its float32 state."""
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(config, dtype=torch.float32)
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


def settle(model: Any, device: torch.device) -> Any:
    """Put a model on its device, ready to be read: no dropout, no gradients, no cache, no extra outputs."""
    try:
        model = model.to(device)
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            f"The model does not fit on {device}: {error}. Try --dtype bfloat16 or --device cpu."
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
