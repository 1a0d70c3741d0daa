"""Edits at work: what each does to the states of a pass.

Enters: edits and a loaded model. Leaves: a context in which the model runs under them, in batches of any making, from
its ids or from the middle, with gradients or without. What an edit does to a token depends on the row it stands in, and
never on the rows beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from probekit.ablation.edits import ADD, FILES, MEAN, PATCH, PROJECT_OUT, RESAMPLE, Edit
from probekit.errors import InputError, UsageError
from probekit.models.architecture.sublayers import door_of
from probekit.models.runtime.attach import Callback, Rows, attached
from probekit.sites import HEADS, site_of

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

Tensors = Mapping[str, torch.Tensor]
Source = Callable[[torch.Tensor, Rows], torch.Tensor]
"""What is to stand in the place of some states."""


@contextmanager
def edited(loaded: LoadedModel, edits: Sequence[Edit]) -> Iterator[None]:
    """Run a model under edits while the context lasts.

    Parameters
    ----------
    loaded : LoadedModel
        With its stacks.
    edits : sequence of Edit
        Those of one place act in this order.

    Raises
    ------
    UsageError, InputError
        The model has no such place, units or heads; or a file does not hold what an edit needs.
    """
    with attached(loaded, [(site_of(edit.site), action(loaded, edit, read_tensors(edit))) for edit in edits]):
        yield


def read_tensors(edit: Edit) -> Tensors:
    """Return the tensors of the files that an edit names, by their names; both files of one edit together."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for name in FILES:
        if (file := getattr(edit, name)) is not None:
            try:
                found |= load_file(Path(file))
            except (SafetensorError, OSError) as error:
                raise InputError(f"{file}, the `{name}` of an edit at {edit.site}, cannot be read: {error}.") from None
    return found


def action(loaded: LoadedModel, edit: Edit, tensors: Tensors) -> Callback:
    """Return what an edit does at its place, for :func:`~probekit.models.runtime.attach.attached`.

    Parameters
    ----------
    loaded : LoadedModel
    edit : Edit
    tensors : mapping of str to Tensor
        What its files hold (:func:`read_tensors`), or would hold.
    """
    width, size = _sizes(loaded, edit)
    units = _units(edit, width, size)
    source = _source(edit, tensors, width)
    within = _within(edit, tensors, width)

    def change(states: torch.Tensor, rows: Rows) -> torch.Tensor | None:
        if edit.strength == 0:
            return None
        wanted = source(states, rows)
        if within is not None or edit.strength != 1:
            difference = wanted - states
            wanted = states + edit.strength * (difference if within is None else within(difference))
        touched = places(rows, edit.positions, states.shape[1])[..., None]  # [rows, places, 1]
        if units is not None:
            touched = touched & units.to(states.device)  # [rows, places, width]
        return torch.where(touched, wanted, states)

    return change


def places(rows: Rows, positions: Sequence[int] | None, width: int) -> torch.Tensor:
    """Return where tokens of some positions are, bool [rows, width]; None: all tokens that are no pads."""
    real = rows.real
    wanted = real
    if positions is not None:
        numbers, lengths = real.long().cumsum(1) - 1, real.long().sum(1, keepdim=True)
        wanted = torch.zeros_like(real)
        for position in positions:
            wanted = wanted | (numbers == (position if position >= 0 else lengths + position))
        wanted = wanted & real
    return torch.nn.functional.pad(wanted, (0, width - wanted.shape[1]))  # some models pad inside


def _sizes(loaded: LoadedModel, edit: Edit) -> tuple[int, int]:
    """Return the width of a place and that of a head there, 0 where there are none."""
    site = site_of(edit.site)
    if site.inside:
        door = door_of(loaded, site)
        return door.width, door.width // door.heads if site.kind == HEADS else 0
    widths = {stack.full_name(name): width for stack in loaded.stacks for name, width in stack.widths.items()}
    return widths.get(site.tensor, 0), 0  # an unknown place is refused where it is attached


def _units(edit: Edit, width: int, size: int) -> torch.Tensor | None:
    """Return which places of a vector are changed, bool [width]; None: all."""
    chosen: Sequence[int] | None = edit.units
    if edit.heads is not None:
        if not size:
            raise UsageError(f"At '{edit.site}' there are no heads. Edit a site of heads, like 3.heads, or units.")
        if edit.heads[-1] >= width // size:
            raise UsageError(f"At '{edit.site}' the heads are 0 to {width // size - 1}. Got {edit.heads[-1]}.")
        chosen = [unit for head in edit.heads for unit in range(head * size, (head + 1) * size)]
    if chosen is None:
        return None
    if chosen[-1] >= width:
        raise UsageError(f"At '{edit.site}' the units are 0 to {width - 1}. Got {chosen[-1]}.")
    mask = torch.zeros(width, dtype=torch.bool)
    mask[list(chosen)] = True
    return mask


