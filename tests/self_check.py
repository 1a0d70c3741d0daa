"""What an extraction asks of every shard, asked of a few examples without a cache."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.models.runtime.check import differences, refuse, row_label, rows_to_check
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.models.sources.load import LoadedModel
from probekit.models.tokens.align import Encoded


def self_check(
    loaded: LoadedModel, encoded: Sequence[Encoded], layers: Sequence[str], *, names: Sequence[str] = ()
) -> dict[str, float]:
    """Compare a padded batch with its rows run one by one.

    Parameters
    ----------
    loaded : LoadedModel
    encoded : sequence of Encoded
        Candidates; the longest, the shortest and one between are read.
    layers : sequence of str
        Tensor names.
    names : sequence of str
        Ids of the examples, for the message.

    Returns
    -------
    dict
        Layer -> largest difference found, as a share of the layer's largest magnitude.

    Raises
    ------
    NumericError
        A state is not finite, or the difference is over the tolerance of the precision (float32
        1e-5, float16 5e-3, bfloat16 2e-2); the message names layer and example.
    """
    chosen = [place for place in rows_to_check([len(item.ids) for item in encoded]) if len(encoded[place].ids)]
    if not chosen:
        return {}
    rows = [encoded[place] for place in chosen]
    with Capture(loaded, layers) as capture:
        forward(loaded, pad(rows, loaded.pad_id))
        found = differences(loaded, capture, dict(enumerate(rows)))
    refuse(loaded, found, [row_label(encoded[place], names[place] if names else None) for place in chosen])
    return {item.layer: item.size for item in found}
