"""Extraction under edits: a cache of what an edited model would hold.

Enters: edits. Leaves: what :func:`probekit.extract` takes as ``edits``. Their digests stand in the identity of the
cache, so that it is another than that of the model as it is, and another when a file of theirs holds other bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.ablation.edits import Edit, read_edits
from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel


@dataclass(frozen=True, slots=True)
class Edits:
    """Some edits, under which a model reads a corpus.

    Attributes
    ----------
    edits : tuple of Edit
        In the order in which those of one place act.

    Examples
    --------
    ::

        extract("minilm", "grammar", edits=Edits.read('{"site": "3.heads", "heads": [0, 4]}'))
    """

    edits: tuple[Edit, ...]

    @classmethod
    def read(cls, given: str | os.PathLike[str] | Iterable[Any]) -> Edits:
        """Read edits; see :func:`~probekit.ablation.read_edits`.

        Raises
        ------
        UsageError, InputError
            There are none, or what is given is no edit.
        """
        found = read_edits(given)
        if not found:
            raise UsageError('The `edits` option needs at least one edit, like {"site": "3.heads", "heads": [0]}.')
        return cls(found)

    def identity(self) -> list[dict[str, Any]]:
        """Return what decides what the edits do, their files by the digests of their bytes."""
        return [edit.identity() for edit in self.edits]

    def at_work(self, loaded: LoadedModel) -> AbstractContextManager[None]:
        """Return a context in which the model runs under the edits."""
        from probekit.ablation.acting import edited  # imports torch, which a complete cache needs not

        return edited(loaded, self.edits)
