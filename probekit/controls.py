"""Control models: a model whose architecture is kept and whose learning is taken away, by a seed.

Enters: a kind and a seed, or the model of a cache or a report. Leaves: a :class:`Control`, or None of a trained model;
and in words under which edits a model was read, which takes away less.
What a probe reads from one is not what was learned: ``random-weights`` draws the weights as before training;
``shuffled-weights`` permutes the numbers inside of every parameter, which keeps their sizes; ``shuffled-layers``
exchanges the parameters of whole blocks, which keeps what each block does and not what it is given to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probekit import plain
from probekit.errors import UsageError

RANDOM_WEIGHTS, SHUFFLED_WEIGHTS, SHUFFLED_LAYERS = "random-weights", "shuffled-weights", "shuffled-layers"
KINDS = {
    RANDOM_WEIGHTS: ("drawn at random", "with random weights"),
    SHUFFLED_WEIGHTS: ("shuffled inside of every parameter", "with shuffled weights"),
    SHUFFLED_LAYERS: ("exchanged between blocks", "with shuffled layers"),
}
"""Kind -> what was done to the weights; what such a model is, in words."""
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Control:
    """How a control model was made of another.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    seed : int
    """

    kind: str
    seed: int

    @property
    def done(self) -> str:
        """What was done to the weights."""
        return f"{KINDS[self.kind][0]} from seed {self.seed}"

    @property
    def name(self) -> str:
        """As it stands behind the name of a model: ``random 0``, ``shuffled-layers 0``."""
        return f"{'random' if self.kind == RANDOM_WEIGHTS else self.kind} {self.seed}"


def one_control(seeds: Mapping[str, int | None]) -> Control | None:
    """Return the control model that one of these options asks for; None where all are None.

    Parameters
    ----------
    seeds : mapping of str to int or None
        By the name of the option: the kind, with ``_`` for the dash.

    Raises
    ------
    UsageError
        Two are asked for, or a seed is none.
    """
    given = {name: seed for name, seed in seeds.items() if seed is not None}
    found = [
        Control(name.replace("_", "-"), plain.whole(seed, name, least=0, most=LARGEST_SEED))
        for name, seed in given.items()
    ]
    if len(found) > 1:
        raise UsageError(f"The options {' and '.join(given)} each make another control model. Give one of them.")
    return found[0] if found else None


def control_identity(control: Control | None) -> dict[str, Any]:
    """Return what a control model adds to the identity of its model.

    Random weights and trained ones are written as they were before there were other controls.
    """
    if control is None or control.kind == RANDOM_WEIGHTS:
        return {"random_weights": None if control is None else control.seed}
    return {"random_weights": None, "control": {"kind": control.kind, "seed": control.seed}}


def control_of(model: Mapping[str, Any]) -> Control | None:
    """Return the control that the model of an identity or of a report is; None of a trained one."""
    if model.get("random_weights") is not None:
        return Control(RANDOM_WEIGHTS, model["random_weights"])
    found = model.get("control")
    if not isinstance(found, Mapping) or found.get("kind") not in KINDS:
        return None
    return Control(found["kind"], found["seed"])


def edits_line(edits: Sequence[Mapping[str, Any]]) -> str:
    """Say under which edits a cache was made, by what its identity says of them: ``3.heads zero (heads 0, 4)``."""
    return "; ".join(f"{edit['site']} {edit['what']}{_parts(edit)}" for edit in edits)


def edits_notes(edits: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say in a report that the model was edited while it read; nothing where it was not."""
    return [f"The model was edited while it read: {edits_line(edits)}."] if edits else []


def _parts(edit: Mapping[str, Any]) -> str:
    said = [f"{name} {', '.join(map(str, edit[name]))}" for name in ("heads", "units", "positions") if name in edit]
    if edit.get("strength", 1) != 1:
        said.append(f"strength {edit['strength']:g}")
    return f" ({'; '.join(said)})" if said else ""
