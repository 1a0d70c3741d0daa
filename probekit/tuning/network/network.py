"""A model and its head as one network, of which some depths train.

Enters: a model cut to what the plan keeps, a head. Leaves: a :class:`Network`: batches in, scores of targets out.
Surprise: a depth that is frozen is in evaluation mode as well, whatever the rest does, so that it draws no dropout and
says what it said when its states were cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from probekit.models.runtime.dependence import modules_of
from probekit.models.runtime.middle import Middle
from probekit.tuning.adapters.added import Added
from probekit.tuning.data.beside import Beside
from probekit.tuning.data.layout import ExampleBatch
from probekit.tuning.groups import Depths
from probekit.tuning.plan import TunePlan
from probekit.tuning.readout.batch import TokenBatch
from probekit.tuning.readout.head_module import HeadModule, Judge, VectorHead
from probekit.tuning.readout.mix import ScalarMix
from probekit.tuning.readout.pooling import pool
from probekit.tuning.readout.sizing import Sized

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

Given = Mapping[int, Tensor]
"""Cached states [B, T, d] by layer."""


class Network(nn.Module):
    """What is trained.

    Parameters
    ----------
    loaded : LoadedModel
        Cut to the blocks that are kept.
    depths : Depths
        Of that model.
    plan : TunePlan
        Says which layers the head reads, and how many blocks are kept.
    head : Judge
        With weights of its own, or what judges the model's own head.
    mix : ScalarMix, optional
    beside : Beside, optional
        Word vectors that stand behind the states.
    added : mapping of str to Added
        Modules that were put into the model, by what the plan calls them.

    Attributes
    ----------
    also : tuple of int
        Layers below the highest one read that are read beside those of the head.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        depths: Depths,
        plan: TunePlan,
        head: Judge,
        *,
        mix: ScalarMix | None = None,
        beside: Beside | None = None,
        added: Mapping[str, Added] | None = None,
    ) -> None:
        super().__init__()
        self.body, self.head, self.mix, self.beside = loaded.model, head, mix, beside
        self.read, self.at, self.keep = plan.read.layers, plan.read.at, plan.keep
        self.also: tuple[int, ...] = ()
        self.depths = depths
        self.signals = nn.ModuleDict()
        self.added = dict(added or {})
        inside = {name: one.module for name, one in self.added.items() if one.module is not None}
        self.inside = nn.ModuleDict(inside)
        self._whole = frozenset(plan.train) if plan.modules else frozenset(range(plan.keep + 1))
        self.sized = Sized(head.spec.width)
        self._loaded = [loaded]  # in a list: no module of this one
        self._by_depth = modules_of(loaded)
        self._placed = self._placed_by_depth()
        self._middles: dict[tuple[int | None, tuple[int, ...]], Middle] = {}
        self.trained: frozenset[int] = frozenset()
        self.remarks: list[str] = []

    @property
    def loaded(self) -> LoadedModel:
        """The model."""
        return self._loaded[0]

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.loaded.device

    def learns_from(self, signals: Mapping[str, nn.Module]) -> None:
        """Take parameters of signals among what is new; they are no part of what is saved."""
        self.signals.update(signals)

    def pretrained(self, depths: Iterable[int]) -> dict[str, nn.Parameter]:
        """Return the parameters of some depths that the model came with, by their names in this network."""
        own = (self.named(depth) for depth in sorted(depths))
        new = self.placed_names
        return {
            name: value for some in own for name, value in some.items() if name.startswith("body.") and name not in new
        }

    def placed(self, depth: int) -> dict[str, nn.Parameter]:
        """Return the parameters of the modules in a depth by their names in this network."""
        return self._placed.get(depth, {})

    @property
    def placed_names(self) -> frozenset[str]:
        """The names of the parameters of all modules in this network."""
        return frozenset(name for placed in self._placed.values() for name in placed)

    def _placed_by_depth(self) -> dict[int, dict[str, nn.Parameter]]:
        names = {parameter: name for name, parameter in self.named_parameters()}
        found: dict[int, dict[str, nn.Parameter]] = {}
        for one in self.added.values():
            for depth, own in one.by_depth().items():
                found.setdefault(depth, {}).update((names[parameter], parameter) for parameter in own)
        return found

    def placed_tensors(self) -> dict[str, nn.Parameter]:
        """Return the parameters of all modules by names that do not depend on what else is in the model."""
        return {f"{name}.{key}": value for name, one in self.added.items() for key, value in one.tensors().items()}

    @contextmanager
    def modules_on(self) -> Iterator[None]:
        """Let passes of the model go through the modules."""
        with ExitStack() as stack:
            for one in self.added.values():
                stack.enter_context(one.on())
            yield

    def named(self, depth: int) -> dict[str, nn.Parameter]:
        """Return the parameters of a depth by their names in this network."""
        if depth <= self.keep:
            own = self.depths.groups[depth].parameters if depth in self._whole else {}
            return {f"body.{name}": parameter for name, parameter in own.items()} | self.placed(depth)
        own = {f"body.{name}": parameter for name, parameter in self.depths.behind.items()} if self.head.own else {}
        new = (("head", self.head), ("mix", self.mix), ("signals", self.signals))
        return own | {
            f"{part}.{name}": parameter
            for part, module in new
            if module is not None
            for name, parameter in module.named_parameters()
        }

    def new_tensors(self) -> dict[str, Tensor]:
        """Return all that is new, buffers among it; what the model's own head is made of is not new."""
        new = (("head", self.head), ("mix", self.mix), ("sized", self.sized))
        parts = [(part, module.state_dict()) for part, module in new if module is not None]
        return {f"{part}.{name}": value for part, state in parts for name, value in state.items()}

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter and buffer by name, tied ones once."""
        yield from self.named_parameters()
        yield from self.named_buffers()

    def set_trained(self, depths: frozenset[int]) -> None:
        """Let some depths train and freeze all others: no gradient, no dropout."""
        self.trained = depths
        self.requires_grad_(False)
        self.eval()
        for depth in depths:
            for parameter in self.named(depth).values():
                parameter.requires_grad_(True)
        self.set_dropout(True)

    def set_dropout(self, on: bool) -> None:
        """Put the depths that train into training mode, or everything into evaluation mode."""
        _set_modes(self.modules(), False)
        if not on:
            return
        for depth in self.trained:
            if depth > self.keep:
                new = (self.head, self.mix, self.signals)
                _set_modes((inner for part in new if part is not None for inner in part.modules()), True)
                continue
            if depth in self._whole:
                _set_modes(self._by_depth[depth], True)
            for one in self.added.values():
                _set_modes((inner for part in one.parts.get(depth, ()) for inner in part.modules()), True)

    def start(self, lowest: int) -> int:
        """Return the layer whose cached states a run needs that reaches down to a depth; -1: none, it starts at ids."""
        return min(lowest - 1, max(self.read))

    def layers_needed(self, start: int) -> tuple[int, ...]:
        """Return the layers that a run from a cached layer needs."""
        if start < 0:
            return ()
        below = [layer for layer in self._wanted(start) if layer <= start]
        return tuple(sorted({*below, *([start] if max(self.read) > start else [])}))

    def _wanted(self, start: int) -> tuple[int, ...]:
        """Return the layers that are read; where only the head trains, by the head alone."""
        return self.read if start >= max(self.read) else tuple(sorted({*self.read, *self.also}))

    def forward(self, batch: ExampleBatch, given: Given, start: int = -1) -> Tensor:
        """Return the scores of the targets of a batch [n, outputs].

        Parameters
        ----------
        batch : ExampleBatch
        given : mapping of int to Tensor [B, T, d]
            Cached states of :meth:`layers_needed`.
        start : int
            The layer the run starts at; -1: at the ids.
        """
        return self.run(batch, given, start)[0]

    def run(
        self, batch: ExampleBatch, given: Given, start: int = -1, *, also: Sequence[int] = ()
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Return beside the scores the states of the layers that are read, and of those of ``also``, by layer."""
        if isinstance(self.head, HeadModule):
            found = self._found(batch, given, start, also)
            return self.judged(batch, found), found
        scores = self._own(batch, given, start)
        return scores, self._found(batch, given, start) if self.also else {}

    def judged(self, batch: ExampleBatch, found: Mapping[int, Tensor]) -> Tensor:
        """Return what a head with weights says of states that are there already, by layer."""
        laid = self.read_of(batch, found)
        scores: Tensor = self.head(laid.with_states(self.sized(laid.states)))
        return scores

    def pooled(self, batch: ExampleBatch, found: Mapping[int, Tensor]) -> Tensor:
        """Return the vectors that a head which reads vectors scores [n, vector], of states that are there, by layer."""
        laid = self.read_of(batch, found)
        return pool(laid.with_states(self.sized(laid.states)), self.head.spec.pool)

    def read_of(self, batch: ExampleBatch, found: Mapping[int, Tensor]) -> TokenBatch:
        """Return what the head reads of states that are there already, by layer; not brought to size yet."""
        return self._laid(batch, [found[layer].float() for layer in self.read])

    def _own(self, batch: ExampleBatch, given: Given, start: int) -> Tensor:
        """Return the logits of the model's own head [n, vocabulary]; a causal one predicts the next token."""
        before = 1 if self.loaded.head == "causal" else 0
        places = batch.row * batch.padded.ids.shape[1] + batch.spans[:, 0, 0] - before
        states = given[start] if start >= 0 else None
        with self.modules_on():
            return self._middle(start, self.read).logits(batch.padded, torch.from_numpy(places).to(self.device), states)

    def laid_out(self, batch: ExampleBatch, given: Given, start: int = -1) -> TokenBatch:
        """Return what the head reads of a batch, not brought to size yet."""
        return self.read_of(batch, self._found(batch, given, start))

    def _laid(self, batch: ExampleBatch, states: list[Tensor]) -> TokenBatch:
        if self.mix is not None:
            states = [self.mix(states)]  # [layers][B, T, d] -> [B, T, d]
        if self.beside is not None:
            assert batch.beside is not None
            state = self.beside(states, batch.beside.to(self.device))
        else:
            state = states[0] if len(states) == 1 else torch.cat(states, dim=-1)

        def placed(array: Any) -> Tensor:
            return torch.from_numpy(array).to(self.device)

        return TokenBatch(
            state,
            placed(batch.padded.real()),
            placed(batch.inside),
            placed(batch.row),
            placed(batch.spans),
            placed(batch.text),
        )

    def states(self, batch: ExampleBatch, given: Given, start: int = -1) -> list[Tensor]:
        """Return the states of the layers that are read, [B, T, d] each."""
        found = self._found(batch, given, start)
        return [found[layer].float() for layer in self.read]

    def _found(self, batch: ExampleBatch, given: Given, start: int, also: Sequence[int] = ()) -> dict[int, Tensor]:
        found, above = dict(given), [layer for layer in sorted({*self._wanted(start), *also}) if layer > start]
        if above:
            with self.modules_on():
                found.update(self._middle(start, above).run(batch.padded, given[start] if start >= 0 else None))
        return found

    def scorer(self) -> Callable[[Tensor], Tensor] | None:
        """Return what scores vectors that were pooled and not sized yet; None where a head or a mix reads tokens."""
        head = self.head
        if not isinstance(head, VectorHead) or self.mix is not None:
            return None
        # Size is a shift and one positive factor: every way of pooling gives the same before it as behind it.
        return lambda X: head.score(self.sized_vectors(X))

    def sized_vectors(self, X: Tensor) -> Tensor:
        """Return pooled vectors [n, vector] brought to size."""
        return self.sized(X.unflatten(1, (-1, self.head.spec.width))).flatten(1)

    def _middle(self, start: int, read: Sequence[int]) -> Middle:
        place = start if start >= 0 else None
        key = place, tuple(read)
        if key not in self._middles:
            self._middles[key] = middle = Middle(self.loaded, place, read)
            if place and not middle.skips:
                self.remarks.append(
                    f"Models of type '{self.loaded.config.model_type}' cannot leave out the blocks below layer {key}: "
                    "these run, and their states are replaced by the cached ones, which is right but no faster."
                )
        return self._middles[key]


def _set_modes(modules: Iterable[nn.Module], training: bool) -> None:
    """Set the modes of modules, and of none inside them; past ``__setattr__``, since every step does this to all."""
    for module in modules:
        module.__dict__["training"] = training