def _source(edit: Edit, tensors: Tensors, width: int) -> Source:
    """Return what is to stand there, were the change whole."""
    if edit.what == ADD:
        added = _tensor(edit, tensors, "directions", width).sum(0)
        return lambda states, rows: states + added.to(states)
    if edit.what == MEAN:
        mean = _tensor(edit, tensors, "values", width).float().mean(0)
        return lambda states, rows: mean.to(states).expand_as(states)
    if edit.what == PROJECT_OUT and "mean" in tensors:
        centre = _tensor(edit, tensors, "mean", width)[0]
        return lambda states, rows: centre.to(states).expand_as(states)
    if edit.what == RESAMPLE:
        bank = _tensor(edit, tensors, "values", width)
        return lambda states, rows: _drawn(edit, bank, states, rows)
    if edit.what == PATCH:
        return _patch(edit, tensors, width)
    return lambda states, rows: torch.zeros_like(states)


def _within(edit: Edit, tensors: Tensors, width: int) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return the projection onto the subspace of an edit; None: the whole space."""
    if edit.subspace is None or edit.what == ADD:
        return None
    directions = _tensor(edit, tensors, "directions", width)
    if "duals" in tensors:
        duals = _tensor(edit, tensors, "duals", width)
    else:
        # The right singular vectors span the rows, also where some of them are sums of others.
        _, sizes, spanned = torch.linalg.svd(directions.double(), full_matrices=False)
        kept = spanned[sizes > 1e-6 * sizes.max()] if len(sizes) else spanned
        directions = duals = kept.to(directions)
    return lambda difference: (difference @ duals.to(difference).T) @ directions.to(difference)


def _tensor(edit: Edit, tensors: Tensors, name: str, width: int) -> torch.Tensor:
    """Return a tensor [rows, width] of an edit; one vector is a row."""
    if name not in tensors:
        raise InputError(
            f"The files of an edit ('{edit.what}' at {edit.site}) hold no tensor '{name}'; they hold "
            f"{', '.join(sorted(tensors)) or 'none'}."
        )
    found = tensors[name]
    found = found[None] if found.ndim == 1 else found
    if found.ndim != 2 or found.shape[1] != width or not len(found):
        raise InputError(
            f"The tensor '{name}' of an edit at {edit.site} must be [rows, {width}]. Got {list(found.shape)}."
        )
    return found


def _drawn(edit: Edit, bank: torch.Tensor, states: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Return a row of the bank for every token, drawn anew for every text."""
    found = states.clone()
    for row, (ids, real) in enumerate(zip(rows.ids.cpu(), rows.real.cpu(), strict=True)):
        text = ids[real]
        draw = generator_of(edit.seed, edit.site, text.tolist())
        chosen = bank[torch.randint(len(bank), (len(text),), generator=draw)]
        found[row, : len(real)][real.to(states.device)] = chosen.to(states)
    return found


def generator_of(seed: int, place: str, text: Sequence[int]) -> torch.Generator:
    """Return what draws at a place for a row, by the ids that the row reads."""
    key = hashlib.sha256(f"{seed} {place} {text}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)


def _patch(edit: Edit, tensors: Tensors, width: int) -> Source:
    """Return what another run had at the tokens of the same rows."""
    if not {"values", "ids"} <= set(tensors) or tensors["values"].shape != (*tensors["ids"].shape, width):
        raise InputError(
            f"The `values` of an edit ('{edit.what}' at {edit.site}) must hold 'values' [rows, places, {width}] and "
            "the 'ids' [rows, places] that they stand in for."
        )
    known = {
        tuple(ids[ids >= 0].tolist()): values for ids, values in zip(tensors["ids"], tensors["values"], strict=True)
    }

    def patch(states: torch.Tensor, rows: Rows) -> torch.Tensor:
        found = states.clone()
        for row, (ids, real) in enumerate(zip(rows.ids.cpu(), rows.real.cpu(), strict=True)):
            text = tuple(ids[real].tolist())
            if text not in known:
                raise InputError(f"The `values` of an edit at {edit.site} have nothing for a row of ids {text[:8]}.")
            found[row, : len(real)][real.to(states.device)] = known[text][: len(text)].to(states)
        return found

    return patch
