"""Tiny models of twelve families, random weights, each with a trained tokenizer of its own kind, in folders.

Use ``tiny_model(name)``: the folder is made once a session, under a temporary directory.
"""

from __future__ import annotations

import atexit
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

WIDTH = 32
LAYERS = 3
HEADS = 4
LIMIT = 64
VOCABULARY = 400

_STEMS = "run walk house garden tree river paper music doctor teacher carry follow quiet bright number window"
_ENDS = ["", "s", "ing", "ed", "er", "ly", "ness", "less", "ful"]


@cache
def training_text() -> tuple[str, ...]:
    """Some hundred sentences of made-up English, the same every time."""
    draw = random.Random(0)
    words = [stem + end for stem in _STEMS.split() for end in _ENDS]
    words += [
        "the",
        "a",
        "of",
        "in",
        "on",
        "and",
        "or",
        "to",
        "is",
        "was",
        "The",
        "It",
        "he",
        "she",
        "they",
        ".",
        ",",
        "!",
        "?",
        "1",
        "12",
        "1999",
        "café",
        "naïve",
        "東京",
        "don't",
        "U.S.",
    ]
    letters = "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b c d e f g h i j k l m n o p q r s t u v w x y z"
    signs = "0 1 2 3 4 5 6 7 8 9 < > / [ ] | _ - + = ( ) ' \" : ; & % # @ $ *"
    sentences = (" ".join(draw.choices(words, k=draw.randint(3, 15))) for _ in range(400))
    return (letters, signs, *sentences)


@dataclass(frozen=True)
class Tiny:
    """How to make one family: its config, its tokenizer, and what must come out."""

    config: Callable[[Any, Any], Any]
    tokenizer: Callable[[], Any]
    marks_spaces: bool
    final: tuple[str, ...]
    max_length: int | None


