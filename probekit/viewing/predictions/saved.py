"""A fitted lens in a file: one safetensors file, with what it belongs to in its header.

Enters: the translators of some layers, or a path. Leaves: a file without code in it, or the translators, if they are of
the same weights and read the same way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, InputError, ResourceError, UsageError
from probekit.sites import tensor_name
from probekit.storage.files import replace_bytes
from probekit.storage.strict import parse_object
from probekit.viewing.lenses import Translator

FORMAT = "probekit.lens/1"
Translators = Mapping[int, Translator]


def save_translators(
    path: str | os.PathLike[str], name: str, translators: Translators, *, cache: ActivationCache, head: str
) -> Path:
    """Write a fitted lens.

    Raises
    ------
    ResourceError
        The place cannot be written.
    """
    from safetensors.numpy import save

    place = plain.path(path, "save")
    arrays: dict[str, np.ndarray] = {}
    for layer, one in translators.items():
        arrays[f"{tensor_name(layer)}.weight"] = np.ascontiguousarray(one.weight, np.float32)
        arrays[f"{tensor_name(layer)}.bias"] = np.ascontiguousarray(one.bias, np.float32)
    document = {
        "format": FORMAT,
        "lens": name,
        "head": head,
        "model": {"name": cache.model["name"], "weights": cache.model["weights"]},
        "corpus": {"name": cache.corpus["name"], "fingerprint": cache.identity["corpus"]["fingerprint"]},
        "fitted": {str(layer): dict(one.fitted) for layer, one in translators.items()},
    }
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(place, save(arrays, metadata={"probekit": json.dumps(document, allow_nan=False)}))
    except OSError as error:
        raise ResourceError(
            f"The lens cannot be written to '{place}': {error.strerror}. Name another place."
        ) from error
    return place


def load_translators(
    path: str | os.PathLike[str], *, cache: ActivationCache, head: str
) -> tuple[str, dict[int, Translator], str]:
    """Read a fitted lens of a cache's model; return its name, its maps by layer, and what must be said of it.

    Raises
    ------
    InputError
        There is no such file, or it is no lens.
    UsageError
        It is of other weights, or of another head.
    CacheError
        The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    place = plain.path(path, "lens")
    if not place.is_file():
        raise InputError(f"There is no file '{place}'. Give one that --save of `probekit view lens` wrote.")
    try:
        with safe_open(str(place), framework="numpy") as file:
            header = parse_object((file.metadata() or {}).get("probekit", "{}").encode(), f"The header of {place}")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise CacheError(f"{place} is damaged: {error}. Fit the lens again.") from error
    if header.get("format") != FORMAT:
        raise InputError(f"{place} is no lens of this version ({header.get('format')}; this reads {FORMAT}).")
    if header["model"]["weights"] != cache.model["weights"] or header["head"] != head:
        raise UsageError(
            f"The lens in {place} was fitted to '{header['model']['name']}' ({header['head']}), which is another model "
            f"than that of {cache.path.name} ('{cache.model['name']}', {head}), by their weights. Fit one to this "
            f"model (--lenses {header['lens']})."
        )
    translators: dict[int, Translator] = {}
    for number, fitted in header["fitted"].items():
        layer = int(number)
        try:
            weight, bias = (arrays[f"{tensor_name(layer)}.{kind}"] for kind in ("weight", "bias"))
        except KeyError as error:
            raise CacheError(f"{place} is damaged: it holds no {error}. Fit the lens again.") from None
        if weight.shape != (len(bias), len(bias)):
            raise CacheError(f"{place} is damaged: the map of layer {layer} is {weight.shape}. Fit the lens again.")
        translators[layer] = Translator(weight, bias, fitted)
    same = header["corpus"]["fingerprint"] == cache.identity["corpus"]["fingerprint"]
    said = (
        "on the training part of this corpus"
        if same
        else f"on '{header['corpus']['name']}', another corpus: that it holds none of these sentences is not checked"
    )
    return header["lens"], translators, f"The lens '{header['lens']}' is read from {place}; it was fitted {said}."
