"""What a cache keeps of each text: a row a token, or rows that pool tokens, and what can still be asked of them.

Enters: what was typed behind ``--keep``, or stands in the identity of a cache. Leaves: a frozen :class:`Keep`, and the
refusals of what it no longer answers, each with the ``--keep`` that would have held it. Nothing is looked up here, so
that a cache opens where a position or a task is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.errors import CacheError, UsageError

if TYPE_CHECKING:
    from probekit.cache.reader import ActivationCache

TOKENS, WORDS, SENTENCE, SPANS = "tokens", "words", "sentence", "spans"
POOLS = ("mean", "first", "last")
"""How the tokens of a row become one vector: as those of a target do, see :class:`probekit.features.Pooler`."""
KEEP = "keep"
"""In the identity of a cache that keeps no row a token."""
KEPT_PLACES = "kept_places"
"""In the identity, where rows stand at places of their own: the digest of which places those are."""
_WITH_OPTION = ("mark", SPANS)
"""What is followed by a name, which may be ``first`` or ``last``, and stands in double quotes where it has a comma."""
_QUOTE = '"'
_QUOTED = re.compile(rf'\s*({"|".join(_WITH_OPTION)}):"((?:[^"]|"")*)"(?::({"|".join(POOLS)}))?\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Keep:
    """Which rows a cache has.

    Attributes
    ----------
    units : tuple of str
        ``("tokens",)``, ``("words",)``, or places, sorted: ``sentence``, ``spans:TASK``, the name of a position.
    pool : {"mean", "first", "last"}
        How the tokens of a row become one vector; of tokens and of positions of one token it says nothing.
    """

    units: tuple[str, ...] = (TOKENS,)
    pool: str = "mean"

    @property
    def pooled(self) -> bool:
        """Whether a row may be more than a token, or tokens may be missing."""
        return self.units != (TOKENS,)

    @property
    def places(self) -> bool:
        """Whether there is a row for each of some places of an example, and for nothing else."""
        return self.units not in ((TOKENS,), (WORDS,))

    @property
    def name(self) -> str:
        """What ``--keep`` says, in its one spelling."""
        # A unit that ends like a pool (a task 'column:first') has the pool behind it, or it would be read as one.
        endings = [not _in_quotes(unit) and bool(_apart(unit)[1]) for unit in self.units]
        named = [
            _in_quotes(unit) or (f"{unit}:{self.pool}" if like_a_pool else unit)
            for unit, like_a_pool in zip(self.units, endings, strict=True)
        ]
        return ",".join(named) + (f":{self.pool}" if self.pool != "mean" and not endings[-1] else "")

    @property
    def said(self) -> str:
        """What is kept, in words."""
        way = {"mean": "the mean of its tokens", "first": "its first token with text", "last": "its last token"}
        if not self.pooled:
            return "a row a token"
        if not self.places:
            return f"a row a word, {way[self.pool]}"
        if self.units == (SENTENCE,):
            return f"a row an example, {way[self.pool]}"
        # Whether a position is one token, its own file says, which is not looked up here.
        return f"a row for {' and for '.join(self.units)} of each example, {way[self.pool]} where it has several"

    @classmethod
    def read(cls, text: Any) -> Keep:
        """Read ``words``, ``words:first``, ``sentence,last-prompt``; a last part that is a pool is for all of them.

        A name that has a comma stands in double quotes, ``spans:"regex:a{1,2}",last``; in them ``""`` is one of them.

        Raises
        ------
        UsageError
            Nothing is named, something twice, or tokens or words beside something else; two ways of pooling.
        """
        if isinstance(text, Keep):
            return text
        wanted = (
            'tokens, words, or a list of places: sentence, spans:TASK (spans:"TASK" where it has a comma), positions '
            "as probe --at names them"
        )
        units, pools = zip(*_parts(plain.text(text, KEEP, wanted)), strict=True)
        given = {pool for pool in pools if pool}
        alone = {TOKENS, WORDS} & set(units)
        if not all(units) or len(set(units)) < len(units) or (alone and len(units) > 1):
            raise UsageError(f"The `keep` option must be {wanted}. Got '{text:.60}'.")
        if len(given) > 1:
            raise UsageError(
                f"The `keep` option pools all of a cache in one way, and '{text:.60}' names "
                f"{' and '.join(sorted(given))}. Extract twice: the two are two caches."
            )
        if TOKENS in units and given:
            raise UsageError(f"The `keep` option 'tokens' pools nothing, so '{text:.60}' has no use. Got a pool.")
        return cls(tuple(sorted(units)), given.pop() if given else "mean")

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Keep:
        """Return what a cache keeps, by its identity."""
        written = identity.get(KEEP, TOKENS)
        try:
            found = cls.read(written)
        except UsageError as error:
            raise CacheError(f"The plan of a cache says that it keeps {written!r:.60}: {error}") from None
        if found.name != written:
            raise CacheError(f"The plan of a cache says that it keeps {written!r:.60}, which is not written so.")
        return found

    def check_pool(self, pool: str) -> None:
        """Refuse to pool in another way than was pooled already.

        Raises
        ------
        UsageError
        """
        if not self.pooled or pool == self.pool:
            return
        other = f"--keep {Keep(self.units, pool).name}, or tokens" if pool in POOLS else "--keep tokens"
        raise UsageError(
            f"The `pool` option says '{pool}', and the cache keeps {self.said} (--keep {self.name}). Ask --pool "
            f"{self.pool}, or extract with {other}."
        )


EVERY_TOKEN = Keep()


def need_tokens(cache: ActivationCache, what: str) -> None:
    """Refuse what reads every token of a cache that does not keep them.

    Parameters
    ----------
    cache : ActivationCache
    what : str
        The subject of the message: ``"A lens"``.

    Raises
    ------
    UsageError
    """
    if cache.keep.pooled:
        raise UsageError(
            f"{what} reads every token, and {cache.path.name} keeps {cache.keep.said} (--keep {cache.keep.name}). "
            "Extract with --keep tokens, and name that cache."
        )


def need_words(cache: ActivationCache, what: str, *, means: bool = False) -> None:
    """Refuse what reads every word of a cache that keeps neither tokens nor words, or (`means`) not their means.

    Raises
    ------
    UsageError
    """
    keep = cache.keep
    if keep.places or (means and keep.pool != "mean"):
        raise UsageError(
            f"{what} reads {'the mean of ' if means else ''}every word, and {cache.path.name} keeps {keep.said} "
            f"(--keep {keep.name}). Extract with --keep words, or tokens, and name that cache."
        )


def keep_notes(cache: ActivationCache) -> list[str]:
    """Return what a report must say of what a cache kept; nothing where it kept every token."""
    return [f"The cache keeps {cache.keep.said} (--keep {cache.keep.name})."] if cache.keep.pooled else []


def _parts(text: str) -> list[tuple[str, str]]:
    """Take a list apart at its commas, but for those in double quotes: units with their pools."""
    found, at = [], 0
    while True:
        if (quoted := _QUOTED.match(text, at)) is not None:
            kind, name, pool = quoted.groups()
            found.append((f"{kind}:{name.replace(_QUOTE * 2, _QUOTE)}", pool or ""))
            at, more = quoted.end(), quoted[0].endswith(",")
        else:
            part, comma, _ = text[at:].partition(",")
            found.append(_apart(part.strip()))
            at, more = at + len(part) + 1, bool(comma)
        if not more:
            return found


def _in_quotes(unit: str) -> str:
    """Return a unit as it is typed where its name needs quotes; empty: it needs none."""
    kind, _, name = unit.partition(":")
    if kind not in _WITH_OPTION or not ("," in name or name != name.strip() or name.startswith(_QUOTE)):
        return ""
    return f"{kind}:{_QUOTE}{name.replace(_QUOTE, _QUOTE * 2)}{_QUOTE}"


def _apart(part: str) -> tuple[str, str]:
    """Take the pool off a unit: ``assistant:last`` is ``("assistant", "last")``, ``mark:last`` a mark of that name."""
    unit, _, pool = part.rpartition(":")
    return (unit, pool) if pool in POOLS and unit not in ("", *_WITH_OPTION) else (part, "")
