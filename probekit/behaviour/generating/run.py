"""Generate: have a model continue prompts, and keep what it wrote with the seeds, the decoding and the model's digest.

Enters: a causal model, a corpus of prompts. Leaves: a :class:`Generated`, rows that every reader of chats reads. The
batch decides nothing: each row has random numbers of its own, and the first batch that pads is made again row by row;
where its continuations differ (a near tie, a model that pads change), all rows are made one by one, which is said.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from probekit import plain
from probekit.behaviour.generating.decoding import Decoding, RowSampler, stream
from probekit.behaviour.generating.prompts import Prompt, Prompter, left_out_notes, row_of, without_sides
from probekit.corpus import open_corpus
from probekit.devices import DeviceMap
from probekit.errors import InputError, ResourceError, UsageError
from probekit.models.sources.digests import text_digest
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import head_of, load_with_head
from probekit.models.sources.load import LoadedModel
from probekit.models.sources.templates import chat_template as template_of
from probekit.models.tokens.chat import ChatEncoder
from probekit.storage.files import replace_bytes
from probekit.storage.strict import dump

Progress = Callable[[float, str], None]
STOP, LENGTH = "stop", "length"


@dataclass(frozen=True, slots=True)
class Generated:
    """Continuations of prompts.

    Attributes
    ----------
    rows : list of dict
        As they are written.
    prompts : int
    finished : dict of str to int
        Continuations that the model ended (``stop``), or that were cut (``length``).
    notes : list of str
        What is left out, what is read back in other tokens, how the batches were checked.
    """

    rows: list[dict[str, Any]]
    prompts: int
    finished: dict[str, int]
    notes: list[str]

    def write(self, path: Path) -> Path:
        """Write the rows as JSON lines; ``probekit extract`` reads them.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        try:
            replace_bytes(path, "".join(dump(row) + "\n" for row in self.rows).encode())
        except OSError as error:
            raise ResourceError(f"{path} cannot be written: {error.strerror}. Choose another --out file.") from error
        return path

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``generate --json`` prints."""
        return {
            "schema": "probekit.generated/1",
            "prompts": self.prompts,
            "finished": self.finished,
            "rows": self.rows,
            "notes": self.notes,
        }


def generate(
    model: str | os.PathLike[str],
    prompts: Any,
    *,
    decoding: Decoding | None = None,
    chat: bool = False,
    chat_template: str | os.PathLike[str] | None = None,
    dtype: str = "float32",
    device: str | DeviceMap = "auto",
    batch_size: int = 8,
    revision: str | None = None,
    progress: Progress | None = None,
) -> Generated:
    """Have a model continue prompts.

    Parameters
    ----------
    model : str or path
        A causal language model with its own head.
    prompts : anything :func:`~probekit.corpus.open_corpus` takes
        Chats and prompts, or texts; an answer that a chat has is left out.
    decoding : Decoding, optional
        By default the most probable token, 64 times.
    chat : bool
        Render chats by the template of the model's tokenizer.
    chat_template : path, optional
        A file in its place.
    dtype : {"float32", "bfloat16", "float16"}
    device : {"auto", "cpu", "cuda", "mps"} or DeviceMap
    batch_size : int
        Continuations at once.
    revision : str, optional
        Of a model on the hub.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    Generated

    Raises
    ------
    UsageError
        The model is no causal one, or has no template.
    InputError
        A prompt that cannot be read, or too long for the model with what shall follow.
    """
    decoding = decoding or Decoding()
    batch_size = plain.whole(batch_size, "batch_size", least=1)
    source = find_model(plain.location(model, "model", "the name or the folder of a model"), revision=revision)
    if (head := head_of(source)) != "causal":
        raise UsageError(f"The model '{source.name}' is {head}: it does not continue a text. Name a causal one.")
    given = None if chat_template is None else plain.path(chat_template, "chat_template")
    template = template_of(source, given) if plain.flag(chat, "chat") or given is not None else None
    corpus = open_corpus(prompts)
    loaded = load_with_head(source, "causal", dtype=dtype, device=device)
    chats = None if template is None else ChatEncoder(loaded.tokenizer, template, vocabulary=loaded.vocabulary)
    prompter = Prompter(loaded.tokenizer, chats)
    examples, sided = without_sides(list(corpus))
    asked = prompter.prompts(examples)
    if not asked:
        raise InputError(f"There is no prompt in {corpus.name}. Give a corpus with some.")
    _check_lengths(asked, loaded, decoding)
    made_by = {
        "model": source.name,
        "weights": loaded.weights_digest(),
        "template": None if template is None else text_digest([template]),
        "dtype": dtype,
        **decoding.to_json(),
    }
    writer = _Writer(loaded, decoding, batch_size)
    rows, counts, finished = [], Counter[str](), Counter[str]()
    empty: list[str] = []
    jobs = [(prompt, sample) for prompt in asked for sample in range(decoding.n)]
    split = not corpus.split_rule.startswith("hash")
    for number, ((prompt, sample), new) in enumerate(zip(jobs, writer.continue_all(jobs), strict=True), 1):
        ended = bool(new) and new[-1] in writer.ends
        new = new[:-1] if ended else new
        text = prompter.written(prompt, new)
        if progress is not None:
            progress(number / len(jobs), f"prompt {prompt.example.id}")
        if not text.strip():
            empty.append(f"{prompt.example.id}:{sample}")
            continue
        finish = STOP if ended else LENGTH
        finished[finish] += 1
        counts["other"] += not prompter.reads_back(prompt, text, new)
        by = {**made_by, "sample": sample, "finish": finish, "tokens": len(new)}
        rows.append(row_of(prompt, text, sample=sample, made_by=by, split=split))
    counts["sided"] = sided
    counts["answered"] = sum(prompt.answered for prompt in asked)
    notes = [*source.remarks, *corpus.remarks, *writer.notes, *_notes(counts, empty, len(rows)), *left_out_notes(asked)]
    return Generated(rows, len(asked), dict(finished), notes)


def _check_lengths(prompts: Sequence[Prompt], loaded: LoadedModel, decoding: Decoding) -> None:
    """Refuse, before the model runs, prompts that leave no room for what shall follow."""
    limit = loaded.max_length
    long = [prompt for prompt in prompts if limit is not None and len(prompt.ids) + decoding.max_new_tokens > limit]
    if long:
        first = long[0]
        raise InputError(
            f"{len(long):,} of {len(prompts):,} prompts are too long, the first '{first.example.id}': {len(first.ids)} "
            f"tokens and {decoding.max_new_tokens} new ones, and the model reads {limit}. Ask for fewer "
            "(--max-new-tokens), or leave these prompts out."
        )


def _notes(counts: Counter[str], empty: Sequence[str], kept: int) -> list[str]:
    notes = []
    if counts["answered"]:
        notes.append(f"{counts['answered']:,} chats had an answer, which the model was not shown.")
    if counts["sided"]:
        notes.append(
            f"{counts['sided']:,} examples were sides of contrasts: the two that share a prompt are one, without the "
            "side and the label, which spoke of completions that the model did not write."
        )
    if empty:
        named = ", ".join(empty[:3]) + (f" and {len(empty) - 3:,} more" if len(empty) > 3 else "")
        notes.append(f"{len(empty):,} continuations are empty and left out: {named}.")
    if counts["other"]:
        notes.append(
            f"{counts['other']:,} of {kept:,} continuations are read back in other tokens than were written: their "
            "text has a likelier spelling, or the template trims it."
        )
    return notes


class _Writer:
    """Runs batches of continuations.

    Attributes
    ----------
    ends : set of int
        Tokens that end a text.
    notes : list of str
    """

    def __init__(self, loaded: LoadedModel, decoding: Decoding, batch_size: int) -> None:
        self.loaded, self.decoding, self.batch_size = loaded, decoding, batch_size
        own = getattr(loaded.model.generation_config, "eos_token_id", None)
        named = own if isinstance(own, list) else [own, loaded.config.eos_token_id]
        self.ends = {ident for ident in (*named, loaded.tokenizer.eos_token_id) if isinstance(ident, int)}
        self.notes: list[str] = []
        self._checked = batch_size == 1

    def continue_all(self, jobs: Sequence[tuple[Prompt, int]]) -> Iterator[list[int]]:
        """Yield the new tokens of every (prompt, sample), the token that ends a text included."""
        at = 0
        while at < len(jobs):
            batch = jobs[at : at + self.batch_size]
            made = self._run(batch)
            if not self._checked and len({len(prompt.ids) for prompt, _ in batch}) > 1:
                made = self._check(batch, made)
            yield from made
            at += len(batch)

    def _check(self, batch: Sequence[tuple[Prompt, int]], made: list[list[int]]) -> list[list[int]]:
        """Make a batch again row by row; where it differs, go on so."""
        self._checked = True
        alone = [self._run([job])[0] for job in batch]
        if differ := sum(one != other for one, other in zip(alone, made, strict=True)):
            self.batch_size = 1
            self.notes.append(
                f"{differ} of {len(batch)} continuations differ beside others from those made alone: all prompts are "
                "continued one by one."
            )
        else:
            self.notes.append(f"Checked: {len(batch)} continuations are the same made alone and beside others.")
        return alone

    def _run(self, batch: Sequence[tuple[Prompt, int]]) -> list[list[int]]:
        from transformers import GenerationConfig, LogitsProcessorList

        width = max(len(prompt.ids) for prompt, _ in batch)
        ids = torch.full((len(batch), width), self.loaded.pad_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, (prompt, _) in enumerate(batch):
            ids[row, width - len(prompt.ids) :] = torch.tensor(prompt.ids)
            mask[row, width - len(prompt.ids) :] = 1
        streams = [stream(self.decoding.seed, prompt.example.id, sample) for prompt, sample in batch]
        # One of its own: a checkpoint's may ask for penalties and beams that nobody here named.
        config = GenerationConfig(
            max_new_tokens=self.decoding.max_new_tokens,
            do_sample=False,
            num_beams=1,
            eos_token_id=sorted(self.ends) or None,
            pad_token_id=self.loaded.pad_id,
        )
        device = self.loaded.device
        with torch.inference_mode(), warnings.catch_warnings():
            # Some versions take a model whose first weights wait on disk to lie nowhere.
            warnings.filterwarnings("ignore", message="You are calling .generate")
            out = self.loaded.model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                generation_config=config,
                logits_processor=LogitsProcessorList([RowSampler(self.decoding, streams)]),
            )
        return [self._cut(row) for row in out[:, width:].tolist()]

    def _cut(self, new: list[int]) -> list[int]:
        """Return the tokens up to the first that ends a text; what follows are pads."""
        stop = next((at + 1 for at, ident in enumerate(new) if ident in self.ends), len(new))
        return new[:stop]
