"""A small real part of EWT, read by its columns and averaged word by word: what every oracle starts from.

Enters: the treebank's folder. Leaves: a folder of whole documents from all over each official split, its cache at
layers 0, 3 and 6, and, read apart from the code under test, sentences and the vectors of their words. Surprise: only
the cache's rows and their index come from the code under test.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from papers.plain import layer_of, mean, token_rows

from probekit import ActivationCache, extract

SPLITS = ("train", "dev", "test")
LAYERS = (0, 3, 6)
SIZES, LONGEST = {"train": 200, "dev": 70, "test": 70}, 16
"""Sentences of each split, about (the last document is taken whole), and of a document at most."""


@dataclass(frozen=True)
class Sentence:
    """The columns of one sentence; heads from 1 (0: the root)."""

    document: str
    words: list[str]
    upos: list[str]
    xpos: list[str]
    heads: list[int]
    deprel: list[str]

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class Part:
    """A corpus and its cache.

    `folder` holds the CoNLL-U files, `sentences` what they say by split, in the order of the corpus.
    """

    folder: Path
    cache: ActivationCache
    sentences: dict[str, list[Sentence]]
    _made: dict[int, dict[str, list[np.ndarray]]] = field(default_factory=dict)

    @cached_property
    def _rows(self) -> dict[tuple[int, int], list[int]]:
        return token_rows(self.cache)

    def vectors(self, layer: int) -> dict[str, list[np.ndarray]]:
        """The vectors of the words of every sentence, [n, d] float64 each, by split: the mean of a word's tokens."""
        if layer not in self._made:
            values, number = layer_of(self.cache, layer), 0
            self._made[layer] = {split: [] for split in self.sentences}
            for split, sentences in self.sentences.items():
                for sentence in sentences:
                    words = [mean(values, self._rows[number, word]) for word in range(len(sentence))]
                    self._made[layer][split].append(np.array(words))
                    number += 1
        return self._made[layer]


def documents(treebank: Path, split: str) -> list[list[str]]:
    """The documents of an official split, each a list of blocks of lines."""
    with gzip.open(treebank / f"en_ewt-ud-{split}.conllu.gz", "rt", encoding="utf-8") as file:
        blocks = file.read().strip().split("\n\n")
    found: list[list[str]] = []
    for block in blocks:
        if "# newdoc id" in block:
            found.append([])
        found[-1].append(block)
    return found


def spread(found: list[list[str]], sentences: int) -> list[list[str]]:
    """Whole documents, none of them long, from the start to the end of a split, until there are so many sentences."""
    kept: list[list[str]] = []
    step = max(1, sum(map(len, found)) // sentences)
    found = [document for document in found if len(document) <= LONGEST]
    for start in range(step):
        for document in found[start::step]:
            if sum(map(len, kept)) >= sentences:
                return kept
            kept.append(document)
    return kept


def first(found: list[list[str]], sentences: int) -> list[list[str]]:
    """The first sentences of a split; the last document may be cut."""
    blocks = [(number, block) for number, document in enumerate(found) for block in document][:sentences]
    return [[block for at, block in blocks if at == number] for number in range(blocks[-1][0] + 1)]


def write(folder: Path, parts: dict[str, list[list[str]]]) -> Path:
    """Write one CoNLL-U file a split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, kept in parts.items():
        text = "\n\n".join(block for document in kept for block in document)
        (folder / f"small-ud-{split}.conllu").write_text(text + "\n\n", encoding="utf-8")
    return folder


def read(path: Path) -> Iterator[Sentence]:
    """Read CoNLL-U by its columns: words in one piece, no ranges, no empty nodes."""
    document = ""
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        document = next((line.partition("= ")[2] for line in lines if line.startswith("# newdoc id")), document)
        columns = [line.split("\t") for line in lines if not line.startswith("#")]
        word = [row for row in columns if row[0].isdigit()]
        form, upos, xpos, heads, deprel = ([row[place] for row in word] for place in (1, 3, 4, 6, 7))
        yield Sentence(document, form, upos, xpos, [int(head) for head in heads], deprel)


def opened(folder: Path, cache: ActivationCache) -> Part:
    """Read the files beside a cache of theirs."""
    return Part(folder, cache, {split: list(read(folder / f"small-ud-{split}.conllu")) for split in SPLITS})


def made(treebank: Path, folder: Path) -> Part:
    """Write the part, extract it, read it."""
    parts = {split: spread(documents(treebank, split), size) for split, size in SIZES.items()}
    write(folder / "corpus", parts)
    result = extract("minilm", folder / "corpus", layers=list(LAYERS), cache=folder / "root")
    return opened(folder / "corpus", ActivationCache.open(result.cache))
