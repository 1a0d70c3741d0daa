"""A model with its own head: what gives probabilities of tokens, not only vectors.

Enters: a :class:`~probekit.models.sources.locate.TransformersSource` and how it shall be read: causal, masked, seq2seq.
Leaves: a :class:`~probekit.models.sources.load.LoadedModel` whose ``model`` returns logits; without stacks of layers,
unless these are asked for.
What a checkpoint was trained for is read from the class that its config names, because any encoder can be loaded as a
causal model, and would then see the words it predicts. A head that the checkpoint does not hold is refused: it would be
random.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from probekit import plain
from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.devices import WITHOUT_CONTROLS, DeviceMap, choose_device
from probekit.errors import UsageError
from probekit.models.architecture.families import family_of
from probekit.models.architecture.stacks import Stack, find_stacks, stacks_below
from probekit.models.sources.load import ATTENTION, DTYPES, LoadedModel, assemble, exact_products, read_tokenizer
from probekit.models.sources.locate import TransformersSource
from probekit.models.sources.placing import spread
from probekit.models.sources.weights import (
    as_usage_error,
    prepare_for_inference,
    pretrained,
    quantised,
    quiet,
    randomised,
    read_config,
)

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource

CLASSES = {"seq2seq": "AutoModelForSeq2SeqLM", "causal": "AutoModelForCausalLM", "masked": "AutoModelForMaskedLM"}
"""How a model predicts tokens, and what of transformers loads it."""

WORDS = {
    "causal": "predicts each token from those before it",
    "masked": "fills in masked tokens",
    "seq2seq": "is an encoder-decoder",
}


def head_of(source: ModelSource) -> str:
    """Return what the head of a model does: ``causal``, ``masked`` or ``seq2seq``.

    Raises
    ------
    UsageError
        It has no head that predicts tokens.
    """
    if not isinstance(source, TransformersSource):
        raise UsageError(
            f"'{source.name}' is a table of vectors and predicts nothing. Name a language model with its own head."
        )
    kind = str(source.config["model_type"])
    names = [str(name) for name in source.config.get("architectures") or ()]
    for head, known in _known_classes(kind).items():
        if any(name in known for name in names):
            return head
    able = [head for head, known in _known_classes(kind).items() if known]
    if not names and len(able) == 1:
        return able[0]
    says = f"its config names {', '.join(names)}" if names else "its config names no class"
    raise UsageError(
        f"The model '{source.name}' (type '{kind}') has no head that predicts tokens: {says}. Its layers can be probed "
        "(probekit extract), but it gives no word a probability. Name a checkpoint that still has its head: of a "
        "causal model (..ForCausalLM, ..LMHeadModel), a masked one (..ForMaskedLM), an encoder-decoder "
        "(..ForConditionalGeneration)."
    )


def check_head(source: ModelSource, wanted: str) -> str:
    """Return the head of a model, where it is the one that is wanted; ``auto`` wants whatever it has.

    Raises
    ------
    UsageError
        It has another, or none.
    """
    wanted = plain.choice(wanted, "score", ("auto", *CLASSES))
    found = head_of(source)
    if wanted in ("auto", found):
        return found
    raise UsageError(
        f"The model '{source.name}' {WORDS[found]}: a {wanted} score of it would mean nothing. Use --score {found} "
        f"(or auto), or a model that {WORDS[wanted]}."
    )


def load_with_head(
    source: ModelSource,
    head: str,
    *,
    dtype: str = "float32",
    device: str | DeviceMap = "auto",
    random_weights: int | None = None,
    stacks: bool = False,
    attention: str | None = None,
) -> LoadedModel:
    """Load a model with its own head, and its tokenizer.

    Parameters
    ----------
    source : ModelSource
    head : {"causal", "masked", "seq2seq"}
        What :func:`check_head` returned.
    dtype : {"float32", "float16", "bfloat16"}
    device : {"auto", "cpu", "cuda", "mps"} or DeviceMap
    random_weights : int or None
        Seed: initialise as the family does before training, head and all.
    stacks : bool
        Find the stacks of its blocks too: layers are read and changed, and blocks passed, as those of the base model.
    attention : {"eager", "sdpa"} or None
        None: sdpa where the family has it.

    Returns
    -------
    LoadedModel

    Raises
    ------
    UsageError
        A checkpoint without its head, or that cannot be read.
    """
    plain.choice(dtype, "dtype", tuple(DTYPES))
    plain.choice(attention or "sdpa", "attention", ATTENTION)
    assert isinstance(source, TransformersSource)
    if isinstance(device, DeviceMap) and random_weights is not None:
        raise UsageError(WITHOUT_CONTROLS.format("random weights"))
    # A model with stacks is changed inside, or trained: that is done on one device.
    place = None if isinstance(device, DeviceMap) and not stacks else torch.device(choose_device(device))
    exact_products()
    with quiet(), as_usage_error(source.folder / "config.json"):
        config = read_config(source, attention)
        digest, not_read, placement = None, None, None
        if isinstance(device, DeviceMap):
            model, not_read, placement = spread(source, config, DTYPES[dtype], CLASSES[head], wanted=device)
        elif random_weights is None:
            model, not_read = pretrained(source, config, DTYPES[dtype], CLASSES[head])
        else:
            model, digest = randomised(config, random_weights, DTYPES[dtype], CLASSES[head])
        # A model with stacks is cut, cached and tuned: its numbers are those of the base model, bit for bit.
        model = prepare_for_inference(model if stacks else _one_pass(model), place)
        found: tuple[Stack, ...] = ()
        if stacks:
            base = model.base_model
            found = stacks_below(model, find_stacks(base, base.config, family_of(model.config.model_type)))
        tokenizer = read_tokenizer(source)
    place = place if placement is None else placement.main
    assert place is not None
    loaded = assemble(
        source,
        model,
        tokenizer,
        device=place,
        stacks=found,
        control=None if random_weights is None else Control(RANDOM_WEIGHTS, random_weights),
        not_read=not_read,
        digest=digest,
    )
    made = quantised(source) if random_weights is None else None
    return replace(loaded, head=head, placement=placement, quantised=made)


def _known_classes(kind: str) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of a model type by what their heads do."""
    from transformers.models.auto import modeling_auto as auto

    mappings = {
        "seq2seq": auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        "causal": auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "masked": auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    }
    found = {head: mapping.get(kind, ()) for head, mapping in mappings.items()}
    return {head: (names,) if isinstance(names, str) else tuple(names) for head, names in found.items()}


def _one_pass(model: Any) -> Any:
    """Compute GELU by its tanh in one pass: GPT-2's own code makes seven of it, an eighth of the time on a CPU."""
    from transformers.activations import GELUTanh, NewGELUActivation

    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is NewGELUActivation:
                setattr(module, name, GELUTanh())
    return model
