"""Save and load fitted estimators: one safetensors file, its JSON in the header.

What enters: a fitted estimator, or a path. What leaves: a file without code in it, or the estimator
that predicts the same. The surprise: nothing is registered; whatever ``fit`` learnt (attributes
ending in ``_``) is stored, and the class is found by its name among the estimators.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sklearn.utils.validation import check_is_fitted

from probekit.errors import CacheError, InputError, ResourceError, UsageError
from probekit.probing.estimator import VectorClassifier
from probekit.probing.estimators import estimators
from probekit.probing.estimators.ridge import RidgeProbe
from probekit.storage.files import replace_bytes
from probekit.storage.strict import parse_object

FORMAT = "probekit.estimator/1"

Probe = VectorClassifier | RidgeProbe


def save_estimator(estimator: Probe, path: str | Path) -> Path:
    """Write a fitted estimator.

    Parameters
    ----------
    estimator : VectorClassifier or RidgeProbe
    path : str or Path
        ``.safetensors`` by custom; an existing file is replaced.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        An estimator whose labels or parameters are not plain data.
    ResourceError
        The place cannot be written.
    """
    if not isinstance(estimator, Probe):
        raise UsageError(
            f"A {type(estimator).__name__} is none of probekit's estimators. Save it by scikit-learn's own means."
        )
    check_is_fitted(estimator)
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    for name, value in vars(estimator).items():
        if not name.endswith("_"):
            continue
        parts = value if isinstance(value, list) else [value]
        if all(isinstance(part, np.ndarray) and part.dtype.kind in "iuf" for part in parts):
            for i, part in enumerate(parts):
                arrays[f"{name}.{i}" if isinstance(value, list) else name] = np.ascontiguousarray(part)
        else:
            plain[name] = value.tolist() if isinstance(value, np.ndarray) else value
    params = {name: "inf" if value == math.inf else value for name, value in estimator.get_params().items()}
    document = {"format": FORMAT, "estimator": type(estimator).__name__, "params": params, "fitted": plain}
    try:
        header = json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"This {type(estimator).__name__} cannot be saved as plain data: {error}.") from error
    place = Path(path)
    try:
        replace_bytes(place, save(arrays, metadata={"probekit": header}))
    except OSError as error:
        raise ResourceError(f"'{place}' cannot be written: {error.strerror}. Give another place.") from error
    return place


def load_estimator(path: str | Path) -> Probe:
    """Read an estimator that :func:`save_estimator` wrote.

    Raises
    ------
    InputError
        There is no such file.
    CacheError
        The file is damaged, or not an estimator, or of an estimator this version does not have.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no file '{path}'. Give a file written by save_estimator.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            document = parse_object((file.metadata() or {}).get("probekit", "{}").encode(), f"The header of {path}")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise CacheError(f"{path}: this file is damaged: {error}. Fit the estimator again.") from error
    if document.get("format") != FORMAT:
        raise CacheError(f"{path}: not an estimator of this version ({document.get('format')}; this reads {FORMAT}).")
    made = [estimator.scikit() for estimator in estimators().values() if estimator.scikit is not None]
    known = {type(probe).__name__: type(probe) for probe in made if isinstance(probe, Probe)}
    if document["estimator"] not in known:
        raise CacheError(f"{path}: an estimator '{document['estimator']}' is not among {', '.join(sorted(known))}.")
    params = {name: math.inf if value == "inf" else value for name, value in document["params"].items()}
    estimator = known[document["estimator"]](**params)
    for name, value in document["fitted"].items():
        setattr(estimator, name, np.asarray(value) if isinstance(value, list) else value)
    lists: dict[str, dict[int, np.ndarray]] = {}
    for name, array in arrays.items():
        base, _, place = name.partition(".")
        if place:
            lists.setdefault(base, {})[int(place)] = array
        else:
            setattr(estimator, name, array)
    for name, parts in lists.items():
        setattr(estimator, name, [parts[i] for i in sorted(parts)])
    return estimator
