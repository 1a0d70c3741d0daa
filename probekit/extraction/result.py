"""What an extraction made: a frozen :class:`Extraction`, read off the manifest.

Enters: a manifest (or the state of an incomplete cache). Leaves: what the command prints. A reused cache has a
certificate too, for the manifest keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probekit.cache.format.certificate import certificate, made_notes
from probekit.cache.keep import EVERY_TOKEN, Keep
from probekit.cache.notes import truncated_notes
from probekit.extraction.spec import ExtractionSpec
from probekit.sites import STACKS, read_tensor


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an extraction made.

    Attributes
    ----------
    cache : Path
    complete : bool
        Whether the cache is complete; a part (``shard=(1, 4)``) may not be.
    reused : bool
        The cache was complete before; nothing ran.
    rows, width, bytes : int
        Rows over the whole cache, width of a layer, bytes of all shards.
    layers : list
        Ints and ``"final"``; ``"encoder:3"`` in an encoder-decoder.
    sites : dict of str to int
        Places inside of blocks, ``"3.heads"``, and their widths; of attention weights the heads.
    dtype, store : str
    shards, shards_done : int
    seconds : float
        From the first tokenisation to the manifest, of this run.
    tokens_per_second : float
    alignment : dict
        Words: covered, split, truncated, missing (named), spelling a special token (named).
    corpus : dict
        Its name, examples, words, examples of each split, how the splits were made, what the reader passed over.
    certificate : dict or None
        What was checked of the rows; see :func:`probekit.cache.format.certificate.certificate`.
    keep : Keep
        Which rows are kept.
    tokens : int
        What the model read for them.
    notes : list of str
        What a person should know: files left out, words without token, truncated examples ...
    """

    cache: Path
    complete: bool
    reused: bool
    rows: int
    layers: list[int | str]
    sites: Mapping[str, int]
    width: int
    bytes: int
    dtype: str
    store: str
    shards: int
    shards_done: int
    seconds: float
    tokens_per_second: float
    alignment: Mapping[str, Any]
    corpus: Mapping[str, Any]
    certificate: Mapping[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    keep: Keep = EVERY_TOKEN
    tokens: int = 0

    @property
    def alignment_line(self) -> str:
        """The certificate in one line."""
        seen = self.alignment
        return (
            f"{seen.get('covered', 0):,} of {seen.get('words', 0):,} words covered, {seen.get('split', 0):,} split, "
            f"{seen.get('truncated', 0):,} truncated, {seen.get('missing', 0):,} without a token, "
            f"{seen.get('spelling_special', 0):,} spelling a special token{self._of_a_table}"
        )

    @property
    def _of_a_table(self) -> str:
        """What only tables of word vectors do to words."""
        parts = {"lowered": "found in lower case", "vectorless": "given the mean vector"}
        return "".join(f", {count:,} {text}" for name, text in parts.items() if (count := self.alignment.get(name)))

    def __fspath__(self) -> str:
        """Return the folder of the cache: an extraction is a path wherever one is expected."""
        return str(self.cache)

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``extract --json`` prints."""
        return {
            "schema": "probekit.extract/1",
            "cache": str(self.cache),
            "complete": self.complete,
            "reused": self.reused,
            "keep": self.keep.name,
            "tokens": self.tokens,
            "rows": self.rows,
            "layers": self.layers,
            "sites": dict(self.sites),
            "width": self.width,
            "bytes": self.bytes,
            "dtype": self.dtype,
            "store": self.store,
            "shards": self.shards,
            "shards_done": self.shards_done,
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round(self.tokens_per_second, 1),
            "alignment": dict(self.alignment),
            "corpus": dict(self.corpus),
            "certificate": self.certificate,
            "notes": self.notes,
        }


def summarise(
    manifest: Mapping[str, Any],
    folder: Path,
    spec: ExtractionSpec,
    corpus: Mapping[str, Any],
    *,
    made_with: Mapping[str, Any],
    reused: bool = False,
    seconds: float = 0.0,
    tokens: int = 0,
) -> Extraction:
    findings = manifest["findings"]
    alignment = {name: value for name, value in findings.items() if name not in ("layers", "check", "tokens_read")}
    widths = {site: item["width"] for item in manifest["tensors"] if (site := read_tensor(item["name"])) is not None}
    layers = [site for site in widths if not site.inside]
    rows = max((count for stack, count in manifest["totals"]["rows"].items() if stack in STACKS), default=0)
    done, of = len(manifest["shards"]), manifest.get("shards_planned", len(manifest["shards"]))
    return Extraction(
        cache=folder,
        complete=done == of,
        reused=reused,
        rows=rows,
        keep=spec.keep,
        tokens=findings.get("tokens_read", rows),
        layers=[site.label for site in layers],
        sites={str(site.label): width for site, width in widths.items() if site.inside},
        width=widths[layers[0]] if layers else 0,
        bytes=manifest["totals"]["bytes"],
        dtype=spec.dtype,
        store=spec.store,
        shards=of,
        shards_done=done,
        seconds=seconds,
        tokens_per_second=tokens / seconds if seconds else 0.0,
        alignment=alignment,
        corpus=corpus,
        certificate=certificate(findings, made_with),
        notes=[*made_notes(made_with), *_notes(findings)],
    )


def _notes(findings: Mapping[str, Any]) -> list[str]:
    notes = []
    if findings.get("missing"):
        named = ", ".join(map(repr, findings.get("missing_words", [])))
        notes.append(f"{findings['missing']:,} words have no token and will be left out of every task: {named}.")
    if findings.get("vectorless"):
        named = ", ".join(map(repr, findings.get("vectorless_words", [])))
        notes.append(f"{findings['vectorless']:,} words have no vector and are given the mean of all: {named}.")
    if findings.get("spelling_special"):
        named = ", ".join(map(repr, findings.get("special_words", [])))
        notes.append(f"{findings['spelling_special']:,} words spell a special token and were encoded as text: {named}.")
    notes += truncated_notes(findings)
    if unpadded := (findings.get("check") or {}).get("unpadded"):
        notes.append(
            f"Padding changes what this model says: {unpadded:,} shards were run in batches of equal lengths, "
            "without any."
        )
    return notes
