"""Erasers as edits: files that any run of the model takes.

Enters: erasers by place. Leaves: a subspace file each, and a JSON file of the edits that name them, in their order.
"""

from __future__ import annotations

import json
from pathlib import Path

from probekit.ablation.concept.states import Erasers
from probekit.ablation.edits import PROJECT_OUT, Edit
from probekit.cache.location import slug
from probekit.errors import ResourceError
from probekit.storage.files import replace_bytes


def save_erasure(folder: Path, name: str, erasers: Erasers) -> Path | None:
    """Write erasers into a folder, and the edits that do what they do; None where nothing is erased.

    Raises
    ------
    ResourceError
        The folder cannot be written.
    """
    if not erasers:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        edits = []
        for site, eraser in erasers.items():
            file = eraser.save(folder.absolute() / f"{slug(f'{name} at {site.label}')}.safetensors")
            edits.append(Edit(str(site.label), PROJECT_OUT, subspace=str(file)).to_json())
        path = folder / f"{slug(name)}.json"
        replace_bytes(path, (json.dumps(edits, indent=1) + "\n").encode())
    except OSError as error:
        raise ResourceError(
            f"Erasers cannot be written to '{folder}': {error.strerror}. Name another folder."
        ) from error
    return path