def _wordpiece(kind: str) -> Any:
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=True)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # The trainer numbers what goes on in a word as it meets it, in an order of each process; of equally frequent pairs
    # the lowest numbers win. Numbered here, every process has the same pieces.
    texts = map(trained.normalizer.normalize_str, training_text())
    words = {word for text in texts for word, _ in trained.pre_tokenizer.pre_tokenize_str(text)}
    inside = sorted({f"##{letter}" for word in words for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special + inside, show_progress=False)
    trained.train_from_iterator(training_text(), trainer)
    return getattr(transformers, kind)(vocab=trained.get_vocab())


def _byte_bpe(kind: str, special: list[str], **options: Any) -> Any:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY + 200,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(training_text(), trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return getattr(transformers, kind)(vocab=model["vocab"], merges=merges, **options)


def _metaspace_bpe() -> Any:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    trained = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY + 300, special_tokens=special, show_progress=False)
    trained.train_from_iterator(training_text(), trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return transformers.LlamaTokenizer(vocab=model["vocab"], merges=merges, add_bos_token=True)


def _unigram(kind: str, special: list[str], unknown: str, **options: Any) -> Any:
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.NFKC()
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY, special_tokens=special, unk_token=unknown, show_progress=False
    )
    trained.train_from_iterator(training_text(), trainer)
    # Sums differ in their last bits from process to process, and equally likely pieces in the order of their scores.
    pieces = [(piece, round(score, 2)) for piece, score in json.loads(trained.to_str())["model"]["vocab"]]
    pieces[len(special) :] = sorted(pieces[len(special) :], key=lambda piece: (-piece[1], piece[0]))
    return getattr(transformers, kind)(vocab=pieces, **options)


def _bert_like(kind: str, **more: Any) -> Callable[[Any, Any], Any]:
    def build(transformers: Any, tokenizer: Any) -> Any:
        return getattr(transformers, kind)(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=2 * WIDTH,
            pad_token_id=tokenizer.pad_token_id,
            **{"max_position_embeddings": LIMIT, **more},
        )

    return build


def _distilbert(transformers: Any, tokenizer: Any) -> Any:
    return transformers.DistilBertConfig(
        vocab_size=len(tokenizer), dim=WIDTH, n_layers=LAYERS, n_heads=HEADS, hidden_dim=2 * WIDTH,
        max_position_embeddings=LIMIT, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip


def _gpt2(transformers: Any, tokenizer: Any) -> Any:
    return transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_positions=LIMIT,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip


def _opt(transformers: Any, tokenizer: Any) -> Any:
    return transformers.OPTConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        ffn_dim=2 * WIDTH, max_position_embeddings=LIMIT, word_embed_proj_dim=WIDTH,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip


def _t5(transformers: Any, tokenizer: Any) -> Any:
    return transformers.T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=WIDTH // HEADS, d_ff=2 * WIDTH, num_layers=LAYERS,
        num_decoder_layers=LAYERS - 1, num_heads=HEADS, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip


def _bart(transformers: Any, tokenizer: Any) -> Any:
    return transformers.BartConfig(
        vocab_size=len(tokenizer), d_model=WIDTH, encoder_layers=LAYERS, decoder_layers=LAYERS - 1,
        encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, encoder_ffn_dim=2 * WIDTH,
        decoder_ffn_dim=2 * WIDTH, max_position_embeddings=LIMIT, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id, forced_eos_token_id=None,
    )  # fmt: skip


_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_OPT = ["<s>", "<pad>", "</s>", "<unk>"]
_ALBERT = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
_DEBERTA = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]

FAMILIES: dict[str, Tiny] = {
    "bert": Tiny(_bert_like("BertConfig"), lambda: _wordpiece("BertTokenizer"), False, (), LIMIT),
    "roberta": Tiny(
        _bert_like("RobertaConfig", max_position_embeddings=LIMIT + 2, type_vocab_size=1),
        lambda: _byte_bpe("RobertaTokenizer", _ROBERTA),
        True, (), LIMIT,
    ),
    "deberta-v2": Tiny(
        _bert_like(
            "DebertaV2Config", relative_attention=True, position_buckets=8, pos_att_type=["p2c", "c2p"],
            position_biased_input=False, type_vocab_size=0, norm_rel_ebd="layer_norm", share_att_key=True,
            conv_kernel_size=3, conv_act="gelu",
        ),
        lambda: _unigram("DebertaV2Tokenizer", _DEBERTA, "[UNK]", unk_id=3),
        True, (), None,
    ),
    "electra": Tiny(
        _bert_like("ElectraConfig", embedding_size=16), lambda: _wordpiece("ElectraTokenizer"), False, (), LIMIT
    ),
    "albert": Tiny(
        _bert_like("AlbertConfig", embedding_size=16),
        lambda: _unigram("AlbertTokenizer", _ALBERT, "<unk>"),
        True, (), LIMIT,
    ),
    "distilbert": Tiny(_distilbert, lambda: _wordpiece("DistilBertTokenizer"), False, (), LIMIT),
    "gpt2": Tiny(_gpt2, lambda: _byte_bpe("GPT2Tokenizer", ["<|endoftext|>"]), True, ("final",), LIMIT),
    "gpt_neox": Tiny(
        _bert_like("GPTNeoXConfig", bos_token_id=0, eos_token_id=0),
        lambda: _byte_bpe("GPTNeoXTokenizer", ["<|endoftext|>", "<|padding|>"]),
        True, ("final",), LIMIT,
    ),
    "opt": Tiny(
        _opt,
        lambda: _byte_bpe(
            "GPT2Tokenizer", _OPT, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
            add_bos_token=True,
        ),
        True, ("final",), LIMIT,
    ),
    "llama": Tiny(
        _bert_like("LlamaConfig", num_key_value_heads=2, bos_token_id=1, eos_token_id=2),
        _metaspace_bpe,
        True, ("final",), LIMIT,
    ),
    "t5": Tiny(
        _t5,
        lambda: _unigram("T5Tokenizer", ["<pad>", "</s>", "<unk>"], "<unk>", extra_ids=0, additional_special_tokens=[]),
        True, ("encoder.final", "decoder.final"), None,
    ),
    "bart": Tiny(_bart, lambda: _byte_bpe("BartTokenizer", _ROBERTA), True, (), LIMIT),
}  # fmt: skip


@cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="probekit-tiny-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


@cache
def tiny_model(name: str) -> Path:
    """Return the folder of one family's tiny model: config, safetensors, tokenizer."""
    import transformers

    from probekit.models.sources.weights import quiet

    family, folder = FAMILIES[name], _root() / name
    with quiet():
        tokenizer = family.tokenizer()
        write_model(folder, family.config(transformers, tokenizer), tokenizer)
    return folder


@cache
def tiny_headed(name: str, kind: str) -> Path:
    """Return the folder of one family's tiny model with its own head; ``kind`` is a class of transformers."""
    import transformers

    from probekit.models.sources.weights import quiet

    family, folder = FAMILIES[name], _root() / f"{name}-{kind}"
    with quiet():
        tokenizer = family.tokenizer()
        write_model(folder, family.config(transformers, tokenizer), tokenizer, kind)
    return folder


def write_model(folder: Path, config: Any, tokenizer: Any, kind: str = "AutoModel") -> Path:
    """Write a model with random weights of a config, and a tokenizer, into a folder; return it."""
    import torch
    import transformers

    from probekit.models.sources.weights import quiet

    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, kind).from_config(config)
        # A fresh model is nearly linear and its biases are zero: shake it, so that mistakes show.
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
