"""What the user asked an extraction for, as one frozen value.

Enters: options as typed, in Python or on the command line. Leaves: a :class:`Request`, checked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.amounts import read_bytes
from probekit.cache.keep import TOKENS, Keep
from probekit.cache.location import cache_root
from probekit.controls import one_control
from probekit.devices import DeviceMap, place_of
from probekit.errors import UsageError
from probekit.extraction.engines import asked_engine
from probekit.extraction.kept_places import KeptPlaces
from probekit.extraction.spec import INPUTS, Changes, ExtractionSpec
from probekit.sites import parse_kinds, parse_layers


@dataclass(frozen=True, slots=True)
class Request:
    """One extraction, as asked for.

    Attributes
    ----------
    model : str or Path
    corpus : anything :func:`~probekit.corpus.open_corpus` takes
    chat_template : Path or None
        A file in the place of the model's own template.
    max_disk : int or None
        Bytes that the cache may take.
    spec : ExtractionSpec
    root : Path
        Folder of caches.
    device : {"auto", "cpu", "cuda", "mps"} or DeviceMap
    revision : str or None
    subsample : int or None
    shard : (int, int) or None
        ``(i, n)``: do part i of n, counted from 1.
    mixed : bool
        Resume under other versions than the first run's.
    resume_command : str or None
        What was typed, for the message of an incomplete cache.
    engine : str
        Name of the :class:`~probekit.extraction.engines.Engine` that runs the shards.
    workers : int or None
        Of an engine with several; None: as many as there is room for.
    address : str or None
        Where the workers are; None: on this machine.
    """

    model: str | Path
    corpus: Any
    spec: ExtractionSpec
    root: Path
    device: str | DeviceMap = "auto"
    revision: str | None = None
    subsample: int | None = None
    shard: tuple[int, int] | None = None
    mixed: bool = False
    resume_command: str | None = None
    chat_template: Path | None = None
    max_disk: int | None = None
    engine: str = "local"
    workers: int | None = None
    address: str | None = None

    @classmethod
    def build(
        cls,
        model: str | os.PathLike[str],
        corpus: Any,
        *,
        layers: Any = "all",
        sites: Any = None,
        dtype: str = "float32",
        store: str = "same",
        device: str = "auto",
        device_map: str | None = None,
        max_memory: Any = None,
        offload: str | os.PathLike[str] | None = None,
        batch_tokens: int | None = None,
        input: str = "words",
        chat: bool = False,
        chat_template: str | os.PathLike[str] | None = None,
        max_length: int | None = None,
        overflow: str = "error",
        random_weights: int | None = None,
        shuffled_weights: int | None = None,
        shuffled_layers: int | None = None,
        edits: Changes | None = None,
        revision: str | None = None,
        subsample: int | None = None,
        shard: tuple[int, int] | None = None,
        mixed: bool = False,
        cache: str | os.PathLike[str] | None = None,
        keep: str = TOKENS,
        max_disk: str | int | None = None,
        engine: str = "local",
        workers: int | None = None,
        address: str | None = None,
    ) -> Request:
        """Check the options and freeze them."""
        stored = plain.type_name(store, "store")
        spec = ExtractionSpec(
            layers=parse_layers(layers),
            sites=() if sites is None else parse_kinds(sites),
            dtype=dtype,
            store=dtype if stored == "same" else stored,
            input=_input(input, chat=plain.flag(chat, "chat"), template=chat_template),
            overflow=overflow,
            max_length=max_length,
            control=one_control(
                {
                    "random_weights": random_weights,
                    "shuffled_weights": shuffled_weights,
                    "shuffled_layers": shuffled_layers,
                }
            ),
            edits=edits if edits is None else plain.one_of(edits, "edits", Changes, "a probekit.ablation.Edits"),
            batch_tokens=batch_tokens,
            keep=Keep.read(keep),
        )
        if spec.keep.places:
            KeptPlaces(spec.keep)
        engine, workers, address = asked_engine(engine, workers, address)
        return cls(
            plain.location(model, "model", "the name or the folder of a model"),
            corpus,
            spec,
            cache_root(cache),
            place_of(device, device_map, max_memory, offload),
            None if revision is None else plain.text(revision, "revision"),
            None if subsample is None else plain.whole(subsample, "subsample", least=1),
            None if shard is None else _part(shard),
            plain.flag(mixed, "mixed"),
            chat_template=None if chat_template is None else plain.path(chat_template, "chat_template"),
            max_disk=None if max_disk is None else read_bytes(max_disk, "max_disk"),
            engine=engine,
            workers=workers,
            address=address,
        )


def _input(given: Any, *, chat: bool, template: Any) -> str:
    """Return what the model reads of an example; a template alone asks for chats."""
    if not chat and template is None:
        return plain.choice(given, "input", INPUTS[:2])
    if given != "words":
        raise UsageError(f"Chats are read by their template, so --chat has no use with --input {given}. Leave it out.")
    return "chat"


def _part(shard: Any) -> tuple[int, int]:
    """Return (i, n) of part i of n, counted from 1."""
    wanted = "two whole numbers (i, n) with 1 <= i <= n, like (1, 4)"
    numbers = plain.wholes(shard, "shard", wanted)
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1]:
        raise plain.refused("shard", wanted, shard)
    return numbers[0], numbers[1]
