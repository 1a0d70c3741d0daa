"""Change the attention of a model, and see how far what it says moves: :func:`ablate_attention`.

Enters: what a user names. Leaves: an :class:`~probekit.ablation.attention.report.AttentionChangeReport`. Nothing is
chosen, so all items are shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from probekit import plain
from probekit.ablation.attention.adversary import Adversary
from probekit.ablation.attention.changes import Heads, permuted, uniform
from probekit.ablation.attention.collecting import Change, collect
from probekit.ablation.attention.report import STAGE, AttentionChangeReport
from probekit.ablation.attention.scores import Scorer
from probekit.ablation.attention.seeing import Attending
from probekit.ablation.metrics import Wanted, metric_of
from probekit.ablation.passes import TokenPass
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.run import numbered_layers
from probekit.ablation.sides import Side
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.errors import UsageError
from probekit.models.architecture.sublayers import door_of
from probekit.models.runtime.weighing import EAGER
from probekit.models.sources.find import find_model, shadowing_note
from probekit.report import Measurement
from probekit.sites import HEADS, WEIGHTS, Site
from probekit.statistics.bootstrap import FEWEST_UNITS

CHANGES = ("permuted", "uniform", "adversarial")
EPSILONS = (0.01, 0.05, 0.2)
Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True)
class _Settings:
    """What is drawn, and how far is searched."""

    changes: tuple[str, ...]
    epsilons: tuple[float, ...]
    draws: int
    search_steps: int
    seed: int

    def __post_init__(self) -> None:
        for name in self.changes:
            plain.choice(name, "changes", CHANGES)
        if not self.changes:
            raise plain.refused("changes", f"some of {', '.join(CHANGES)}", self.changes)
        epsilons = [plain.as_real(epsilon) for epsilon in self.epsilons]
        if not epsilons or not all(epsilon is not None and 0 < epsilon < 1 for epsilon in epsilons):
            raise plain.refused("epsilon", "numbers between 0 and 1, like 0.01,0.1", self.epsilons)
        object.__setattr__(self, "epsilons", tuple(sorted({float(epsilon) for epsilon in epsilons if epsilon})))
        for name, least in (("draws", 1), ("search_steps", 1), ("seed", 0)):
            object.__setattr__(self, name, plain.whole(getattr(self, name), name, least=least))


def ablate_attention(
    model: str | os.PathLike[str],
    *,
    metric: str,
    layers: str | Sequence[int] | None = None,
    changes: Sequence[str] = CHANGES,
    epsilons: Sequence[float] = EPSILONS,
    draws: int = 5,
    search_steps: int = 60,
    limit: int | None = None,
    spec: ScoringSpec | None = None,
    revision: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> AttentionChangeReport:
    """Give a model other attention weights: its own in another order, even ones, and the furthest that say the same.

    Parameters
    ----------
    model : str or path
        With a head that predicts tokens. It computes attention eagerly.
    metric : str
        ``behave:SUITE`` or ``loss:CORPUS``, or another of the catalogue.
    layers : str or sequence of int, optional
        Blocks, ``1,3`` or ``2-4``; by default all.
    changes : sequence of {"permuted", "uniform", "adversarial"}
    epsilons : sequence of float
        Bounds of the search: the total variation by which the distribution at every scored token may move.
    draws : int
        Permutations.
    search_steps : int
        Of the search.
    limit : int, optional
        Use the first so many items (of a suite, of each phenomenon) alone.
    spec : ScoringSpec, optional
    revision : str, optional
    seed : int
        Of the permutations, where the search begins, and the resamples.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    AttentionChangeReport

    Raises
    ------
    UsageError
        The attention weights of this model cannot be replaced, with the reason; or an option.
    InputError, ResourceError, NetworkError

    References
    ----------
    Jain & Wallace 2019, Attention is not Explanation, https://arxiv.org/abs/1902.10186; Wiegreffe & Pinter 2019,
    Attention is not not Explanation, https://arxiv.org/abs/1908.04626
    """
    settings = _Settings(tuple(changes), tuple(epsilons), draws, search_steps, seed)
    measured, argument = metric_of(plain.text(metric, "metric"))
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    wanted, spec = numbered_layers(layers), spec or ScoringSpec()
    source = find_model(str(model), revision=revision)
    with measured.open(Wanted(argument, source, spec, limit, settings.seed, ProbeSpec(), EAGER)) as reading:
        stack = reading.loaded.stacks[0]
        numbers = range(1, stack.n_layers + 1) if wanted is None or isinstance(wanted, str) else sorted(set(wanted))
        sites = [Site(WEIGHTS, number, stack.name) for number in numbers]
        attending = Attending(reading.loaded, sites)
        tokens = spec.tokens_on(reading.loaded.device.type)
        side = Side.of(reading, [*reading.choosing, *reading.showing], measured, tokens)
        passes = [each for each in side.runs.passes if isinstance(each, TokenPass)]
        if len(passes) < len(side.runs.passes):
            raise UsageError(f"How far what a model says moves is read at its own head, and '{metric}' reads a layer.")
        counts = {site: door_of(reading.loaded, Site(HEADS, site.number, site.stack)).heads for site in sites}
        asked = list(_changes(attending, counts, settings))
        found = collect(attending, passes, side.runs.n_texts, asked, progress)
        notes = [reading.said, *reading.notes, *reading.later()]
    blank = Measurement(
        stage=STAGE, task=metric, model=reading.name, corpus=reading.corpus, split="test", layer=None,
        method="", role="estimator", metric="", value=None, unit=reading.unit, seed=settings.seed,
    )  # fmt: skip
    rows = tuple(Scorer(found, side, blank).rows(asked))
    provenance: dict[str, Any] = {
        "task": metric,
        "model": reading.identity,
        "corpus": {"name": reading.corpus},
        "settings": {**asdict(spec), **asdict(settings), "layers": list(numbers), "metric": metric, "limit": limit,
                     **reading.settings, "attention": EAGER},
        "references": ["Jain & Wallace 2019", "Wiegreffe & Pinter 2019"],
        "notes": [*_notes(settings, rows), *notes, *shadowing_note(str(model))],
    }  # fmt: skip
    return AttentionChangeReport(rows, provenance)


def _changes(attending: Attending, counts: dict[Site, int], settings: _Settings) -> Iterator[Change]:
    """Yield the changes of all blocks, of every block and of every head; a search is of blocks."""
    blocks: list[Heads] = [{site: None} for site in attending.sites]
    if len(blocks) > 1:
        blocks.insert(0, dict.fromkeys(attending.sites))
    heads: list[Heads] = [{site: (head,)} for site in attending.sites for head in range(counts[site])]
    for some in [*blocks, *heads]:
        if "permuted" in settings.changes:
            yield Change("permuted", some, _permute(some, settings.seed), settings.draws)
        if "uniform" in settings.changes:
            yield Change("uniform", some, _even_out(some))
        if "adversarial" in settings.changes and some in blocks:
            adversary = Adversary(attending, steps=settings.search_steps, seed=settings.seed)
            for epsilon in settings.epsilons:
                yield Change("adversarial", some, _search(adversary, some, epsilon), epsilon=epsilon)


def _permute(heads: Heads, seed: int) -> Any:
    return lambda each, seen, draw: permuted(seen, heads, f"{seed} {draw}")


def _even_out(heads: Heads) -> Any:
    return lambda each, seen, draw: uniform(seen, heads)


def _search(adversary: Adversary, heads: Heads, epsilon: float) -> Any:
    return lambda each, seen, draw: adversary.furthest(each, seen, list(heads), epsilon)


def _notes(settings: _Settings, rows: Sequence[Measurement]) -> list[str]:
    notes = [
        "Attention is counted at queries that a scored token can depend on and that have two places or more to look "
        "at. Weights are given outright: other blocks compute theirs from what they read then.",
    ]
    if "permuted" in settings.changes:
        notes.append(f"Permuted weights are the mean of {settings.draws} draws, a draw of each head, query and text.")
    if "adversarial" in settings.changes:
        bounds = ", ".join(f"{epsilon:g}" for epsilon in settings.epsilons)
        notes.append(
            f"The search ({settings.search_steps} steps) is over all heads of a block; every scored token may move by "
            f"a total variation of {bounds}. What it reaches is a lower bound, found for each text on its own: no "
            "model need compute such attention, and where even weights cost nothing it tells nothing."
        )
    if any((row.n_groups or 0) < FEWEST_UNITS for row in rows):
        notes.append(f"Of fewer than {FEWEST_UNITS} units there is no interval.")
    return notes
