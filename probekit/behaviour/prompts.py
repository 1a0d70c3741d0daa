"""Classification by prompt and verbaliser [1]_: examples with a label become items, a sentence each possible label.

Enters: examples, a prompt with ``{text}`` and ``{label}``, and the word that stands for each label. Leaves: items whose
sentences are the prompt with each of the words, of which the word alone is scored; and scores that are calibrated [2]_:
what a model says of each word where the text says nothing is divided off.

References
----------
.. [1] Schick & Schuetze 2021, Exploiting cloze questions for few-shot text classification and natural language
   inference.
.. [2] Zhao et al. 2021, Calibrate before use: improving few-shot performance of language models.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probekit.behaviour.items import SCORED, Item, Region, Sentence, Skipped
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.example import Example

LABEL, TEXTS = "label", ("text", "first", "second")
PROMPTED = "prompted"
"""Suite and phenomenon of the items."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that is filled in, and the words that stand for labels.

    Attributes
    ----------
    before, after : str
        What stands around the word; with ``{text}``, or with ``{first}`` and ``{second}`` of examples of two texts.
    words : mapping of str to str
        The verbaliser, by label.
    """

    before: str
    after: str
    words: Mapping[str, str]

    @classmethod
    def parse(cls, prompt: str, verbaliser: Mapping[str, str]) -> Prompt:
        """Read a prompt.

        Raises
        ------
        UsageError
            A prompt without one ``{label}`` or without a text, or with another field; fewer than two labels, a word
            that is blank or stands for two.
        """
        try:
            parts = list(string.Formatter().parse(prompt))
        except ValueError as error:
            raise UsageError(f"The `prompt` cannot be read: {error}. Write a brace as {{{{ or }}}}.") from None
        fields = [name for _, name, _, _ in parts if name is not None]
        known = (*TEXTS, LABEL)
        if unknown := [name for name in fields if name not in known]:
            raise UsageError(
                f"The `prompt` may hold {', '.join(f'{{{name}}}' for name in known)}. Got '{{{unknown[0]}}}'."
                f"{did_you_mean(unknown[0], known)}"
            )
        if fields.count(LABEL) != 1 or len(fields) < 2:
            raise UsageError(f"The `prompt` must hold {{label}} once, and {{text}}. Got '{prompt:.80}'.")
        words = {name: word.strip() for name, word in verbaliser.items()}
        if len(words) < 2 or not all(words.values()) or len(set(words.values())) < len(words):
            raise UsageError(
                "The `verbaliser` must give two labels or more a word of their own each, positive=good,negative=bad. "
                f"Got {', '.join(f'{name}={word}' for name, word in words.items()) or 'nothing'}."
            )
        before, _, after = prompt.partition(f"{{{LABEL}}}")
        return cls(before, after, words)

    @property
    def of_two_texts(self) -> bool:
        """Whether it needs examples of two texts."""
        return any(f"{{{name}}}" in self.before + self.after for name in TEXTS[1:])

    @property
    def text_first(self) -> bool:
        """Whether every text stands before the word, where all models read it."""
        return not any(f"{{{name}}}" in self.after for name in TEXTS)

    def sentences(self, texts: Mapping[str, str]) -> tuple[Sentence, ...]:
        """Return the prompt with each of the words, which alone is scored."""
        before, after = (part.format(**texts) for part in (self.before, self.after))
        return tuple(
            Sentence(f"{before}{word}{after}", (Region(SCORED, len(before), len(before) + len(word)),), name)
            for name, word in self.words.items()
        )


def parse_verbaliser(given: Sequence[str]) -> dict[str, str]:
    """Read ``positive=good,negative=bad``, once or in several parts.

    Raises
    ------
    UsageError
        Something that is no pair, or a label twice.
    """
    found: dict[str, str] = {}
    for pair in (pair for part in given for pair in part.split(",")):
        name, equals, word = (part.strip() for part in pair.partition("="))
        if not (name and equals and word) or name in found:
            raise UsageError(f"The `verbaliser` must be like positive=good,negative=bad. Got '{pair:.60}'.")
        found[name] = word
    return found


def prompted(examples: Iterable[Example], prompt: Prompt, label: str) -> Iterator[Item | Skipped]:
    """Yield an item an example; the document of an example is its template.

    Raises
    ------
    InputError
        No such annotation of whole examples.
    """
    names = list(prompt.words)
    for example in examples:
        value = _label(example, label)
        if value is None or value not in names:
            why = "the verbaliser has no word for their label" if value is not None else "they have no label"
            yield Skipped(example.id, "", f"{why} ({value})" if value is not None else why)
            continue
        texts = _texts(example, prompt)
        if texts is None:
            yield Skipped(example.id, "", "they are not of two texts, as the prompt is")
            continue
        template = example.id if example.group is None else example.group
        yield Item(example.id, PROMPTED, PROMPTED, template, prompt.sentences(texts), names.index(value))


def content_free(prompt: Prompt, texts: Sequence[str]) -> list[Item]:
    """Return an item a text that says nothing, as ``N/A``."""
    return [
        Item(f"content-free {place}", PROMPTED, PROMPTED, "", prompt.sentences(dict.fromkeys(TEXTS, text)))
        for place, text in enumerate(texts, 1)
    ]


def calibrated(scores: ArrayLike, content_free: ArrayLike) -> NDArray[np.float64]:
    r"""Return the scores of labels with those where the text says nothing divided off.

    With :math:`\hat p` the probabilities of the labels, normalised to add up to one, and :math:`\bar p` the mean of
    those of texts without content,

    .. math:: q = \mathrm{diag}(\bar p)^{-1} \hat p

    (Zhao et al. 2021, with :math:`b = 0`); what is returned is :math:`\log q`.

    Parameters
    ----------
    scores : array [examples, labels]
        Log-probabilities.
    content_free : array [texts, labels]
        The same of texts that say nothing.

    Returns
    -------
    float64 array [examples, labels]
    """
    empty = np.exp(_normalised(content_free)).mean(axis=0)
    return _normalised(scores) - np.log(empty)


def _normalised(scores: ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(scores, np.float64)
    scores = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))


def _label(example: Example, name: str) -> str | None:
    if name not in example.annotations:
        whole = [known for known, value in example.annotations.items() if not isinstance(value, tuple)]
        has = f"it has {', '.join(whole)}" if whole else "it has none of whole examples"
        raise InputError(
            f"Example '{example.id}' has no annotation '{name}': {has}. Name one with --label."
            f"{did_you_mean(name, whole)}"
        )
    value = example.annotations[name]
    if isinstance(value, tuple):
        raise InputError(f"The annotation '{name}' of '{example.id}' has a value for each word, and labels no example.")
    return None if value is None else str(value)


def _texts(example: Example, prompt: Prompt) -> dict[str, str] | None:
    """Return what stands for each field; None where two texts are needed and not there."""
    text = example.text if example.text is not None else " ".join(example.words)
    both = [" ".join(example.words[span.start : span.stop]) for span in example.spans.get("sentences", ())]
    if not prompt.of_two_texts:
        return {"text": text}
    return {"text": text, "first": both[0], "second": both[1]} if len(both) == 2 else None
