"""Every text model type of the installed transformers: are the rows of a cache those of single sentences?

Each type is built from its config with tiny random weights, extracted over nine sentences of 3 to 150
words and two of 600, and compared with a direct forward of each sentence by a fresh copy of the
model. Writes ``docs/families.md``; ends with 1 where a row is wrong or anything but a refusal ends
an extraction.

    python tests/bench/families.py [--only bert,t5] [--seconds 60] [--out docs/families.md]
"""

from __future__ import annotations

import argparse
import copy
import inspect
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_models import FAMILIES, training_text, write_model

from probekit import ActivationCache, extract
from probekit.errors import ProbekitError
from probekit.models.weights import quiet

LENGTHS = (3, 150, 5, 8, 600, 13, 21, 34, 600, 55, 90)
ALLOWED = 2e-5
SIZES = {
    32: "hidden_size d_model n_embd dim emb_dim embed_dim embedding_size word_embed_proj_dim n_embed",
    3: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_decoder_layers "
    "num_encoder_layers",
    4: "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads num_experts "
    "num_local_experts n_routed_experts moe_num_experts",
    2: "num_key_value_heads num_experts_per_tok moe_topk moe_top_k num_key_value_groups n_group topk_group",
    8: "head_dim d_kv qk_nope_head_dim qk_rope_head_dim v_head_dim",
    16: "q_lora_rank kv_lora_rank",
    64: "intermediate_size ffn_dim d_ff hidden_dim encoder_ffn_dim decoder_ffn_dim moe_intermediate_size n_inner "
    "shared_expert_intermediate_size",
    1024: "max_position_embeddings n_positions max_seq_len n_ctx max_sequence_length",
    0: "pad_token_id",
    1: "n_shared_experts first_k_dense_replace bos_token_id decoder_start_token_id",
}
WORDS = [word for sentence in training_text()[2:] for word in sentence.split()]
CORPUS = [WORDS[at * 97 : at * 97 + size] for at, size in enumerate(LENGTHS)]


def main() -> int:
    """Check every type, a line each, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="types, separated by commas")
    parser.add_argument("--seconds", type=int, default=60, help="limit of one type")
    parser.add_argument("--out", type=Path, default=Path("docs/families.md"))
    options = parser.parse_args()
    tokenizer = FAMILIES["bert"].tokenizer()
    rows = []
    for kind in options.only.split(",") if options.only else text_types():
        verdict, reason = judge(kind, tokenizer, options.seconds)
        rows.append((kind, verdict, reason))
        print(f"{kind:28} {verdict:12} {reason[:150]}", flush=True)
    counts = Counter(verdict for _, verdict, _ in rows)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    options.out.write_text(table(rows, counts), encoding="utf-8")
    return 1 if counts["wrong"] or counts["crash"] else 0


def text_types() -> list[str]:
    """Model types whose base model reads ids of tokens."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    found = []
    for kind, name in sorted(MODEL_MAPPING_NAMES.items()):
        try:
            model = getattr(transformers, name if isinstance(name, str) else name[0])
            sized = "vocab_size" in vars(CONFIG_MAPPING[kind]())
            if sized and "input_ids" in inspect.signature(model.forward).parameters:
                found.append(kind)
        except Exception:  # an optional package of one type is missing, or its config has no default
            continue
    return found


def judge(kind: str, tokenizer: Any, seconds: int) -> tuple[str, str]:
    """Return the verdict on one type and its reason."""
    with tempfile.TemporaryDirectory(prefix="probekit-family-") as name, quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        try:
            with limited(seconds):
                write_model(folder / "model", tiny_config(kind, len(tokenizer)), tokenizer)
        except Exception as error:
            return "not built", _line(error)
        try:
            with limited(seconds):
                made = extract(folder / "model", CORPUS, cache=folder / "caches", device="cpu", batch_tokens=4096)
        except ProbekitError as error:
            needs = "probekit/models/families" in str(error)
            return ("needs a file" if needs else "refused"), _line(error)
        except Exception as error:
            return "crash", _line(error)
        try:
            with limited(seconds):
                worst, layers = compare(folder / "model", ActivationCache.open(made.cache))
        except Exception as error:
            return "not compared", _line(error)
        unpadded = (made.certificate or {}).get("shards_unpadded")
        how = f"{layers} layers, {worst:.0e}" + ("; in batches of equal lengths" if unpadded else "")
        return ("right" if worst <= ALLOWED else "wrong"), how


