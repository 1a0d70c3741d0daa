"""What a MODEL can be: a transformers model, or a table of vectors behind ``static:``.

Enters: what the user typed. Leaves: a :class:`Source`, which knows its digests and can load itself.
Surprise: nothing here imports torch; a source does, when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from probekit.errors import CacheError
from probekit.models.digests import stamp
from probekit.models.locate import locate
from probekit.models.static import is_static, static_source

if TYPE_CHECKING:
    from probekit.models.load import LoadedModel


class Source(Protocol):
    """A model's files, whatever they are; see :class:`~probekit.models.locate.ModelSource`."""

    @property
    def name(self) -> str:
        """As the user said it."""

    @property
    def revision(self) -> str | None:
        """Commit on the hub, where it came from there."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be said of how its files were found."""

    def digests(self) -> dict[str, str]:
        """Return sha256 digests: ``weights``, ``config``, ``tokenizer``."""

    def files(self) -> list[Path]:
        """Return the files that the digests are of."""

    def load(self, *, dtype: str = "float32", device: str = "auto", random_weights: int | None = None) -> LoadedModel:
        """Load it; see :func:`probekit.models.load.load`."""


def find_model(model: str | Path | None = None, *, revision: str | None = None) -> Source:
    """Find what a MODEL names.

    Parameters
    ----------
    model : str, Path or None
        What :func:`~probekit.models.locate.locate` takes, or ``static:`` and a file of word vectors, or
        ``static:`` and the name of such a model: its input embeddings alone.
    revision : str or None
        Branch, tag or commit, for names on the hub.

    Returns
    -------
    Source

    Raises
    ------
    UsageError, NetworkError
        See :func:`~probekit.models.locate.locate`.
    """
    if is_static(str(model)):
        return static_source(str(model), revision=revision)
    return locate(model, revision=revision)


def stamps(source: Source) -> dict[Path, str]:
    """Return a stamp of each file of a model."""
    return {path: stamp(path) for path in source.files()}


def check_unchanged(source: Source, before: Mapping[Path, str]) -> None:
    """Refuse a model whose files were written to between hashing and loading: its key would be that of another one.

    Raises
    ------
    CacheError
    """
    changed = [path for path, then in before.items() if stamp(path) != then]
    if changed:
        raise CacheError(
            f"{changed[0]} changed while the model '{source.name}' was read: its digest may not be that of the weights "
            "that were loaded. Nothing was extracted. Run the command again once nothing writes to the model."
        )
