"""The logit lens: the states of a layer are read as if they were those of the last one."""

from __future__ import annotations

from probekit.viewing.lenses import Lens

LENS = Lens(
    "logit",
    None,
    said="nothing: the final norm and the head read the layer as if it were the last",
    reference="nostalgebraist 2020, interpreting GPT: the logit lens",
)
