"""Masks on disk, and masks from a tuned run.

Enters: masks and whose they are, or a path. Leaves: a safetensors file with one tensor a matrix, its bits packed eight
to a byte (uint8, the first bit the highest), and beside them the shapes, the digest of the weights that the mask is of,
and how it was made; or masks again. The mask of a run is of the model that it was tuned from: the magnitudes are the
run's, the weights that stay are the model's own, which is a lottery ticket.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from probekit import plain
from probekit.ablation.weights.masks import Masks, Matrices
from probekit.errors import InputError, ResourceError
from probekit.storage.files import replacing
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import complete_record

FORMAT = "probekit.mask/1"


@dataclass(frozen=True, slots=True)
class MaskFile:
    """Masks, and what they are of.

    Attributes
    ----------
    masks : mapping of str to bool Tensor
        By the names of matrices in the base model; True stays.
    model : str
    weights : str
        sha256 of the model's weights.
    said : mapping
        How the masks were made: ``sparsity``, ``scope``, ``magnitudes``.
    """

    masks: Masks
    model: str
    weights: str
    said: Mapping[str, Any]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the masks; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        from safetensors.numpy import save_file

        place = plain.path(path, "save")
        shapes = {name: list(mask.shape) for name, mask in self.masks.items()}
        document = {"format": FORMAT, "model": self.model, "weights": self.weights, "shapes": shapes, **self.said}
        packed = {name: np.packbits(mask.cpu().numpy()) for name, mask in self.masks.items()}
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as beside:
                save_file(packed, beside, metadata={"probekit": json.dumps(document, sort_keys=True)})
        except OSError as error:
            raise ResourceError(f"The mask cannot be written to '{place}': {error.strerror}. Name another.") from error
        return place

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> MaskFile:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            There is no such file, or it is no mask.
        """
        from safetensors import SafetensorError, safe_open

        place = plain.path(path, "mask")
        try:
            with safe_open(place, "np") as file:
                document = json.loads((file.metadata() or {}).get("probekit", "{}"))
                packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError) as error:
            raise InputError(f"{place} cannot be read as a mask: {error}.") from None
        if document.get("format") != FORMAT or set(document.get("shapes", ())) != set(packed):
            raise InputError(f"{place} is no mask that `probekit ablate weights --save` wrote.")
        shapes = document.pop("shapes")
        masks = {
            name: torch.from_numpy(np.unpackbits(bits, count=int(np.prod(shapes[name]))).astype(bool)).view(
                shapes[name]
            )
            for name, bits in packed.items()
        }
        del document["format"]
        return cls(masks, document.pop("model"), document.pop("weights"), document)

    def refuse_another(self, weights: str, name: str) -> None:
        """Refuse to mask other weights than those that the masks are of.

        Raises
        ------
        InputError
        """
        if self.weights != weights:
            raise InputError(
                f"The mask is of '{self.model}' ({self.weights:.12}), and '{name}' has other weights ({weights:.12}). "
                "Name the model that it was made of."
            )


def weights_of_run(folder: Path, matrices: Matrices, weights: str, name: str) -> Matrices:
    """Return the weights that a tuned run has in the place of some matrices.

    Parameters
    ----------
    folder : Path
        That `probekit tune` wrote.
    matrices : dict of str to Tensor
        Of the model that it was tuned from.
    weights, name : str
        Digest and name of that model.

    Raises
    ------
    InputError
        The run was tuned from other weights, or has not all blocks.
    UsageError, CacheError
        It is no run, or not complete.

    References
    ----------
    Frankle & Carbin 2019, https://arxiv.org/abs/1803.03635; Chen et al. 2020, https://arxiv.org/abs/2007.12223
    """
    its = complete_record(RunFolder.existing(folder))["model"]
    if its["digest"] != weights:
        raise InputError(
            f"The run in {folder} was tuned from '{its['name']}' ({its['digest']:.12}), and '{name}' has other weights "
            f"({weights:.12}). Name that model with --model."
        )
    opened = TunedModel.open(folder, device="cpu")
    if opened.plan.modules and not opened.plan.train:
        raise InputError(
            f"The run in {folder} trained modules in blocks that stayed as they were: no weight of '{name}' moved. "
            "Name a run that trained blocks."
        )
    tuned = opened.network.loaded.model.base_model
    found = {its_name: parameter.data for its_name, parameter in tuned.named_parameters()}
    lacking = [one for one, matrix in matrices.items() if one not in found or found[one].shape != matrix.shape]
    if lacking:
        raise InputError(
            f"The run in {folder} lacks {len(lacking):,} of the {len(matrices):,} matrices of '{name}', '{lacking[0]}' "
            "among them: it was cut. Tune with all blocks."
        )
    return {one: found[one] for one in matrices}
