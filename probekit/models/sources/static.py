"""Static embeddings as models: word vectors from a file, or the input embeddings of a model alone.

Enters: ``static:vectors.txt``, or ``static:MODEL`` for a folder, a hub name or ``minilm``. Leaves: a
source that loads into a table with one layer, 0: no context, no positions, no norm. Surprise:
``static:MODEL`` keeps the tokens, the special ones and the length limit of MODEL, although a table has
no limit, so that the two caches of one corpus have the same rows and their scores the same targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.controls import SHUFFLED_LAYERS, Control
from probekit.devices import DeviceMap
from probekit.errors import UsageError, check_recordable
from probekit.model_names import STATIC
from probekit.models.sources.digests import file_digest, text_digest
from probekit.models.sources.locate import TransformersSource, locate
from probekit.models.sources.vectors import read_vectors

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

FILES = (".txt", ".vec", ".gz", ".bin")
"""Suffixes that no model folder or hub name is thought to have: a missing file is then a missing file."""

READING = "one row a word: its form, else its lower-cased form, else the mean of all vectors"
"""How words find their vectors; part of a cache's identity, in the place of config and tokenizer."""


def is_static(name: str) -> bool:
    """Whether a model's name speaks of static embeddings."""
    return name.startswith(STATIC)


def named_path(name: str) -> Path:
    """Return the path that a model's name would have on this machine, without ``static:``.

    Raises
    ------
    UsageError
        It begins with a home folder that there is not.
    """
    check_recordable(name)
    try:
        return Path(name.removeprefix(STATIC)).expanduser()
    except RuntimeError:
        raise UsageError(f"The model '{name}' names a home folder that does not exist.") from None


@dataclass(frozen=True)
class VectorFile:
    """A file of word vectors, in the text format of GloVe or of word2vec.

    Attributes
    ----------
    name : str
        ``static:`` included.
    path : Path
    """

    name: str
    path: Path

    @property
    def revision(self) -> None:
        """A file has none."""
        return

    @property
    def remarks(self) -> tuple[str, ...]:
        """Nothing: it is the file that was named."""
        return ()

    def digests(self) -> dict[str, str]:
        """Return the sha256 of the file (``weights``) and of the rule by which words find their vectors."""
        rule = text_digest([READING])
        return {"weights": file_digest(self.path), "config": rule, "tokenizer": rule}

    def files(self) -> list[Path]:
        """Return the file."""
        return [self.path]

    def load(
        self,
        *,
        dtype: str = "float32",
        device: str | DeviceMap = "auto",
        control: Control | None = None,
        attention: str | None = None,
    ) -> LoadedModel:
        """Read the file into a table; see :func:`~probekit.models.sources.vectors.read_vectors`."""
        if control is not None:
            raise UsageError(
                f"The `{control.kind.replace('-', '_')}` option needs an architecture to draw from, which {self.path} "
                "has not. Leave it out, or name a model."
            )
        from probekit.models.sources.embedding_table import word_vector_model

        return word_vector_model(self, read_vectors(self.path), dtype=dtype, device=device)


@dataclass(frozen=True)
class InputTable:
    """The input embeddings of a model, without the rest of it.

    Attributes
    ----------
    name : str
        ``static:`` included.
    model : TransformersSource
    """

    name: str
    model: TransformersSource

    @property
    def revision(self) -> str | None:
        """That of the model."""
        return self.model.revision

    @property
    def remarks(self) -> tuple[str, ...]:
        """Those of the model."""
        return self.model.remarks

    def digests(self) -> dict[str, str]:
        """Return those of the whole model: to change any part of it is to change the model."""
        return self.model.digests()

    def files(self) -> list[Path]:
        """Return those of the whole model."""
        return self.model.files()

    def load(
        self,
        *,
        dtype: str = "float32",
        device: str | DeviceMap = "auto",
        control: Control | None = None,
        attention: str | None = None,
    ) -> LoadedModel:
        """Load the model, keep its table and its tokenizer."""
        from probekit.models.sources.embedding_table import input_embedding_model
        from probekit.models.sources.load import load

        if control is not None and control.kind == SHUFFLED_LAYERS:
            raise UsageError(
                f"The `shuffled_layers` option exchanges blocks, and '{self.name}' is a table without any: leave it "
                "out."
            )
        # On the CPU, since all but the table is let go of again.
        whole = load(self.model, dtype=dtype, device="cpu", control=control)
        return input_embedding_model(self, whole, device=device)


def static_source(name: str, *, revision: str | None = None) -> VectorFile | InputTable:
    """Find what ``static:...`` names: a file of vectors where there is one, else a model.

    Raises
    ------
    UsageError
        No such file, no such model, or a revision of a file.
    NetworkError
        See :func:`~probekit.models.sources.locate.locate`.
    """
    rest, path = name.removeprefix(STATIC), named_path(name)
    if path.is_file():
        if revision is not None:
            raise UsageError(
                f"The `revision` option is for names on the hub; '{rest}' is a file of vectors. Leave it out."
            )
        return VectorFile(name, path.resolve())
    if path.suffix in FILES and not path.is_dir():
        raise UsageError(f"There is no file of word vectors '{rest}'. Check the path.")
    if not rest:
        raise UsageError(
            "The MODEL 'static:' names nothing. Add a file of word vectors (static:vectors.txt) or a model "
            "(static:minilm)."
        )
    return InputTable(name, locate(rest, revision=revision))
