"""Tiny encoder-decoders with random weights and tokenizers of their own kinds, and one whose attention is known."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tests.tiny_models import _root, _unigram, tiny_headed, training_text, write_model

KIND = "AutoModelForSeq2SeqLM"
WIDTH, HEADS = 16, 2
SIZES = {
    "d_model": WIDTH, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 64,
}  # fmt: skip
SOURCE = ("one", "two", "three", "four", "five", "six", "seven", "eight")
TARGET = ("eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht")
"""Word by word the translation of the other."""


def _pieces(text: Sequence[str], size: int) -> bytes:
    import sentencepiece

    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=made, vocab_size=size, hard_vocab_limit=False, minloglevel=2
    )
    return made.getvalue()


def _vocabulary(*models: bytes, first: Sequence[str], last: Sequence[str] = ()) -> dict[str, int]:
    import sentencepiece

    known = [sentencepiece.SentencePieceProcessor(model_proto=model) for model in models]
    pieces = (one.id_to_piece(at) for one in known for at in range(one.get_piece_size()))
    return {piece: at for at, piece in enumerate(dict.fromkeys([*first, *pieces, *last]))}


def _marian(folder: Path, *, separate: bool) -> Path:
    import transformers

    text = training_text()
    source, target = _pieces(text, 120), _pieces([line[::-1] for line in text], 160)
    folder.mkdir(parents=True)
    (folder / "source.spm").write_bytes(source)
    (folder / "target.spm").write_bytes(target)
    around = {"first": ("</s>", "<unk>"), "last": (">>xx<<", "<pad>")}
    # The pad has one number in both vocabularies, as the pretrained ones have it.
    vocabularies = [_vocabulary(source, target, **around)] * 2
    (folder / "vocab.json").write_text(json.dumps(vocabularies[0]))
    more: dict[str, Any] = {}
    if separate:
        other = {piece: len(vocabularies[0]) - 1 - at for piece, at in vocabularies[0].items()}
        for piece in ("</s>", "<unk>", "<pad>"):
            held, wanted = other[piece], vocabularies[0][piece]
            other[next(name for name, at in other.items() if at == wanted)], other[piece] = held, wanted
        (folder / "target_vocab.json").write_text(json.dumps(other))
        more = {"separate_vocabs": True, "target_vocab_file": str(folder / "target_vocab.json")}
    tokenizer = transformers.MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"), **more
    )
    pad = tokenizer.pad_token_id
    config = transformers.MarianConfig(
        vocab_size=len(vocabularies[0]), decoder_vocab_size=len(vocabularies[1]), pad_token_id=pad, eos_token_id=0,
        decoder_start_token_id=pad, forced_eos_token_id=0, share_encoder_decoder_embeddings=not separate, **SIZES,
    )  # fmt: skip
    return write_model(folder, config, tokenizer, KIND)


def _mbart(folder: Path) -> Path:
    import transformers

    tokenizer = _unigram("MBartTokenizer", ["<s>", "<pad>", "</s>", "<unk>"], "<unk>")
    config = transformers.MBartConfig(vocab_size=len(tokenizer), **SIZES)
    return write_model(folder, config, tokenizer, KIND)


def _m2m(folder: Path) -> Path:
    import transformers

    made = _pieces(training_text(), 120)
    folder.mkdir(parents=True)
    (folder / "sentencepiece.bpe.model").write_bytes(made)
    (folder / "vocab.json").write_text(json.dumps(_vocabulary(made, first=("<s>", "<pad>", "</s>", "<unk>"))))
    tokenizer = transformers.M2M100Tokenizer(str(folder / "vocab.json"), str(folder / "sentencepiece.bpe.model"))
    config = transformers.M2M100Config(vocab_size=max(tokenizer.lang_code_to_id.values()) + 9, **SIZES)
    return write_model(folder, config, tokenizer, KIND)


@cache
def translator(name: str) -> Path:
    """Return the folder of a tiny translator of a family."""
    from probekit.models.sources.weights import quiet

    folder = _root() / f"translator-{name}"
    with quiet():
        if name.startswith("marian"):
            return _marian(folder, separate=name.endswith("separate"))
        if name == "mbart":
            return _mbart(folder)
        return _m2m(folder) if name == "m2m_100" else tiny_headed(name, KIND)


@cache
def known_translator() -> Path:
    """Return a T5 whose second head of the first block looks, where it reads a word, at the word that it translates.

    A word and its translation have one vector, and words are at right angles. Nothing is added to them below the head,
    which multiplies them by the identity: it gives a word's translation e**16 times the weight of any other.
    """
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    from probekit.models.sources.weights import quiet

    words = ["<pad>", "</s>", "<unk>", *SOURCE, *TARGET]
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    config = transformers.T5Config(
        vocab_size=len(words), d_model=WIDTH, d_kv=WIDTH, d_ff=16, num_layers=1, num_decoder_layers=2, num_heads=HEADS,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    folder = _root() / "translator-known"
    with quiet():
        write_model(folder, config, tokenizer, KIND)
        model = transformers.T5ForConditionalGeneration.from_pretrained(folder)
    vectors = torch.eye(WIDTH)
    block, reader = model.decoder.block[0], model.encoder.block[0]
    with torch.no_grad():
        model.shared.weight.copy_(torch.cat([vectors[:3], *(vectors[3 : 3 + len(SOURCE)],) * 2]))
        for silent in (
            reader.layer[0].SelfAttention.o,
            reader.layer[1].DenseReluDense.wo,
            block.layer[0].SelfAttention.o,
        ):
            silent.weight.zero_()
        for norm in (model.encoder.final_layer_norm, block.layer[1].layer_norm):
            norm.weight.fill_(1)
        for part in (block.layer[1].EncDecAttention.q, block.layer[1].EncDecAttention.k):
            part.weight[WIDTH:] = vectors
    with quiet():
        model.save_pretrained(folder)
    return folder
