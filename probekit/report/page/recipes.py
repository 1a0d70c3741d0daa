"""How the command of each stage is written from what its report records: :data:`RECIPES`.

Nothing enters; what leaves is data. A stage that is not here has a page all the same, without a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_JUDGING = ("score", "begin", "end", "limit", "dtype", "seed")
_DRAWN = (*_JUDGING, "random_weights")
_SAMPLED = ("limit", "dtype", "seed", "random_weights")
_PROBED = ("?layer", "?pool")
_ANNOTATED = "whether --corpus, --annotations or --probes named other files than the cache does"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A command, and which settings of its reports are options of it.

    Attributes
    ----------
    words : tuple of str
        The command; ``{parts}`` stands for a setting.
    of : {"argument", "task", "tasks", "metric", "none"}
        How the task of the report is named: as an argument, by ``--task``, by one ``--task`` each, by ``--metric``, or
        by a setting.
    on : {"cache", "caches", "model", "argument", "both", "tuned", "vectors", "runs"}
        What is read: ``--on CACHE``; several caches as arguments; ``--model MODEL``; the cache as an argument, with a
        second one behind it where the report has one (`other`); corpus and model as arguments; ``--model MODEL --corpus
        CORPUS``; ``--on CACHE`` unless a model is a setting; the folders of runs as arguments.
    options : tuple of str
        Settings that are options; ``draws>sets`` is the option ``--sets``, and ``?layer`` is one of some reports alone.
    unrecorded : str
        What the report does not say.
    """

    words: tuple[str, ...]
    of: str
    on: str
    options: tuple[str, ...]
    unrecorded: str


RECIPES: Mapping[str, Recipe] = {
    "probe": Recipe(
        ("probe",),
        "task",
        "cache",
        (
            *("layers", "pool", "pair", "?at", "estimator", "control_seeds", "seed", "strict", "drop_repeated", "fast"),
            *("ranks", "also", "metrics>metric", "max_ram", "device"),
        ),
        "whether --model, --corpus, --annotations or --probes named other files than the cache does",
    ),
    "behave": Recipe(
        ("behave",),
        "argument",
        "model",
        (
            *(*_JUDGING, "normalise", "?by", "?exchange"),
            *("?prompt", "?verbaliser", "?calibrate", "?label", "?split"),
        ),
        "whether --ngram, --unigram, --against or --revision was given",
    ),
    "tune": Recipe(
        ("tune", "plan.json"),
        "task",
        "tuned",
        (),
        "plan.json, which is the plan of the provenance and lies in the folder of the run; whether --annotations, "
        "--probes, --on, --examples or --max-length was given",
    ),
    "ensemble": Recipe(
        ("ensemble",),
        "none",
        "runs",
        ("weights",),
        "whether --corpus or --probes was given",
    ),
    "align": Recipe(
        ("align",),
        "none",
        "both",
        ("limit>pairs", "first_word", "languages", "prefix", "grids", "device", "seed"),
        "where the corpus lay: recorded is its name",
    ),
    "attention": Recipe(("attend",), "task", "cache", ("untrained", "least", "seed"), _ANNOTATED),
    "ablate": Recipe(
        ("ablate", "{parts}"),
        "none",
        "model",
        ("metric", "importance", "layers", "instead", "first", "prune", "orders", "steps", *_PROBED, *_DRAWN),
        "whether --corpus, --annotations, --probes or --revision was given",
    ),
    "ablate-inputs": Recipe(
        ("ablate", "inputs"),
        "metric",
        "model",
        ("masked", "exact", "?phrases", *_PROBED, "?score", "?begin", "?end", *_SAMPLED),
        "whether --corpus, --annotations, --probes or --revision was given",
    ),
    "ablate-concept": Recipe(
        ("ablate", "concept"),
        "tasks",
        "model",
        ("?chat", "?at", "layers", "everywhere", "eraser", "draws", "limit", "dtype", "seed"),
        "what --corpus and --annotations named (recorded are names and digests), --probes and --chat-template",
    ),
    "ablate-attention": Recipe(
        ("ablate", "attention"),
        "metric",
        "model",
        ("changes", "layers", "epsilons>epsilon", "draws>permutations", "search_steps", *_DRAWN),
        "whether --revision was given",
    ),
    "ablate-weights": Recipe(
        ("ablate", "weights"),
        "metric",
        "model",
        ("sparsity", "scope", "masks", "mask_from", *_DRAWN),
        "whether --revision was given",
    ),
    "interchange": Recipe(
        ("ablate", "interchange"),
        "metric",
        "model",
        ("layers", "at", "subspaces", "rank", "draws", "classes", "only_right", *_DRAWN),
        "whether --revision was given",
    ),
    "steer": Recipe(
        ("ablate", "steer"),
        "none",
        "model",
        (
            *("task", "toward", "away", "metric", "?chat", "direction", "states", "?at", "layers", "doses", "cost"),
            *("draws", "classes", *_DRAWN),
        ),
        "what --corpus and --annotations named (recorded are names and digests), --probes and --chat-template",
    ),
    "view-map": Recipe(
        ("view", "{method}"),
        "task",
        "argument",
        (
            "by>colour-by",
            "layers",
            "pool",
            "pair",
            "?at",
            "split>show",
            "points",
            "?perplexity>breadth",
            "?n_neighbors>breadth",
            "neighbours",
            "seed",
        ),
        _ANNOTATED,
    ),
    "view-neurons": Recipe(
        ("view", "neurons"),
        "task",
        "argument",
        (
            *("layers", "?at", "rankings", "labels", "neurons>neuron", "keep", "draws>sets", "rows"),
            *("estimator>weights-of", "seed"),
        ),
        _ANNOTATED,
    ),
    "view-similarity": Recipe(
        ("view", "similarity"),
        "none",
        "argument",
        ("measure", "over", "layers", "pool", "?at", "most", "shuffles", "seed"),
        _ANNOTATED,
    ),
    "view-attention": Recipe(
        ("view", "attention"), "none", "argument", ("sentence", "heads", "special", "stack"), "how it was drawn"
    ),
    "view-attention-relations": Recipe(
        ("view", "attention"), "task", "argument", ("relations>relation", "stack", "least", "seed"), _ANNOTATED
    ),
    "view-lens": Recipe(
        ("view", "lens"),
        "none",
        "argument",
        (
            *("lenses", "layers", "limit", "masks>filled", "steps>updates", "sentence", "device"),
            *("batch_tokens", "seed"),
        ),
        "whether --model named another folder than the cache does, and --lens a lens that had been fitted",
    ),
    "transfer": Recipe(
        ("transfer",),
        "tasks",
        "caches",
        ("layers", "pool", "?at", "estimator", "metrics>metric", "seed", "device"),
        "whether --probes named other files",
    ),
    "view-words": Recipe(
        ("view", "{view}", "{questions}"),
        "none",
        "vectors",
        ("model", "layers", "template", "vocabulary", "?methods", "seed"),
        "",
    ),
}
"""By the stage of a report's rows."""

JOINED = frozenset(
    {
        "layers",
        "heads",
        "relation",
        "ranks",
        "changes",
        "epsilon",
        "sparsity",
        "subspaces",
        "doses",
        "show",
        "rankings",
        "labels",
        "lenses",
        "measure",
        "languages",
        "methods",
    }
)
"""Options that take several values with commas; of other lists each value has an option of its own."""
