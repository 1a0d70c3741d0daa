"""Cut a model: the blocks above a layer are gone, and its config says so.

Enters: a loaded model and how many blocks to keep. Leaves: another loaded model of the same class, built anew from a
config of that depth, with copies of the parameters of the same names. A trial run of both decides whether it is right:
layers 0 to the last one kept are equal bit for bit. So it is an ordinary model of its family, which transformers saves
and loads. ``final`` is then what the family makes of the last block that is left.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch

from probekit.errors import ProbekitError, UsageError, reason_of
from probekit.models.architecture.restoring import restored
from probekit.models.architecture.stacks import find_stacks
from probekit.models.runtime.dependence import lowest_depths
from probekit.models.runtime.forward import forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.unread import first_names
from probekit.models.sources.weights import prepare_for_inference, quiet, state_digest
from probekit.sites import tensor_name

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

DEPTH = "num_hidden_layers"
"""What every config answers to, whatever it calls it itself."""


def cut(loaded: LoadedModel, keep: int) -> LoadedModel:
    """Return a copy of a model that ends after a block.

    Parameters
    ----------
    loaded : LoadedModel
        Left as it is.
    keep : int
        Blocks that stay, from 1 to all.

    Returns
    -------
    LoadedModel
        Evaluation mode, no gradients; its digest is of the parameters that are left.

    Raises
    ------
    UsageError
        The model has no such block, has two stacks, is not what transformers makes of its own config, holds what a
        model of this depth has no place for, or its family gives other states at this depth.
    """
    _refuse_before(loaded, keep)
    names = [tensor_name(layer) for layer in range(keep + 1)]
    expected = _states(loaded, names)
    reasons: list[str] = []
    for fields in _fields(loaded.config, loaded.n_layers, keep):
        try:
            with quiet():
                found = _built(loaded, fields)
            states = _states(found, names)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever the code of some 250 types raises at a config that does not fit
            reasons.append(str(error) if isinstance(error, ProbekitError) else reason_of(error))
            continue
        other = [name for name in names if not _equal(states[name], expected[name])]
        if not other:
            _refuse_leftovers(loaded, found, keep)
            return found
        reasons.append(f"it then gives another {other[0]}")
    raise _error(loaded, keep, reasons[0])


def _refuse_before(loaded: LoadedModel, keep: int) -> None:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, MODEL_MAPPING

    if len(loaded.stacks) > 1:
        raise _error(loaded, keep, "it has an encoder and a decoder, and only models of one stack are cut")
    if not 1 <= keep <= loaded.n_layers:
        raise UsageError(f"A model of {loaded.n_layers} blocks is cut to 1 to {loaded.n_layers} of them. Got {keep}.")
    loader, mapping = {
        "causal": ("AutoModelForCausalLM", MODEL_FOR_CAUSAL_LM_MAPPING),
        "masked": ("AutoModelForMaskedLM", MODEL_FOR_MASKED_LM_MAPPING),
    }.get(loaded.head or "", ("AutoModel", MODEL_MAPPING))
    made = mapping.get(type(loaded.config), None)
    if type(loaded.model) not in (made if isinstance(made, tuple) else (made,)):
        raise _error(
            loaded,
            keep,
            f"it is a {type(loaded.model).__name__}, which {loader} does not make of its config, so that what is "
            "saved could not be loaded",
        )


def _fields(config: Any, depth: int, keep: int) -> Iterator[dict[str, Any]]:
    """Yield the fields of configs of another depth: of lists with an entry a block, as many are cut as it bears."""
    fields = config.to_dict()
    listed = {name: value[:keep] for name, value in fields.items() if _is_by_block(name, value, depth)}
    for name, value in fields.items():
        entries = _repeated(value)
        if entries is not None and len(entries) == depth:
            listed[name] = [[entries[:keep], 1]]
    for count in range(len(listed), -1, -1):
        for names in combinations(listed, count):
            changed = {name: listed[name] for name in names}
            yield copy.deepcopy({**fields, **changed, config.attribute_map.get(DEPTH, DEPTH): keep})


def _is_by_block(name: str, value: Any, depth: int) -> bool:
    return isinstance(value, list | tuple) and len(value) == depth and not name.endswith(("_token_id", "architectures"))


def _repeated(value: Any) -> list[Any] | None:
    """Return the entries of a list of patterns with how often each is repeated, as GPT-Neo's ``attention_types``."""
    if not isinstance(value, list | tuple) or not value:
        return None
    entries: list[Any] = []
    for item in value:
        if not (isinstance(item, list | tuple) and len(item) == 2):
            return None
        pattern, times = item
        if not (isinstance(pattern, list | tuple) and isinstance(times, int)):
            return None
        entries += list(pattern) * times
    return entries


def _built(loaded: LoadedModel, fields: dict[str, Any]) -> LoadedModel:
    """Return a model of the same class and of another config, with copies of what has the same names."""
    config = type(loaded.config).from_dict(fields)
    config._attn_implementation = loaded.config._attn_implementation
    with torch.random.fork_rng(devices=[]):
        model = type(loaded.model)._from_config(config, dtype=loaded.dtype)
    model = prepare_for_inference(model, loaded.device)
    own = dict(loaded.model.named_parameters(remove_duplicate=False))
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name not in own or own[name].shape != parameter.shape:
            has = f"[{', '.join(map(str, own[name].shape))}]" if name in own else "nothing"
            raise UsageError(f"{name} is {list(parameter.shape)} by the config, and the model has {has} for it")
        parameter.data = own[name].detach().clone()
    buffers = dict(loaded.model.named_buffers())
    for name, buffer in model.named_buffers():
        if name in buffers and buffers[name].shape == buffer.shape:
            buffer.data = buffers[name].clone()
    body = model if loaded.head is None else model.base_model
    stacks = find_stacks(body, body.config, loaded.family)
    return replace(loaded, model=model, stacks=stacks, _state_digest=state_digest(model))


def _states(loaded: LoadedModel, names: Sequence[str]) -> Mapping[str, torch.Tensor]:
    """Return the states of a trial run, pads included."""
    with restored(loaded.model):
        loaded.model.eval()  # one that trains is cut too
        with Capture(loaded, names) as capture:
            forward(loaded, trial_batch(loaded))
            return dict(capture.states)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Compare states, what is no number with the same; that a model is broken is not the fault of the cut."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def _refuse_leftovers(loaded: LoadedModel, found: LoadedModel, keep: int) -> None:
    """Refuse to lose a parameter that is not of a removed block, nor behind one."""
    placed = set(dict(found.model.named_parameters(remove_duplicate=False)))
    removed = {parameter for block in loaded.stacks[0].blocks.outputs[keep:] for parameter in block.parameters()}
    depths = lowest_depths(loaded)
    lost = [
        name
        for name, parameter in loaded.model.named_parameters()
        if name not in placed and depths.get(parameter, keep + 1 if parameter in removed else 0) <= keep
    ]
    if lost:
        raise _error(loaded, keep, f"{len(lost)} of its parameters find no place in one ({first_names(lost)})")


def _error(loaded: LoadedModel, keep: int, reason: str) -> UsageError:
    return UsageError(
        f"The model '{loaded.source.name}' (type '{loaded.config.model_type}') cannot be cut to {keep} of "
        f"{loaded.n_layers} blocks: {reason}. Keep all blocks."
    )
