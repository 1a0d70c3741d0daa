"""What is checked of a shard's rows while it is extracted: that each is what its example gives alone.

Enters: a forward pass and the segments of a shard. Leaves: whether rows of unequal length may share a batch, the
largest difference found at every layer, and which rows were read twice. What is compared are rows as they are kept, at
either end of the shard, and before them one batch of mixed lengths, the sharpest test of masks and positions. Where
that batch fails, padding changes what this model says, and the shard is run in batches of equal length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probekit.extraction.forward_pass import ForwardPass
from probekit.extraction.layout import Segment
from probekit.models.runtime.check import Difference, rows_to_check


class BatchCheck:
    """The check of one shard.

    Parameters
    ----------
    forward_pass : ForwardPass
    segments : sequence of Segment
        Of the whole shard, in order.
    limit : int
        Tokens of a batch, padding included.

    Attributes
    ----------
    padded : bool
        Whether rows may stand beside longer ones.
    differences : dict
        Layer -> largest difference to the same row alone, as a share of the layer's largest magnitude.
    """

    def __init__(self, forward_pass: ForwardPass, segments: Sequence[Segment], limit: int) -> None:
        self._forward_pass = forward_pass
        self._segments = segments
        self._lengths = [len(segment.encoded.ids) for segment in segments]
        self._due = rows_to_check(self._lengths)
        self._rows: list[int] = []
        self.differences: dict[str, float] = {}
        self.padded = True
        if (mixed := self._mixed(limit)) is not None:
            forward_pass.read(mixed)
            found = forward_pass.compare(mixed, range(len(mixed)))
            self.padded = all(not item.size > forward_pass.tolerance for item in found)
            if self.padded:
                self._note(found, mixed)

    def compare(self, cut: slice) -> None:
        """Compare what the forward pass has just run, the segments of `cut`, with the same rows alone.

        Raises
        ------
        NumericError
            They differ: the states of this model depend on something else than the example.
        """
        rows = [place - cut.start for place in self._due if cut.start <= place < cut.stop]
        if not rows:
            return
        segments = self._segments[cut]
        found = self._forward_pass.compare(segments, rows)
        # A row that is not finite however it is read is the writer's to refuse: it names all of them.
        self._forward_pass.refuse([item for item in found if item.size == item.size], segments)
        self._note(found, [segments[row] for row in rows])

    def to_json(self) -> dict[str, Any]:
        """Return what a receipt keeps; numbers are added over shards, those called largest are not."""
        return {
            "rows": len(self._rows),
            "lengths": self._rows,
            "largest_length": max(self._rows, default=0),
            "largest_allowed": self._forward_pass.tolerance,
            "unpadded": 0 if self.padded else 1,
        }

    def _mixed(self, limit: int) -> list[Segment] | None:
        """Return the longest, a middle and the shortest segment of those that fit beside another; None: none does."""
        shared = [segment for segment, length in zip(self._segments, self._lengths, strict=True) if 2 * length <= limit]
        chosen = rows_to_check([len(segment.encoded.ids) for segment in shared])
        if len(chosen) < 2:
            return None
        if len(chosen) * len(shared[chosen[0]].encoded.ids) > limit:
            chosen = [chosen[0], chosen[-1]]
        return [shared[place] for place in chosen]

    def _note(self, found: Sequence[Difference], segments: Sequence[Segment]) -> None:
        for item in found:
            rounded = float(f"{item.size:.2e}")
            self.differences[item.layer] = max(self.differences.get(item.layer, 0.0), rounded)
        self._rows.extend(len(segment.encoded.ids) for segment in segments)
