"""Datasets of the Hugging Face hub, ``hf:<name>[@revision][:config]``, or a local folder of parquet or JSON lines.

Needs the extra ``hub``. The words are the column ``words`` or ``tokens``; where there is neither, the column
``text`` or ``sentence`` is split at whitespace, or two that are called as two texts are (``premise`` and
``hypothesis``), whose words then stand one behind the other. Class labels become their names; the column ``id``, which
need not be unique, becomes the annotation ``source_id``. Rows of ``messages``, or of a ``prompt`` with its completions,
are chats (``_prompts.py``). No code of a dataset is ever run.

A list that has not one value a word cannot be an annotation of words; it is left out and counted. A hub dataset is
fetched into the cache of Hugging Face once; a local folder is streamed.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from probekit.corpus.notes import Notes
from probekit.corpus.readers import Address, Reader
from probekit.corpus.readers._named import pair_of
from probekit.corpus.readers._prompts import COLUMNS, prompt_columns, prompt_examples, prompts_remark
from probekit.corpus.records import RESERVED, example_from, named_labels, with_words
from probekit.corpus.split_names import split_of_name
from probekit.errors import InputError, NetworkError, UsageError
from probekit.example import Example, as_plain

LISTS = ("words", "tokens")
TEXTS = ("text", "sentence")


def read(address: Address, notes: Notes) -> Iterator[Example]:
    """Yield the examples of a dataset, split after split.

    Raises
    ------
    UsageError
        The extra is missing; the hub knows no such dataset or config, or does not let you read it.
    NetworkError
        The hub cannot be reached.
    InputError
        A dataset without words, or damaged files.
    """
    options = address.options
    parts = _parts(address.locations[0], options.get("config"), options.get("revision"))
    named = _named(parts)
    for name, dataset in parts.items():
        if named and name not in named:
            notes.count("splits left out", f"{address.name}:{name}")
            continue
        convert = _converter(dataset)
        prompts: dict[str, str] | None = None
        for number, record in enumerate(_records(dataset, address.locations[0])):
            notes.at(f"{address.name}[{name}]", number)
            place, values = f"{address.name}[{name}]:{number}", convert(record)
            if prompts is None:
                prompts = prompt_columns(values, {}, where=place)
                if prompts:
                    notes.remark(prompts_remark(prompts))
            split = {"split": named[name]} if named else {}
            if prompts:
                kept = _without_lists(values, prompts, place, notes)
                yield from prompt_examples({**kept, **split}, {**prompts, **{key: key for key in split}}, place, notes)
            elif (worded := _worded(values, place, notes, f"hf:{address.locations[0]}")) is not None:
                yield example_from({**worded, **split}, place)


def address(rest: str) -> Address:
    """Parse what follows ``hf:``.

    Raises
    ------
    UsageError
        If nothing does, or the extra ``hub`` is not installed.
    """
    _need_extra()
    location, config, revision = rest, None, None
    if not os.path.isdir(rest):
        location, _, after = rest.partition(":")
        config = after or None
        if not os.path.isdir(location):
            location, _, after = location.partition("@")
            revision = after or None
    if not location:
        raise UsageError("An address of a dataset must be hf:<name>[:config] or hf:<folder>. Got 'hf:'.")
    if os.path.isdir(location):
        location = os.path.abspath(location)
    elif location.startswith((".", os.sep, "~")):
        raise InputError(f"hf:{location}: there is no such folder. Check the path.")
    return _address(location, config, revision)


def restore(locations: tuple[str, ...], options: Mapping[str, Any]) -> Address:
    """Make the address that a record holds."""
    _need_extra()
    (location,) = locations
    if os.path.isabs(location) and not os.path.isdir(location):
        raise InputError(f"{location}: the folder that the cache was made from is gone. Say where it is with --corpus.")
    return _address(location, options.get("config"), options.get("revision"))


def _address(location: str, config: str | None, revision: str | None) -> Address:
    options = {key: value for key, value in (("config", config), ("revision", revision)) if value is not None}
    name = os.path.basename(os.path.realpath(location)) if os.path.isdir(location) else location
    return Address(
        (location,),
        options,
        "-".join(filter(None, (name.replace("/", "--"), config))),
        splits=lambda: tuple(_named(_parts(location, config, revision)).values()),
        splits_by="the dataset's splits",
        files=_files(location),
    )


def _files(location: str) -> tuple[str, ...]:
    inside = Path(location).rglob("*") if os.path.isdir(location) else ()
    return tuple(sorted(str(path) for path in inside if path.is_file() and not path.name.startswith(".")))


def _need_extra() -> None:
    if importlib.util.find_spec("datasets") is None:
        raise UsageError(
            "Datasets (hf:...) need the extra 'hub', which is not installed: pip install 'probekit-nlp[hub]'."
        )


def _named(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return which of the dataset's splits are which of ours, when they part the dataset; else nothing."""
    known = {name: split for name in parts if (split := split_of_name(name)) is not None}
    exact = {name: split for name, split in known.items() if name.isalpha()}
    return exact if len(set(exact.values())) > 1 else {}


