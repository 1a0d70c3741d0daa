"""The text part of a model that is several models: text beside images or sound.

Enters: a loaded model. Leaves: the part whose config is its ``text_config``, and how many parameters stand beside it;
any other model as it is. The whole is loaded first, because only its class knows how the names of the checkpoint map
to the parts.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from probekit.errors import UsageError

DEPTHS = ("num_hidden_layers", "num_layers", "encoder_layers")


def text_part(model: Any) -> tuple[Any, dict[str, int]]:
    """Return the model that reads text, and the parts beside it: a name -> how many parameters.

    Parameters
    ----------
    model : PreTrainedModel

    Returns
    -------
    (PreTrainedModel, dict)
        The model itself and nothing beside it, where its own config tells the number of layers.

    Raises
    ------
    UsageError
        Its config holds those of several models, and none of its parts reads text by itself.
    """
    from transformers import PreTrainedModel

    config = model.config
    if any(isinstance(getattr(config, key, None), int) for key in DEPTHS):
        return model, {}
    nested = sorted(key for key, value in vars(config).items() if key.endswith("_config") and value is not None)
    if not nested:
        return model, {}
    text = getattr(config, "text_config", None)
    for name, module in model.named_modules():
        if name and isinstance(module, PreTrainedModel) and type(module.config) is type(text):
            part = module.base_model  # without its head
            own = {id(parameter) for parameter in part.parameters()}
            others = (key for key, parameter in model.named_parameters() if id(parameter) not in own)
            return part, dict(sorted(Counter(key.partition(".")[0] for key in others).items()))
    raise UsageError(
        f"Models of type '{config.model_type}' are several models in one ({', '.join(nested)}), and no part of them "
        "was found that reads text by itself. Name a model of text alone."
    )
