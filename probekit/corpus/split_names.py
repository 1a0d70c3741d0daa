"""Which split the name of a file says: a stem in, a :class:`ParsedName` out.

Recognised are, as a word of their own (between ``-``, ``_``, ``.``, ``+``, spaces, digits or a change to capitals)::

    train  train, training, trn, trainset
    dev    dev, devel, development, devset, valid, validation, validset, val, valset; testa (CoNLL-2002, CoNLL-2003)
    test   test, testing, tst, testset; testb (CoNLL-2002, CoNLL-2003)

Behind it may stand what numbers the parts of a split: ``train-a``, ``train-1``, ``train_part2``,
``train-00000-of-00002``; and ``set``, ``data``, ``file``, ``split``. Surprise: a name that says two splits
(``train_dev``, ``trainval``) says none, for whoever takes it for one trains on the other; ``eval``, ``trial``, ``tune``
and ``heldout`` are dev to some and test to others, and are not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS = {
    **dict.fromkeys(("train", "training", "trn", "trainset"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "devset"), "dev"),
    **dict.fromkeys(("valid", "validation", "validset", "val", "valset"), "dev"),
    **dict.fromkeys(("test", "testing", "tst", "testset"), "test"),
}
UNSURE = ("eval", "evaluation", "evalset", "trial", "tune", "heldout")
_CONLL = {"testa": "dev", "testb": "test"}
_NUMBERS = re.compile(r"\d+|[a-z]|of|part|shard|chunk|fold")
_FILLERS = ("set", "data", "file", "split", "ud")
# What may stand before a split word to say that a file is something else: ``pre-train``, ``non-test``.
_NEGATIONS = ("pre", "non", "not", "no", "without")
_SEVERAL = re.compile(rf"(?:{'|'.join(sorted(WORDS, key=len, reverse=True))}){{2,}}")
_EACH = re.compile("|".join(sorted(WORDS, key=len, reverse=True)))
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class ParsedName:
    """What a name says.

    Attributes
    ----------
    splits : tuple of str
        The splits that it names; two make none of them.
    before : tuple of str
        The words before the split.
    numbered : bool
        Whether it numbers parts.
    rest : tuple of str
        Words behind the split that are not known: of ``test.blind``, ``blind``.
    unsure : str
        The word of :data:`UNSURE` that it ends in, where it names no split.
    """

    splits: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    numbered: bool = False
    rest: tuple[str, ...] = ()
    unsure: str = ""

    @property
    def split(self) -> str | None:
        """The one split that it names, whatever else it says."""
        return self.splits[0] if len(self.splits) == 1 else None

    @property
    def coded(self) -> bool:
        """Whether what stands behind are short codes alone: of a language, or of a part (``train-ca``)."""
        return bool(self.rest) and all(len(word) == 2 for word in self.rest)


def parse_name(stem: str) -> ParsedName:
    """Return what a file's stem says.

    >>> said_by("cs_pdt-ud-train-00000-of-00002")
    ParsedName(splits=('train',), before=('cs', 'pdt', 'ud'), numbered=True, rest=(), unsure='')
    """
    words = [word.lower() for token in _TOKEN.findall(stem) for word in _CAPITAL.split(token)]
    places = [at for at, word in enumerate(words) if _splits_of(word) and not (at and words[at - 1] in _NEGATIONS)]
    if not places:
        return ParsedName(unsure=words[-1] if words and words[-1] in UNSURE else "")
    splits = tuple(dict.fromkeys(split for at in places for split in _splits_of(words[at])))
    behind = words[places[-1] + 1 :]
    numbers = [word for word in behind if _NUMBERS.fullmatch(word)]
    rest = tuple(word for word in behind if word not in _FILLERS and word not in numbers)
    return ParsedName(splits, tuple(words[: places[0]]), bool(numbers) or words[places[-1]] in _CONLL, rest)


def says_split(word: str) -> bool:
    """Tell whether a word says one split or several."""
    return bool(_splits_of(word.lower()))


def split_of_name(stem: str) -> str | None:
    """Return the split that a file's stem says (``en_ewt-ud-dev`` -> ``dev``), or None."""
    said = parse_name(stem)
    return said.split if not said.rest or said.coded else None


def _splits_of(word: str) -> list[str]:
    if word in _CONLL:
        return [_CONLL[word]]
    if word in WORDS:
        return [WORDS[word]]
    # ``traindev``; ``testset`` is a word of its own.
    return [WORDS[part] for part in _EACH.findall(word)] if _SEVERAL.fullmatch(word) else []
