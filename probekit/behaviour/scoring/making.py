"""The scorer of a model: loaded, its conventions settled, its scores kept.

Enters: a model that was found, and how it shall score. Leaves: a :class:`Session`, which scores texts and keeps what it
scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from probekit import plain
from probekit.behaviour.scoring.causal import CausalScorer
from probekit.behaviour.scoring.conventions import CHOICES, settle
from probekit.behaviour.scoring.masked import MaskedScorer
from probekit.behaviour.scoring.readings import Reading, Scores, read_texts
from probekit.behaviour.scoring.scorer import Scorer
from probekit.behaviour.scoring.seq2seq import Seq2SeqScorer
from probekit.behaviour.scoring.store import ScoreStore
from probekit.devices import DeviceMap
from probekit.extraction.spec import BATCH_TOKENS
from probekit.models.sources.find import ModelSource, check_unchanged, stamps
from probekit.models.sources.headed import check_head, load_with_head
from probekit.models.sources.load import LoadedModel
from probekit.models.tokens.tokenizer import Backend

SCORES = ("auto", "causal", "masked", "masked-original", "seq2seq")
Told = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class ScoringSpec:
    """How a model scores.

    Attributes
    ----------
    score : {"auto", "causal", "masked", "masked-original", "seq2seq"}
        ``masked`` is within-word left-to-right; ``auto`` what the model's head does.
    begin, end : {"auto", "token", "none"}
        What stands around each text.
    dtype : {"float32", "float16", "bfloat16"}
    device : {"auto", "cpu", "cuda", "mps"} or DeviceMap
    batch_tokens : int or None
        Tokens of a batch, padding included; None: by device and dtype.
    random_weights : int or None
        Seed of a control model of the same architecture.
    """

    score: str = "auto"
    begin: str = "auto"
    end: str = "auto"
    dtype: str = "float32"
    device: str | DeviceMap = "auto"
    batch_tokens: int | None = None
    random_weights: int | None = None

    def __post_init__(self) -> None:
        plain.choice(self.score, "score", SCORES)
        plain.choice(self.begin, "begin", CHOICES)
        plain.choice(self.end, "end", CHOICES)
        for name, least in (("batch_tokens", 4), ("random_weights", 0)):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, plain.whole(value, name, least=least))

    def tokens_on(self, device: str) -> int:
        """Return the tokens of a batch on a kind of device."""
        return self.batch_tokens or BATCH_TOKENS.get((device, self.dtype), 1024)


class Session:
    """Scores texts under one model; a context manager, which closes the kept scores.

    Parameters
    ----------
    source : ModelSource
    spec : ScoringSpec
    root : path or None
        Folder of caches, where scores are kept; None: they are not.
    stacks : bool
        Find the blocks of the model too, so that it can be changed inside.
    attention : {"eager", "sdpa"} or None
        How it computes attention; None: sdpa where the family has it.

    Attributes
    ----------
    loaded : LoadedModel
    """

    def __init__(
        self,
        source: ModelSource,
        spec: ScoringSpec,
        *,
        root: Any = None,
        stacks: bool = False,
        attention: str | None = None,
    ) -> None:
        head = check_head(source, spec.score.removesuffix("-original"))
        self.source, self.spec = source, spec
        self.method = "masked-original" if spec.score == "masked-original" else head
        self._before = stamps(source)
        self.loaded = load_with_head(
            source,
            head,
            dtype=spec.dtype,
            device=spec.device,
            random_weights=spec.random_weights,
            stacks=stacks,
            attention=attention,
        )
        check_unchanged(source, self._before)
        self.backend = Backend(self.loaded.tokenizer)
        self.ends = settle(spec.begin, spec.end, head=head, tokenizer=self.loaded.tokenizer, backend=self.backend)
        self._scorer = self._make(head)
        self.store = ScoreStore.open(root, self.identity()) if root is not None else None
        self.computed = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        if self.store is not None:
            self.store.close()

    @property
    def name(self) -> str:
        """Name of the model, with its seed where its weights are random."""
        seed = self.spec.random_weights
        return self.source.name if seed is None else f"{self.source.name} random {seed}"

    @property
    def notes(self) -> list[str]:
        """What must be said of how it scores."""
        return [*self._scorer.notes, *(self.store.notes if self.store is not None else [])]

    @property
    def fills(self) -> bool:
        """Whether it reads both sides of a token, and so can score the words in a blank alone."""
        return isinstance(self._scorer, MaskedScorer)

    def identity(self) -> dict[str, Any]:
        """Return what decides a score, besides the text."""
        digests = {**self.source.digests(), "weights": self.loaded.weights_digest()}
        return {
            "model": {"name": self.source.name, **digests, "random_weights": self.spec.random_weights},
            "score": self.method,
            "dtype": self.spec.dtype,
            "ends": {key: value for key, value in asdict(self.ends).items() if key != "said"},
        }

    def read(
        self, texts: Sequence[str], *, sources: Sequence[str] = (), spans: Sequence[tuple[int, int] | None] = ()
    ) -> list[Reading]:
        """Tokenize texts; see :func:`~probekit.behaviour.scoring.readings.read_texts`."""
        return read_texts(self.backend, texts, sources=sources, spans=spans)

    def fits(self, reading: Reading) -> bool:
        """Whether the model can read it, and there is something to score."""
        return self._scorer.fits(reading)

    @property
    def limit(self) -> int | None:
        """Tokens the model reads at once."""
        return self.loaded.max_length

    def score(self, readings: Sequence[Reading], told: Told | None = None) -> list[Scores]:
        """Return the scores of readings, kept ones without running the model; equal readings are scored once."""
        kept = self.store.find if self.store is not None else lambda reading: None
        found: dict[Any, Scores] = {}
        new: dict[Any, Reading] = {}
        for reading in readings:
            if reading.key in found or reading.key in new:
                continue
            if (known := kept(reading)) is not None:
                found[reading.key] = known
            else:
                new[reading.key] = reading
        waiting = list(new.values())
        for count, (place, scores) in enumerate(self._scorer.score(waiting), start=1):
            found[waiting[place].key] = scores
            if self.store is not None:
                self.store.add(scores)
            if told is not None:
                told(count / len(waiting), f"{count:,} of {len(waiting):,} texts")
        self.computed += len(waiting)
        if self.store is not None:
            self.store.flush()
        return [found[reading.key] for reading in readings]

    def _make(self, head: str) -> Scorer:
        loaded: LoadedModel = self.loaded
        spec = self.spec
        tokens = spec.tokens_on(loaded.device.type)
        if head == "causal":
            return CausalScorer(loaded, self.ends, tokens)
        if head == "masked":
            return MaskedScorer(loaded, self.ends, tokens, word_left_to_right=self.method == "masked")
        around = self.backend.prefix, self.backend.suffix
        return Seq2SeqScorer(loaded, self.ends, tokens, around=around)
