"""What answers a task on top of a model: heads, one file each.

Enters: what the head is to read and answer (:class:`HeadSpec`), its options. Leaves: a
:class:`~probekit.tuning.readout.head_module.Judge`, with first weights drawn from the seed. A file sets ``HEAD =
Head(name, build, help)``; it is its own registration. Surprise: this module imports no torch, so that a plan that names
a head is checked without; the files of heads do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError, did_you_mean
from probekit.registry import Registry
from probekit.tasks import SPANS
from probekit.tuning.options import bound

if TYPE_CHECKING:
    from probekit.tuning.parts import Read
    from probekit.tuning.readout.head_module import Judge

POOLS = {"mean": 1, "first": 1, "last": 1, "max": 1, "concat": 3, "endpoints": 2}
"""States in the vector of a span, by how it is pooled; see :func:`~probekit.tuning.readout.pooling.pool`."""

KINDS = tuple(kind for kind in SPANS if kind != "tree")
TARGETS = ("labels", "numbers")


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """What a head reads and answers.

    Attributes
    ----------
    width : int
        Of the state of a token.
    outputs : int
        Scores of a target: as many as classes, or as the vocabulary has tokens; 1 of numbers.
    targets : {"labels", "numbers", "text"}
    kind : {"word", "span", "pair", "sentence"}
    pool : str
        One of :data:`POOLS`.
    classes : tuple of str
        Names of the labels, by code; empty of numbers and text.
    seed : int
        Of the first weights.
    """

    width: int
    outputs: int
    targets: str = "labels"
    kind: str = "word"
    pool: str = "mean"
    classes: tuple[str, ...] = ()
    seed: int = 0

    @property
    def vector(self) -> int:
        """Width of the pooled vector of a target."""
        return self.width * POOLS[self.pool] * SPANS[self.kind]


@dataclass(frozen=True, slots=True)
class Head:
    """A kind of head.

    Attributes
    ----------
    name : str
    build : callable
        ``build(spec, **options)`` gives the module; options are keyword-only.
    help : str
        One line, with the paper.
    reads : {"vectors", "tokens", "logits"}
        Of vectors, its module scores pooled vectors, which may be made once where nothing below it trains; of logits,
        it is the model's own head, kept.
    kinds : tuple of str
        Kinds of targets that it fits.
    targets : tuple of str
        ``labels``, ``numbers`` or both; ``text``.
    pools : tuple of str
        How it may pool, its default first.
    sentences : bool
        Its loss and predictions are of the targets of a sentence together: they must stand in one batch.
    """

    name: str
    build: Callable[..., Judge]
    help: str
    reads: str = "vectors"
    kinds: tuple[str, ...] = KINDS
    targets: tuple[str, ...] = TARGETS
    pools: tuple[str, ...] = tuple(POOLS)
    sentences: bool = False

    def check(self, *, kind: str, targets: str, pool: str) -> None:
        """Refuse what the head does not fit.

        Raises
        ------
        UsageError
            A kind of target, targets or a pooling that it is not made for; those it is are named.
        """
        asked = (("kind", kind, self.kinds), ("targets", targets, self.targets), ("pool", pool, self.pools))
        for what, value, known in asked:
            if value not in known:
                raise UsageError(
                    f"The head '{self.name}' does not fit {what} '{value}'; it fits {', '.join(known)}."
                    f"{did_you_mean(value, known)} Choose another head, or one of these."
                )

    def check_read(self, read: Read, keep: int) -> None:
        """Refuse layers that the model's own head does not read: it has the last block that is kept below it.

        Raises
        ------
        UsageError
        """
        if self.reads == "logits" and (read.layers != (keep,) or keep < 1 or read.beside is not None):
            raise UsageError(
                f"The head '{self.name}' is the model's own, and reads the last block that is kept, one at the least, "
                f"and nothing beside it. Set keep={max(1, keep)}, read={max(1, keep)}, and leave out read.beside."
            )

    def make(self, spec: HeadSpec, options: Mapping[str, Any]) -> Judge:
        """Build the module on the CPU; the same seed gives the same weights, and the global generator stands still.

        Raises
        ------
        UsageError
            A spec that does not fit, an option that this head does not have, or a value that is not of its kind.
        """
        import torch

        self.check(kind=spec.kind, targets=spec.targets, pool=spec.pool)
        build = bound(self.build, f"head '{self.name}'", options)
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: it would seed the generators of GPUs too, which nothing here draws from.
            torch.random.default_generator.manual_seed(spec.seed)
            return build(spec)


HEADS = Registry("head", Head, attribute="HEAD", group="probekit.heads", home=__name__)


def get_head(name: str) -> Head:
    """Find a head by name."""
    return HEADS.get(name, "head")
