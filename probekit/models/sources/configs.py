"""The JSON files of a model: read, and judged before anything obeys them.

Enters: a path. Leaves: an object. Refused: ``auto_map`` (code from the hub), keys that reach into transformers'
internals or name attention kernels, quantised weights anywhere but at the top of a config.json, where
:mod:`~probekit.models.sources.quantised` judges them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from probekit.errors import UsageError
from probekit.storage.strict import too_deep

JSON_LIMIT = 200_000_000


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file of a model; None where there is no such file."""
    if not path.is_file():
        return None
    if path.stat().st_size > JSON_LIMIT:
        raise UsageError(f"{path} is over {JSON_LIMIT // 10**6} MB: this is no config.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}. Fetch the model again.") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} must hold a JSON object. Fetch the model again.")
    if too_deep(value):
        raise UsageError(f"{path} is nested too deeply to be a config. Fetch the model again.")
    return value


def refuse_foreign(path: Path, value: Any, where: str = "", *, quantised: bool = False) -> None:
    """Refuse, at any depth, what makes transformers fetch or run code; `quantised`: weights at the top were judged."""
    if isinstance(value, list):
        for item in value:
            refuse_foreign(path, item, where)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        place = f"{where}{key}"
        if key in ("auto_map", "custom_pipelines", "custom_generate"):
            raise UsageError(
                f"{path} asks for code from outside ('{place}'). probekit runs no foreign code: choose a model of a "
                "family that transformers knows."
            )
        if key.endswith("_internal") or "kernel_config" in key or key == "use_kernels":
            raise UsageError(f"{path} reaches into transformers' internals ('{place}'): refused. Remove the key.")
        if key.endswith("_implementation") and not _plain(item):
            raise UsageError(f"{path} names an attention kernel to be fetched ('{place}': {item!r}): refused.")
        if key == "transformers_weights":
            raise UsageError(f"{path} redirects the weights ('{place}'): refused. Remove the key.")
        judged = quantised and key == "quantization_config"
        if key in ("quantization_config", "compression_config") and item and not judged:
            raise UsageError(
                f"{path} describes quantised weights where they are not read ('{place}'). Use the original."
            )
        refuse_foreign(path, item, f"{place}.")


def _plain(item: Any) -> bool:
    names = list(item.values()) if isinstance(item, dict) else [item]
    return all(name is None or (isinstance(name, str) and re.fullmatch(r"\w+", name)) for name in names)
