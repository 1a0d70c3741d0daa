"""Names of models: what stands before one of which only the input vectors are meant, and which names mean one model.

Enters: models as caches and reports keep them, ``name`` and the digest ``weights``. Leaves: sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

STATIC = "static:"
"""What stands before the name of a model of which only the table of vectors is meant."""


def same_weights(models: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """Say which names hold the same weights: what is measured of one is no second model.

    Parameters
    ----------
    models : iterable of mapping or None
        Each with ``name`` and ``weights``, a digest; what lacks one is passed over, since nothing is known of it.

    Returns
    -------
    list of str
        One sentence a digest that has several names. A model and its table of input vectors are two models.
    """
    names: dict[tuple[str, bool], dict[str, None]] = {}
    for model in models:
        name, digest = (model.get("name"), model.get("weights")) if isinstance(model, Mapping) else (None, None)
        if isinstance(name, str) and isinstance(digest, str):
            names.setdefault((digest, name.startswith(STATIC)), {})[name] = None
    return [
        f"{', '.join(list(alike)[:-1])} and {list(alike)[-1]} hold the same weights ({digest[:12]}): "
        f"they are one model under {len(alike)} names."
        for (digest, _), alike in names.items()
        if len(alike) > 1
    ]
