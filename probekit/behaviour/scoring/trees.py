"""Texts in one row, what they begin with in common read once.

Enters: sequences of ids. Leaves: rows of nodes. A node is a token with what stands before it, so that texts with the
same beginning share its nodes; each node sees its ancestors and itself. A row holds many texts and no two rows differ
much in width, so that next to nothing is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Row:
    """Some sequences as one row of nodes.

    Attributes
    ----------
    ids, position, parent : list of int
        Of each node; the parent of a first token is -1.
    members : list of (int, tuple of int)
        The place of each sequence among all, and its nodes.
    """

    ids: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    members: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    def sees(self) -> NDArray[np.bool_]:
        """Return which nodes each node sees, [nodes, nodes]."""
        seen = np.eye(len(self.ids), dtype=bool)
        for node, parent in enumerate(self.parent):
            if parent >= 0:
                seen[node, : parent + 1] = seen[parent, : parent + 1]
        return seen


def pack(sequences: Sequence[tuple[int, ...]], width: int) -> list[Row]:
    """Lay sequences into rows of at most ``width`` nodes (or of one longer sequence), the widest row first."""
    rows: list[Row] = []
    row: Row | None = None
    path: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    # Sorted, those that begin alike stand beside each other.
    for place in sorted(range(len(sequences)), key=sequences.__getitem__):
        sequence = sequences[place]
        shared = _common(before, sequence) if row is not None else 0
        if row is None or len(row.ids) + len(sequence) - shared > width:
            row, shared = Row(), 0
            rows.append(row)
        first = len(row.ids)
        count = len(sequence) - shared
        new = tuple(range(first, first + count))
        row.ids += sequence[shared:]
        row.position += range(shared, len(sequence))
        if count:
            row.parent += [path[shared - 1] if shared else -1, *new[:-1]]
        path = path[:shared] + new
        row.members.append((place, path))
        before = sequence
    return sorted(rows, key=lambda found: -len(found.ids))


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    for place, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return place
    return min(len(a), len(b))
