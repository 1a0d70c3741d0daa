"""What models read: examples, the corpora that stream them, and the readers behind these."""

from __future__ import annotations

from probekit.corpus.corpus import Corpus, CorpusSource, Notes, fingerprint
from probekit.corpus.joining import annotated, reopen_annotated
from probekit.corpus.opening import open_corpus, reopen_corpus
from probekit.corpus.pickling import reduce_corpus  # noqa: F401  (sets how a corpus is pickled)
from probekit.corpus.repeats import repeated_across_splits, repeated_ordinals
from probekit.example import Example, Span

__all__ = [
    "Corpus",
    "Example",
    "Notes",
    "CorpusSource",
    "Span",
    "annotated",
    "fingerprint",
    "open_corpus",
    "reopen_annotated",
    "reopen_corpus",
    "repeated_across_splits",
    "repeated_ordinals",
]
