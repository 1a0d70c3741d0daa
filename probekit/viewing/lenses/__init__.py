"""What the states of a layer become before the model's own head reads them: one file of this folder a lens.

A file sets ``LENS = Lens(...)``. The final norm and the head above are the model's own, and the same for every lens.
"""

from __future__ import annotations

from dataclasses import dataclass

from probekit.registry import Registry


@dataclass(frozen=True, slots=True)
class Lens:
    """A way to read a layer by the head of the model.

    Attributes
    ----------
    name : str
    said : str
        For the report: what stands between a layer and the final norm.
    reference : str
    """

    name: str
    said: str
    reference: str


LENSES = Registry("lens", Lens, attribute="LENS", group="probekit.lenses", home=__name__)