def _parts(location: str, config: str | None, revision: str | None) -> Mapping[str, Any]:
    stats = (os.stat(file) for file in _files(location))
    return _load(location, config, revision, tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats))


@cache
def _load(location: str, config: str | None, revision: str | None, stamp: tuple[object, ...]) -> Mapping[str, Any]:
    """Load the splits of a dataset; another stamp of its files is another dataset."""
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    local = os.path.isdir(location)
    try:
        loaded = datasets.load_dataset(location, config, revision=revision, streaming=local)
    except DatasetNotFoundError as error:
        raise UsageError(f"hf:{location}: {_brief(error)} Check the name, or log in with `hf auth login`.") from None
    except FileNotFoundError as error:
        raise InputError(f"hf:{location}: {_brief(error)} Put parquet or .jsonl files there.") from None
    except ConnectionError as error:
        raise NetworkError(f"hf:{location}: {_brief(error)} Go online once, or name a local folder.") from None
    except OSError as error:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        kind = UsageError if status in (401, 403, 404) else NetworkError
        raise kind(f"hf:{location}: {_brief(error)}") from None
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"hf:{location}: {_brief(error)}") from None
    return dict(loaded)


def _records(dataset: Any, location: str) -> Iterator[dict[str, Any]]:
    from datasets.exceptions import DatasetGenerationError

    try:
        yield from dataset
    except (ValueError, OSError, DatasetGenerationError) as error:
        raise InputError(f"hf:{location}: the files cannot be read: {_brief(error)} Fetch them again.") from None


def _converter(dataset: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what turns a record of a dataset into plain values, its class labels into their names."""
    features = dict(dataset.features or {})
    labels = {name: names for name, feature in features.items() if (names := _label_names(feature))}

    def convert(record: dict[str, Any]) -> dict[str, Any]:
        values = {name: named_labels(as_plain(value), labels.get(name)) for name, value in record.items()}
        if "id" in values:
            values["source_id"] = values.pop("id")
        return values

    return convert


def _worded(values: dict[str, Any], place: str, notes: Notes, where: str) -> dict[str, Any] | None:
    """Return a record for `example_from`; None where it lacks one of two texts."""
    result = _with_words(values, place, where)
    if result is None:
        notes.count("rows without both of their texts", place, aloud=True)
        return None
    words = result["words"]
    for name, value in values.items():
        if name not in RESERVED and isinstance(value, list) and len(value) != len(words or ()):
            notes.count(f"values of '{name}' that are not one a word", place)
        else:
            result[name] = value
    return result


def _without_lists(values: dict[str, Any], prompts: Mapping[str, str], place: str, notes: Notes) -> dict[str, Any]:
    """Return the values of a chat, whose words no list of a hub dataset goes by."""
    read = {*COLUMNS, *prompts.values()}
    lists = [name for name, value in values.items() if isinstance(value, list) and not read & {name, name.lower()}]
    for name in lists:
        notes.count(f"values of '{name}' that are not one a word", place)
    return {name: value for name, value in values.items() if name not in lists}


def _with_words(values: dict[str, Any], place: str, where: str) -> dict[str, Any] | None:
    """Take the texts out of a row, and return a record of its words; None where it lacks one of two texts."""
    column = next((name for name in LISTS if name in values), None)
    if column is not None:
        return {"words": values.pop(column)}
    column = next((name for name in TEXTS if isinstance(values.get(name), str)), None)
    if column is not None:
        values["text"] = values.pop(column)
        return {"words": values["text"].split()}
    pair = pair_of(values)
    if pair is None:
        raise InputError(
            f"{where}: no column 'words', 'tokens', 'text' or 'sentence' (it has: {', '.join(values)}), nor two like "
            "'premise' and 'hypothesis'. Make one, and save the dataset as JSON lines."
        )
    texts = [values.pop(name) for name in pair]
    return with_words({"spans": values.pop("spans", None)}, texts, place)


def _label_names(feature: Any) -> list[str] | None:
    """Return the names of a class label, or of a list of class labels."""
    return getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)


def _brief(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".") + "."


READER = Reader("hf", read, address=address, restore=restore)
