"""What the decoder of an encoder-decoder looks at in the encoder, of pairs of sentences.

Enters: a model with its own head and eager attention, pairs of sentences in words. Leaves: the weights of every block
and head between the tokens of both, and whose token each is. The decoder reads the true target, shifted as the model
itself shifts its labels in training: T5 and Marian begin with a pad, BART with its end and its begin token, mBART and
M2M-100 with the code of a language. Surprise: the row in which the decoder *reads* a token is one behind that in which
it *predicts* it, so there are two ways to say where a word of the target looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.models.architecture.restoring import restored
from probekit.models.tokens.align import Aligner, Encoded

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

READS, PREDICTS = "reads", "predicts"
Pair = tuple[Sequence[str], Sequence[str]]
Languages = tuple[str, str]
"""Codes of the source's and the target's language, as the tokenizer writes them."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """One pair.

    Attributes
    ----------
    weights : float32 array [blocks, heads, tokens of the target + 1, tokens of the source]
        The first row is that of the start token, the others read a token of the target each.
    source, target : int array
        Word of each token; -1: of none. What is read before the target's text, and behind the start token, is of none.
    """

    weights: NDArray[np.float32]
    source: NDArray[np.int32]
    target: NDArray[np.int32]

    def rows(self, way: str) -> NDArray[np.float32]:
        """Return the weights of the rows that read the tokens of the target, or that predict them."""
        return self.weights[:, :, 1:] if way == READS else self.weights[:, :, :-1]


def cross_attention(
    loaded: LoadedModel, pairs: Sequence[Pair], *, languages: Languages | None = None, prefix: Sequence[str] = ()
) -> Iterator[Crossed | None]:
    """Yield the cross-attention of each pair; None where one of the two has no token, or too many.

    Parameters
    ----------
    loaded : LoadedModel
        An encoder-decoder with its head, loaded with eager attention.
    pairs : sequence of (source, target)
        Words.
    languages : (str, str), optional
        Of a tokenizer that writes codes of languages around a text.
    prefix : sequence of str
        Words before every source that are none of its own: T5's task, the ``>>fr<<`` of some Marian models.

    Raises
    ------
    UsageError
        It returns no such weights; its tokenizer has no such languages, or needs to know them.
    """
    tokenizer, name = loaded.tokenizer, loaded.source.name
    _set_languages(tokenizer, languages, name)
    sources = Aligner(tokenizer, vocabulary=loaded.vocabulary).encode_words([(*prefix, *one) for one, _ in pairs])
    with _writing(tokenizer):
        table = loaded.model.get_decoder().get_input_embeddings()
        targets = Aligner(tokenizer, vocabulary=len(table.weight)).encode_words([other for _, other in pairs])
    for source, target in zip(sources, targets, strict=True):
        of_source = np.where(source.word < len(prefix), -1, source.word - len(prefix))
        labels = _labels(target, loaded.pad_id)
        longest = loaded.max_length or max(len(source.ids), len(labels))
        if not (of_source >= 0).any() or not (target.word >= 0).any() or max(len(source.ids), len(labels)) > longest:
            yield None
            continue
        stacked = _weights(loaded, source.ids, labels)
        if stacked.shape[2:] != (len(labels), len(source.ids)):
            raise UsageError(
                f"'{name}' returns weights of {stacked.shape[2]} by {stacked.shape[3]} for {len(labels)} tokens that "
                f"it writes and {len(source.ids)} that it reads: whose they are is not known. Choose another model."
            )
        # The last label is never read: it is a special one.
        yield Crossed(stacked, of_source.astype(np.int32), target.word[: len(labels) - 1])


def _labels(target: Encoded, pad: int) -> NDArray[np.int32]:
    """Return what the decoder shall write, a special token at the end, so that each token of the text is read."""
    return target.ids if target.suffix else np.append(target.ids, np.int32(pad))


def _weights(loaded: LoadedModel, source: NDArray[np.int32], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    read, written = (
        torch.from_numpy(ids.astype(np.int64))[None].to(loaded.device)  # [1, tokens]
        for ids in (source, labels)
    )
    with restored(loaded.model), torch.inference_mode():
        returned = loaded.model(input_ids=read, labels=written, output_attentions=True)
    weights = getattr(returned, "cross_attentions", None)
    if not weights or weights[0] is None:
        raise UsageError(f"'{loaded.source.name}' returns no attention of its decoder over its encoder.")
    found: NDArray[np.float32] = torch.stack([each[0].float() for each in weights]).cpu().numpy()
    return found


@contextmanager
def _writing(tokenizer: Any) -> Iterator[None]:
    """Encode as what the decoder writes: with Marian's pieces of the target, with the target's code.

    It is what ``tokenizer(text_target=..)`` does, and tokenizers without the two have one way to read.
    """
    getattr(tokenizer, "_switch_to_target_mode", _nothing)()
    try:
        yield
    finally:
        getattr(tokenizer, "_switch_to_input_mode", _nothing)()


def _nothing() -> None:
    pass


def _set_languages(tokenizer: Any, languages: Languages | None, name: str) -> None:
    """Tell a multilingual tokenizer its languages."""
    if not hasattr(tokenizer, "set_tgt_lang_special_tokens"):
        if languages is not None:
            raise UsageError(f"The tokenizer of '{name}' writes no code of a language. Leave out the languages.")
        return
    if languages is None:
        if tokenizer.tgt_lang is None:
            raise UsageError(
                f"The tokenizer of '{name}' writes codes of languages around what it reads, and does not say which. "
                "Name those of source and target with --languages, like en_XX,ro_RO."
            )
        return
    known = getattr(tokenizer, "lang_code_to_id", None) or tokenizer.get_vocab()
    if unknown := [code for code in languages if code not in known]:
        raise UsageError(
            f"The tokenizer of '{name}' knows no language '{unknown[0]}'. Write codes as it does: "
            f"now it reads {tokenizer.src_lang}."
        )
    tokenizer.src_lang, tokenizer.tgt_lang = languages
