"""One name for one model, however its folder was spelled.

Enters: what a cache recorded, or a path. Leaves: the name that reports, keys and folders bear: ``mm`` for ``mm/``,
``./mm``, ``/data/mm`` and a link to it. A name on the hub (``owner/mm``) looks like a relative folder; a cache of one
holds its commit, a cache of a folder holds none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

STATIC = "static:"
"""What stands before the name of a model of which only the table of vectors is meant."""


def resolved_name(path: str | os.PathLike[str]) -> str:
    """Return the name that a folder or a file bears itself, links followed; of the root the root."""
    real = os.path.realpath(path)
    return os.path.basename(real) or real


def model_name(model: Mapping[str, Any]) -> str:
    """Return the one name of a cache's model, also where an older version kept the path as it was typed.

    Parameters
    ----------
    model : mapping
        Of an identity: ``name``, and ``revision`` where it came from the hub.
    """
    name: str = model["name"]
    if model.get("revision") is not None:
        return name
    before = STATIC if name.startswith(STATIC) else ""
    return before + (os.path.basename(os.path.normpath(name.removeprefix(before))) or name)


def with_model_name(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity under the one name of its model."""
    return {**identity, "model": {**identity["model"], "name": model_name(identity["model"])}}
