"""Modified Kneser-Ney smoothing written from the formulas of Chen & Goodman 1998, one probability at a time.

Slow and plain: tuples in counters, no back-off weights, a recursion for each question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Gram = tuple[str, ...]


class Slow:
    """Answers ``probability(word, context)`` for sentences, each between ``<s>`` and ``</s>``."""

    def __init__(self, sentences: Sequence[Sequence[str]], order: int, fallback: Sequence[float]) -> None:
        padded = [("<s>", *sentence, "</s>") for sentence in sentences]
        self.order = order
        self.words = {word for sentence in padded for word in sentence} - {"<s>"} | {"<unk>"}
        raw = {n: Counter(s[i : i + n] for s in padded for i in range(len(s) - n + 1)) for n in range(1, order + 1)}
        self.counts: dict[int, Counter[Gram]] = {order: raw[order]}
        for n in range(1, order):
            in_front = Counter(gram[1:] for gram in raw[n + 1])
            self.counts[n] = Counter({g: raw[n][g] if g[0] == "<s>" else in_front[g] for g in raw[n]})
        self.counts[1][("<s>",)] = 0
        self.off = {n: self._discounts(n, fallback) for n in self.counts}

    def _discounts(self, n: int, fallback: Sequence[float]) -> Sequence[float]:
        t = Counter(self.counts[n].values())
        if not (t[1] and t[2] and t[3]):
            return (0.0, *fallback)
        y = t[1] / (t[1] + 2 * t[2])
        found = (0.0, 1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2], 3 - 4 * y * t[4] / t[3])
        return found if all(0 <= d <= i for i, d in enumerate(found)) else (0.0, *fallback)

    def probability(self, word: str, context: Gram) -> float:
        context = context[max(0, len(context) - self.order + 1) :]
        n = len(context) + 1
        behind = {gram[-1]: a for gram, a in self.counts[n].items() if gram[:-1] == context and a}
        below = self.probability(word, context[1:]) if context else 1 / len(self.words)
        if not behind:
            return below
        total = sum(behind.values())
        gamma = sum(self.off[n][min(a, 3)] for a in behind.values()) / total
        a = behind.get(word, 0)
        return max(a - self.off[n][min(a, 3)], 0) / total + gamma * below
