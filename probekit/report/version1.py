"""Reports of version 1, whose rows had neither a role nor a name of their strength: both follow from other names.

Enters: the header and a row of such a report, as parsed. Leaves: the row as it is written today.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLES: Mapping[str, str] = {
    "control": "control",
    "random_projection": "control",
    "selectivity": "difference",
    "gain_over_random": "difference",
    "random_weights": "floor",
    "majority": "floor",
    "word_type": "floor",
    "word_type_seen": "floor",
    "word_type_unseen": "floor",
    "bag_of_words": "floor",
    "linear_chain": "floor",
    "mean": "floor",
}
"""Of the methods that stood beside the estimator."""
_CODE_CONTROLS = ("online_code_control", "variational_code_control")
_ANALYSES = ("stratum:", "size:", "strength:", "rank:", "hidden:", "scalar_mix", "online_code", "variational_code")
"""How the methods of analyses began; any other method was the estimator itself."""
_STRENGTHS = {"knn": "k"} | dict.fromkeys(("mlp", "bilinear", "attention", "bilstm"), "weight decay")
"""What the strengths of an estimator were, if not values of C."""


def upgrade_row(header: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with what it lacks; a field that is not as it must be is left to its reader."""
    settings = header.get("settings")
    estimator = settings.get("estimator") if isinstance(settings, Mapping) else None
    method, metric = (str(row.get(name)) for name in ("method", "metric"))
    # Weights of layers were learned under the linear probe, whatever the estimator.
    linear = method.startswith("scalar_mix") and row.get("split") == "train"
    named = "C" if linear else _STRENGTHS.get(str(estimator), "C")
    return {"role": role_of(method, metric), "strength_name": named, **row}


def role_of(method: str, metric: str) -> str:
    """Return the role of a row.

    >>> role_of("word_type", "accuracy"), role_of("size:200", "accuracy"), role_of("mlp", "accuracy")
    ('floor', 'companion', 'estimator')
    """
    if method in _CODE_CONTROLS:
        return "control"
    if method == "scalar_mix" and metric == "selectivity":
        return "difference"
    return ROLES.get(method, "companion" if method.startswith(_ANALYSES) else "estimator")
