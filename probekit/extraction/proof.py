"""What is checked of a shard's rows while it is extracted: that each is what its example gives alone.

Enters: an engine and the pieces of a shard. Leaves: whether rows of unequal length may share a
batch, the largest difference found at every layer, and which rows were read twice. Surprise: what
is compared are rows as they are kept, at either end of the shard, and before them one batch of
mixed lengths, the sharpest test of masks and positions. Where that batch fails, padding changes
what this model says, and the shard is run in batches of equal length, which need none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probekit.extraction.batch import Piece
from probekit.extraction.engine import Engine
from probekit.models.runtime.check import Difference, witnesses


class Proof:
    """The check of one shard.

    Parameters
    ----------
    engine : Engine
    pieces : sequence of Piece
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

    def __init__(self, engine: Engine, pieces: Sequence[Piece], limit: int) -> None:
        self._engine = engine
        self._pieces = pieces
        self._lengths = [len(piece.encoded.ids) for piece in pieces]
        self._due = witnesses(self._lengths)
        self._rows: list[int] = []
        self.differences: dict[str, float] = {}
        self.padded = True
        if (mixed := self._mixed(limit)) is not None:
            engine.read(mixed)
            found = engine.compare(mixed, range(len(mixed)))
            self.padded = all(not item.size > engine.tolerance for item in found)
            if self.padded:
                self._note(found, mixed)

    def follow(self, cut: slice) -> None:
        """Compare what the engine has just run, the pieces of `cut`, with the same rows alone.

        Raises
        ------
        NumericError
            They differ: the states of this model depend on something else than the example.
        """
        rows = [place - cut.start for place in self._due if cut.start <= place < cut.stop]
        if not rows:
            return
        pieces = self._pieces[cut]
        found = self._engine.compare(pieces, rows)
        # A row that is not finite however it is read is the writer's to refuse: it names all of them.
        self._engine.refuse([item for item in found if item.size == item.size], pieces)
        self._note(found, [pieces[row] for row in rows])

    def to_json(self) -> dict[str, Any]:
        """Return what a receipt keeps; numbers are added over shards, those called largest are not."""
        return {
            "rows": len(self._rows),
            "lengths": self._rows,
            "largest_length": max(self._rows, default=0),
            "largest_allowed": self._engine.tolerance,
            "unpadded": 0 if self.padded else 1,
        }

    def _mixed(self, limit: int) -> list[Piece] | None:
        """Return the longest, a middle and the shortest of the pieces that a batch has room beside; None: none has."""
        shared = [piece for piece, length in zip(self._pieces, self._lengths, strict=True) if 2 * length <= limit]
        chosen = witnesses([len(piece.encoded.ids) for piece in shared])
        if len(chosen) < 2:
            return None
        if len(chosen) * len(shared[chosen[0]].encoded.ids) > limit:
            chosen = [chosen[0], chosen[-1]]
        return [shared[place] for place in chosen]

    def _note(self, found: Sequence[Difference], pieces: Sequence[Piece]) -> None:
        for item in found:
            rounded = float(f"{item.size:.2e}")
            self.differences[item.layer] = max(self.differences.get(item.layer, 0.0), rounded)
        self._rows.extend(len(piece.encoded.ids) for piece in pieces)
