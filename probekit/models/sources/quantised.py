"""Quantised weights: which are read, as what, and why the others are not.

Enters: the ``quantization_config`` of a config.json, and the packages that are here. Leaves: a :class:`Quantisation`,
or a refusal. Read are those of compressed-tensors with rounded weights of linear layers and tables: whole numbers or
float8 with their scales, in safetensors. transformers makes them dense as it loads them, so that everything above
works on an ordinary model, and the numbers are those of the rounded weights. Surprise: activations that a server would
round too are not rounded here. A row would then hang on the last bits of its batch, and no row could be certified.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.errors import UsageError

METHOD = PACKAGE = "compressed-tensors"
FORMATS = ("int-quantized", "pack-quantized", "float-quantized")
STRATEGIES = ("tensor", "channel", "group")
KEPT = ("config_groups", "format", "quantization_status", "ignore", "quant_method")
"""What is passed on of a config; the other fields of it change how a model runs."""
UNSUPPORTED = ("kv_cache_scheme", "sparsity_config", "transform_config")
ORIGINAL = "Use the model that was quantised"
CONVERT = f"{ORIGINAL}, or a checkpoint of it that llm-compressor wrote (int8, int4 or float8 weights)."


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How the weights of a checkpoint are quantised.

    Attributes
    ----------
    scheme : str
        ``int4 in groups of 128``, ``float8 by channel``.
    activations : str or None
        What a server would round activations to, which is not done here.
    settings : dict
        What transformers is told.
    """

    scheme: str
    activations: str | None
    settings: Mapping[str, Any]

    def to_json(self, tensors: int) -> dict[str, Any]:
        """Return what the plan of a cache records, given how many tensors are quantised."""
        return {
            "method": METHOD,
            "package": f"{PACKAGE} {importlib.metadata.version(PACKAGE)}",
            "schemes": {self.scheme: tensors},
            "activations": self.activations,
        }


def quantisation_of(path: Path, config: Mapping[str, Any]) -> Quantisation | None:
    """Return how the weights of a config.json are quantised; None where they are not.

    Parameters
    ----------
    path : Path
        For messages.
    config : mapping

    Raises
    ------
    UsageError
        In a way that is not read, with the reason and what to do.
    """
    given = config.get("quantization_config")
    if not given:
        return None
    if not isinstance(given, dict):
        raise _refused(path, "in a way that its config does not tell")
    method = given.get("quant_method")
    if method != METHOD:
        named = f"by '{method}'" if isinstance(method, str) else "by a method without a name"
        raise _refused(path, f"{named}, and probekit reads those of {METHOD} alone")
    for field in UNSUPPORTED:
        if given.get(field):
            raise _refused(path, f"with a '{field}', which changes more than weights")
    if given.get("quantization_status", "compressed") != "compressed":
        raise _refused(path, f"only in part: their status is '{given['quantization_status']}', not 'compressed'")
    groups = given.get("config_groups")
    if not isinstance(groups, dict) or len(groups) != 1:
        count = len(groups) if isinstance(groups, dict) else "no"
        raise _refused(path, f"by {count} schemes (config_groups), and transformers makes weights dense by one for all")
    group = next(iter(groups.values()))
    if not isinstance(group, dict):
        raise _refused(path, "in a way that its config does not tell")
    scheme = _scheme(path, group, group.get("format") or given.get("format"))
    return Quantisation(scheme, _activations(path, group), {name: given[name] for name in KEPT if name in given})


def config_for_loading(found: Quantisation) -> dict[str, Any]:
    """Return the ``quantization_config`` by which transformers makes the weights dense.

    Raises
    ------
    UsageError
        The package that knows their format is missing, or transformers is too old to make them dense.
    """
    try:
        importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(
            f"Quantised weights need {PACKAGE}: pip install 'probekit-nlp[quantised]', or use the original model."
        ) from error
    if not makes_dense():
        raise UsageError(
            f"transformers {importlib.metadata.version('transformers')} does not make quantised weights dense as it "
            "loads them: pip install -U transformers (5.23 does), or use the original model."
        )
    return {**found.settings, "dequantize": True}


def makes_dense() -> bool:
    """Whether the transformers that is here makes quantised weights dense, each with its scale, as it loads them."""
    from transformers.quantizers.quantizer_compressed_tensors import CompressedTensorsHfQuantizer

    return hasattr(CompressedTensorsHfQuantizer, "serialized_names")


def _scheme(path: Path, group: Mapping[str, Any], form: Any) -> str:
    """Return the scheme of the weights in words."""
    weights = group.get("weights")
    if form not in FORMATS or not isinstance(weights, dict):
        raise _refused(path, f"in the format '{form}', and those that are read are {', '.join(FORMATS)}")
    kind, bits, strategy = weights.get("type", "int"), weights.get("num_bits", 8), weights.get("strategy")
    size = weights.get("group_size")
    strategy = strategy or ("tensor" if size is None else "channel" if size == -1 else "group")
    if (kind, bits) not in (("int", 4), ("int", 8), ("float", 8)) or strategy not in STRATEGIES:
        raise _refused(path, f"as {kind}{bits} by '{strategy}', and those that are read are int4, int8 and float8")
    if weights.get("actorder"):
        raise _refused(path, "with their columns in another order (actorder)")
    even = "" if weights.get("symmetric", True) else " with zero points"
    return f"{kind}{bits} {f'in groups of {size}' if strategy == 'group' else f'by {strategy}'}{even}"


def _activations(path: Path, group: Mapping[str, Any]) -> str | None:
    """Return what activations are rounded to by a server."""
    if group.get("output_activations"):
        raise _refused(path, "and so is what its layers give (output_activations)")
    given = group.get("input_activations")
    if not given:
        return None
    if not isinstance(given, dict) or given.get("dynamic") is not True:
        raise _refused(path, "for activations on scales that were fixed before (input_activations)")
    return f"{given.get('type', 'int')}{given.get('num_bits', 8)} by {given.get('strategy')}"


def _refused(path: Path, how: str) -> UsageError:
    return UsageError(f"{path} describes weights that are quantised {how}. {CONVERT}")