def tiny_config(kind: str, vocabulary: int) -> Any:
    """Return a small config: the fields of its default that speak of sizes, made small."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    config_class = CONFIG_MAPPING[kind]
    default = config_class()
    known = set(vars(default)) | set(getattr(config_class, "attribute_map", {}))
    settings = {name: size for size, names in SIZES.items() for name in names.split() if name in known}
    settings = {name: size for name, size in settings.items() if getattr(default, name, None) is not None}
    return config_class(**settings, vocab_size=vocabulary)


def compare(folder: Path, cache: ActivationCache) -> tuple[float, int]:
    """Return the largest difference to the model's own hidden states, as a share of a layer's largest, and layers."""
    from transformers import AutoModel

    fresh = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    worst, seen = 0.0, set()
    for ordinal in range(len(CORPUS)):
        for stack in cache.stacks:
            index = cache.index(stack)
            rows = np.flatnonzero(index.example == ordinal)
            states, returned = own_states(copy.deepcopy(fresh), cache, ordinal, stack)
            last = max(layer for layer in cache.layers(stack) if isinstance(layer, int))
            if (
                len(states) == last + 1 > 1
                and states[0].shape == states[1].shape
                and _begins_late(states, cache, rows, stack)
            ):
                states = [None, *states]  # its list has no embeddings (RWKV)
            for layer in cache.layers(stack):
                # What a stack returns is the final norm's output where it has one, else the last block's.
                if layer == "final" or (layer == last and "final" not in cache.layers(stack)):
                    expected = returned
                elif layer == last or len(states) <= last or states[layer] is None:
                    continue
                else:
                    expected = states[layer]
                found = cache.layer(layer, stack)[rows]
                expected = expected[0, : len(rows)].float().numpy()
                worst = max(worst, float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)))
                seen.add((stack, layer))
    return worst, len(seen)


def _begins_late(states: list[Any], cache: ActivationCache, rows: Any, stack: str) -> bool:
    """Whether a model's own list of states begins with the output of block 1."""
    first = states[0][0, : len(rows)].float().numpy()
    return bool(np.allclose(first, cache.layer(1, stack)[rows], atol=ALLOWED * np.abs(first).max()))


def own_states(model: Any, cache: ActivationCache, ordinal: int, stack: str) -> tuple[list[Any], Any]:
    """Run one sentence alone; return the list of hidden states (empty: it gives none), and what the stack returns."""

    def tokens(name: str) -> Any:
        index = cache.index(name)
        return torch.tensor(index.token[index.example == ordinal][None].astype(np.int64))

    inputs = {"input_ids": tokens("encoder" if stack else "")}
    if stack:
        inputs["decoder_input_ids"] = tokens("decoder")
    with torch.inference_mode():
        output = model(**inputs, output_hidden_states=True)
    name = f"{stack}_hidden_states" if stack else "hidden_states"
    states = list(getattr(output, name, None) or [])
    last = "encoder_last_hidden_state" if stack == "encoder" else "last_hidden_state"
    returned = getattr(output, last, None)
    return states, states[-1] if returned is None else returned


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """End what takes longer with a TimeoutError."""

    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"over {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def table(rows: list[tuple[str, str, str]], counts: Counter[str]) -> str:
    """Return the page."""
    import transformers

    lines = [
        "# Model types",
        "",
        f"Every text model type of transformers {transformers.__version__}, with tiny random weights:",
        "rows of a cache against a direct forward of each single sentence, eleven sentences of 3 to 600 words.",
        "",
        f"- *right*: equal to {ALLOWED:.0e} of a layer's largest magnitude;",
        "- *refused*: with the reason;",
        "- *needs a file*: its blocks are not found without one in `probekit/models/families`;",
        "- *not built*: the generic small config does not fit this type, so nothing is known;",
        "- *not compared*: it extracts, but returns no hidden states of its own to compare with.",
        "",
        ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) + ".",
        "",
        "| type | verdict | |",
        "|---|---|---|",
    ]
    lines += [f"| {kind} | {verdict} | {reason.replace('|', '/')} |" for kind, verdict, reason in rows]
    return "\n".join(lines) + "\n"


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


if __name__ == "__main__":
    sys.exit(main())
