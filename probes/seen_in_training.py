"""Whether the model saw the sentence in its training: ``seen-in-training:FILES``, from the sentence's vector.

FILES are texts that the model was trained on, or a pattern of them (``novels/*.txt.gz``; plain, gzipped or in an
archive). A sentence is ``seen`` if its words, case and signs ignored, stand in them, else ``unseen``: every run of
eight of its words must occur. Sentences of fewer are left out, since they may occur anywhere. The corpus must hold both
kinds: lines of the texts, and lines of texts like them that the model did not read. What tells the two apart besides
memory (names, style) is for the bag-of-words floor and a model with random weights to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from probekit.corpus.folder import file_readers, files_of
from probekit.example import Example
from probekit.tasks import ProbeTask, Target

from ._helpers import sentence_target


def targets(example: Example, option: str) -> Iterator[Target]:
    """Yield whether a sentence stands in the texts."""
    # Numbers are imported where they are needed: the catalogue is listed without.
    from ._runs import stands_in

    seen = stands_in(" ".join(example.words), _files(option))
    if seen is not None:
        yield sentence_target(example, "seen" if seen else "unseen")


def needs_of(option: str) -> tuple[str, ...]:
    """Check that there are such files; no annotation is read.

    Raises
    ------
    InputError, UsageError
    """
    _files.cache_clear()
    _files(option)
    return ()


@lru_cache(maxsize=1)
def _files(option: str) -> tuple[Path, ...]:
    return files_of(Path(option).expanduser(), file_readers()["text"]).files


TASK = ProbeTask(
    "seen-in-training",
    targets,
    kind="sentence",
    option="files",
    needs_of=needs_of,
    reference="Carlini et al. 2021, Extracting training data from large language models",
)
