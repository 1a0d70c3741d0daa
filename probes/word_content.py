"""Which of a hundred words the sentence contains, from its vector.

The words are those of ranks 101 to 200 when the words of the training part (case ignored, letters alone) are
ranked by the number of sentences that they occur in. Sentences with none or several of them are left out. (The
original takes a thousand words of ranks 2,001 to 3,000 from 100,000 sentences.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from probekit.example import Example
from probekit.tasks import Draft, ProbeTask, Target

from ._helpers import sentence_target

_SKIPPED = 100
_KEPT = 100


def targets(example: Example) -> Iterator[Target]:
    """Yield a draft for every different word of the sentence."""
    for word in dict.fromkeys(word.lower() for word in example.words if word.isalpha()):
        yield sentence_target(example, word)


def finalise(drafts: Sequence[Draft]) -> Iterable[Draft]:
    """Keep the sentences that have exactly one of the words."""
    counts = Counter(draft.target.label for draft in drafts if draft.split == "train")
    ranked = sorted(counts, key=lambda word: (-counts[word], str(word)))
    words = set(ranked[_SKIPPED : _SKIPPED + _KEPT])
    chosen = [draft for draft in drafts if draft.target.label in words]
    per_sentence = Counter(draft.example for draft in chosen)
    return [draft for draft in chosen if per_sentence[draft.example] == 1]


TASK = ProbeTask(
    "word-content",
    targets,
    kind="sentence",
    finalise=finalise,
    reference="Conneau et al. 2018, What you can cram into a single $&!#* vector",
)
