"""Whether a corpus that is read again is the one that a cache was made from.

Enters: the examples that the cache holds, and those of the source. Leaves: the source's, with their annotations, or
what the first that differs has otherwise: words, id, messages, split or document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from probekit.errors import CacheError
from probekit.example import Example


def matched(stored: Iterable[Example], source: Iterable[Example], where: str) -> Iterator[Example]:
    """Yield the source's examples, each checked to have the words that the cache was made from.

    Raises
    ------
    CacheError
        The corpus was edited after extraction; the first differing example is named.
    """
    again = iter(source)
    for kept in stored:
        example = next(again, None)
        if example is None:
            raise CacheError(f"{where} ends before example '{kept.id}', which the cache holds. {_REMEDY}")
        if example.id != kept.id and example.words == kept.words:
            raise CacheError(f"{where} {_other_id(kept.id, example.id)}")
        if example.words != kept.words:
            place = next(
                (i for i, (a, b) in enumerate(zip(kept.words, example.words, strict=False)) if a != b),
                min(len(kept.words), len(example.words)),
            )
            renamed = "" if example.id == kept.id else f" (now '{example.id}')"
            raise CacheError(
                f"{where} changed after extraction: example '{kept.id}'{renamed} differs from the cache at word "
                f"{place + 1}: cached {_shown_word(kept.words, place)}, now {_shown_word(example.words, place)}. "
                f"{_REMEDY}"
            )
        if example.messages != kept.messages:
            raise CacheError(
                f"{where} changed after extraction: the messages of example '{kept.id}' have other roles, or other "
                f"spaces between their words, than those in the cache. {_REMEDY}"
            )
        if (example.split, example.group) != (kept.split, kept.group):
            raise CacheError(
                f"{where} changed after extraction: example '{kept.id}' was in split '{kept.split}' of document "
                f"'{kept.group}', now in '{example.split}' of '{example.group}'. {_REMEDY}"
            )
        yield example
    if (extra := next(again, None)) is not None:
        raise CacheError(f"{where} now goes on after the cache's last example with '{extra.id}'. {_REMEDY}")


_REMEDY = "Vectors and labels would not belong together: run `probekit extract` on the corpus as it is now."


def _other_id(cached: str, now: str) -> str:
    """Say that an example is called otherwise, and what to do: an id that no row gives is ``<file>:<number>``."""
    (stem, _, number), (other, _, again) = cached.rpartition(":"), now.rpartition(":")
    cause, advice = "", "Give it its former id"
    if stem and other and number == again and number.isdecimal():
        cause = f"Examples without an `id` are named after their file, which was '{stem}' and is '{other}'. "
        advice = "Give the file its former name"
    return (
        f"has the words of example '{cached}' under another id, '{now}', and splits may go by ids. {cause}{advice}, or "
        "run `probekit extract` on the corpus as it is now."
    )


def _shown_word(words: tuple[str, ...], place: int) -> str:
    return repr(words[place]) if place < len(words) else "nothing"
