"""Parts that were left out, as edits in a file.

Enters: parts of a model and what stands in their place. Leaves: a JSON file that :func:`~probekit.ablation.read_edits`
reads, one edit a place; where means stand there, safetensors files beside it that the edits name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.ablation.edits import MEAN, ZERO, Edit
from probekit.ablation.parts import Part, removal_of
from probekit.errors import ResourceError
from probekit.sites import HEADS, Site
from probekit.storage.files import replace_bytes, replacing
from probekit.storage.strict import pretty

Means = Mapping[Site, NDArray[np.float32]]


def save_edits(path: str | os.PathLike[str], parts: Sequence[Part], means: Means) -> Path:
    """Write the edits that leave some parts out; return the path.

    Parameters
    ----------
    path : path
    parts : sequence of Part
    means : mapping of Site to float32 array [width]
        What stands in the place of what is left out; of places that it lacks, zero.

    Raises
    ------
    ResourceError
        The place cannot be written.
    """
    from safetensors.numpy import save_file

    place = plain.path(path, "save").absolute()
    sizes = {site: stop - first for part in parts for site, _, first, stop in part.places}
    edits = []
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for site, gone in sorted(removal_of(parts).items(), key=lambda item: item[0].order):
            values = None
            if site in means:
                values = place.with_name(f"{place.stem}.{site.tensor}.safetensors")
                with replacing(values) as beside:
                    save_file({"values": means[site][None]}, beside)
            edits.append(_edit(site, gone, sizes[site], values))
        replace_bytes(place, pretty([edit.to_json() for edit in edits]))
    except OSError as error:
        raise ResourceError(f"The edits cannot be written to '{place}': {error.strerror}. Name another.") from error
    return place


def _edit(site: Site, gone: NDArray[np.bool_], size: int, values: Path | None) -> Edit:
    """Return the edit of one place, of heads each ``size`` wide or of units."""
    what, file = (ZERO, None) if values is None else (MEAN, str(values))
    if gone.all():
        return Edit(str(site.label), what, values=file)
    if site.kind == HEADS:  # a head goes as a whole
        return Edit(str(site.label), what, heads=tuple(np.flatnonzero(gone[::size]).tolist()), values=file)
    return Edit(str(site.label), what, units=tuple(np.flatnonzero(gone).tolist()), values=file)
