"""Which examples train, which choose, which report: rules that give every example its split.

What enters is what the source says (file names, a column, nothing); what leaves is a :class:`SplitRule`, a sentence
for the report and a function. A source that names one part alone, or none, is split by hash; a train part beside one
other gives up 10 % for the third, and dev beside test gives up most of itself for train: what a source calls test is
never trained on beside another part.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from probekit.corpus.split_names import WORDS
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.example import SPLITS, Example

SEED = 0
HELD_OUT = 0.1
LEARNT = 0.8
"""Of dev, where a source has dev and test but no train part."""
# id, group, what the source says, where -> split
Assign = Callable[[str, str | None, str | None, str], str]


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How splits are made: ``text`` says it in a sentence, ``assign`` does it."""

    text: str
    assign: Assign


def split_of_value(value: object, where: str) -> str | None:
    """Return the split that a column's value names; None stays None.

    Raises
    ------
    InputError
        For any other value.
    """
    if value is None:
        return None
    name = WORDS.get(value.lower()) if isinstance(value, str) else None
    if name is None:
        hint = did_you_mean(value, ("train", "dev", "validation", "test")) if isinstance(value, str) else ""
        raise InputError(f"{where}: the split {value!r} is not one of train, dev (validation), test.{hint}")
    return name


def by_hash(*, seed: int = SEED) -> SplitRule:
    """Split by hash of the group, or of the id where there is none: 80/10/10."""
    draw = fraction("split", seed)

    def assign(identifier: str, group: str | None, given: str | None, where: str) -> str:
        if given is not None:
            raise InputError(
                f"{where}example '{identifier}' names the split '{given}', but examples before it name none. "
                "Give every example a split, or none."
            )
        value = draw(identifier if group is None else group)
        return "train" if value < 1 - 2 * HELD_OUT else "dev" if value < 1 - HELD_OUT else "test"

    return SplitRule(f"hash of the document (of the sentence where there is none), 80/10/10, seed {seed}", assign)


def as_given(present: Iterable[str], *, by: str, seed: int = SEED) -> SplitRule:
    """Take the splits that the source names; carve a missing one by hash: dev or test from train, train from dev.

    Parameters
    ----------
    present : iterable of str
        The splits that occur in the source.
    by : str
        Who names them, for the sentence: ``"file names"``, ``"column 'split'"``.
    """
    have = set(present)
    missing = [split for split in SPLITS if split not in have]
    carve = fraction("carve", seed)
    hashed = by_hash(seed=seed)
    enough = len(have) > 1
    giver, share = ("train", HELD_OUT) if "train" in have else ("dev", LEARNT)

    def assign(identifier: str, group: str | None, given: str | None, where: str) -> str:
        if given is None:
            raise InputError(
                f"{where}example '{identifier}' names no split, but others do. Give every example a split, or none."
            )
        if given not in SPLITS:
            raise InputError(f"{where}the split {given!r} of example '{identifier}' is not one of {', '.join(SPLITS)}.")
        if not enough:
            return hashed.assign(identifier, group, None, where)
        if given == giver and missing and carve(identifier if group is None else group) < share:
            return missing[0]
        return given

    if not enough:
        only = " and ".join(split for split in SPLITS if split in have)
        return SplitRule(f"{hashed.text} ({by}: {only} alone)", assign)
    if missing:
        by += (
            f"; {missing[0]} is {100 * share:.0f} % of the documents (sentences where there are none) of {giver}, "
            f"by hash, seed {seed}"
        )
    return SplitRule(by, assign)


def fraction(purpose: str, seed: int) -> Callable[[str], float]:
    """Return a function from strings to [0, 1), the same on every machine, independent for each purpose."""
    base = hashlib.blake2b(f"{purpose}\0{seed}\0".encode(), digest_size=8)

    def draw(key: str) -> float:
        hasher = base.copy()
        hasher.update(key.encode())
        # 53 bits, so that the quotient is exact and below 1.
        return (int.from_bytes(hasher.digest(), "big") >> 11) / (1 << 53)

    return draw


class Sampler:
    """Draws n examples that keep the proportions of the splits, the same ones whatever their order.

    The first pass (:meth:`fit`) counts the splits and finds the n smallest hashes of each; it holds
    O(n) numbers, not the corpus.
    """

    def __init__(self, n: int, seed: int = SEED) -> None:
        if n < 1:
            raise UsageError(f"A subsample must keep at least 1 example. Got {n}.")
        self.n = n
        self.seed = seed
        self._draw = fraction("subsample", seed)
        self._limits: dict[str, float] | None = None

    @property
    def fitted(self) -> bool:
        """Whether the pass over the whole corpus was made."""
        return self._limits is not None

    def fit(self, examples: Iterable[Example]) -> None:
        """Find which hash of each split is the last to be kept."""
        counts = dict.fromkeys(SPLITS, 0)
        smallest: dict[str, list[float]] = {split: [] for split in SPLITS}
        for example in examples:
            split = example.split
            assert split is not None
            counts[split] += 1
            heap, value = smallest[split], -self._draw(example.id)
            if len(heap) < self.n:
                heapq.heappush(heap, value)
            elif value > heap[0]:
                heapq.heapreplace(heap, value)
        quotas = _quotas(counts, self.n)
        self._limits = {
            split: sorted(-value for value in heap)[quotas[split] - 1] if quotas[split] else -1.0
            for split, heap in smallest.items()
        }

    def keeps(self, example: Example) -> bool:
        """Return whether the example is drawn."""
        assert self._limits is not None
        assert example.split is not None
        return self._draw(example.id) <= self._limits[example.split]


def _quotas(counts: dict[str, int], n: int) -> dict[str, int]:
    """Share out n by largest remainder; a split that exists gets at least one where n allows it."""
    total = sum(counts.values())
    if n >= total:
        return counts
    exact = {split: n * count / total for split, count in counts.items()}
    quotas = {split: int(share) for split, share in exact.items()}
    for split in sorted(exact, key=lambda split: quotas[split] - exact[split])[: n - sum(quotas.values())]:
        quotas[split] += 1
    for split in SPLITS:
        largest = max(SPLITS, key=lambda name: quotas[name])
        if counts[split] and not quotas[split] and quotas[largest] > 1:
            quotas[split] += 1
            quotas[largest] -= 1
    return quotas
