"""The small part is what the oracles take it for."""

from __future__ import annotations

import numpy as np
from small import LAYERS, LONGEST, SIZES, Part


def test_the_part_has_whole_documents_and_a_vector_for_every_word(part: Part) -> None:
    seen: set[str] = set()
    for split, sentences in part.sentences.items():
        documents = {sentence.document for sentence in sentences}
        assert SIZES[split] <= len(sentences) < SIZES[split] + LONGEST
        assert len(documents) >= 10
        assert not seen & documents
        seen |= documents
    for layer in LAYERS:
        for split, vectors in part.vectors(layer).items():
            assert [len(H) for H in vectors] == [len(sentence) for sentence in part.sentences[split]]
            assert all(np.isfinite(H).all() for H in vectors)
