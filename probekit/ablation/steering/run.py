"""Steer a model: name a task, two of its classes and what is asked, and see what their direction does: :func:`steer`.

Enters: what a user names. Leaves: a :class:`~probekit.ablation.steering.report.SteeringReport` and the vector. The
direction is of training rows; layer and strength are chosen on dev; what is shown is of test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from probekit import __version__, plain
from probekit.ablation.concept.corpus import limited
from probekit.ablation.concept.model import ConceptModel
from probekit.ablation.concept.readable import Readable, check_task
from probekit.ablation.concept.run import refuse_encoder_decoder
from probekit.ablation.metrics import Entry
from probekit.ablation.metrics._headed import halves
from probekit.ablation.run import numbered_layers
from probekit.ablation.steering.asked import BEHAVE, WORDS, Question, answers_of, words_of
from probekit.ablation.steering.report import STAGE, SteeringReport, dev_rows, test_rows
from probekit.ablation.steering.sentences import Parts
from probekit.ablation.steering.study import Side, choose
from probekit.ablation.steering.vector import vector_of
from probekit.ablation.subspaces import SUBSPACES, Subspace
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cache.reader import ActivationCache
from probekit.corpus import open_corpus
from probekit.devices import choose_device
from probekit.errors import UsageError
from probekit.extraction.run import extract
from probekit.extraction.spec import BATCH_TOKENS
from probekit.features.places import check_place
from probekit.models.sources.find import find_model
from probekit.probing.dataset import find_sources
from probekit.probing.settings import Settings
from probekit.report import Measurement
from probekit.statistics.bootstrap import FEWEST_UNITS
from probekit.tasks import get_task
from probekit.tasks.positions import AskedPosition

Progress = Callable[[float, str], None]
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
STATES = ("predicted", "written")


def steer(
    task: str,
    model: str | os.PathLike[str],
    *,
    toward: str,
    away: str,
    metric: str,
    corpus: Any = "grammar",
    annotations: Any = (),
    chat: bool = False,
    chat_template: str | os.PathLike[str] | None = None,
    direction: str = "means",
    states: str | None = None,
    at: str | None = None,
    layers: str | Sequence[int] | None = None,
    doses: Sequence[float] = STRENGTHS,
    cost: float = 0.1,
    draws: int = 5,
    classes: str = "number",
    limit: int | None = None,
    save: str | os.PathLike[str] | None = None,
    probes: Any = (),
    spec: ScoringSpec | None = None,
    revision: str | None = None,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> SteeringReport:
    """Add the direction between two classes of a task to a layer, at rising strengths, and see what a model answers.

    Parameters
    ----------
    task : str
        Over words, spans or sentences: ``morph:Number``.
    model : str or path
        Causal or masked, with its head.
    toward, away : str
        Two classes of the task: to which it is steered, and from which.
    metric : str
        ``behave:SUITE``: log-odds of the answer that is right of ``toward`` over the other, of items of either class;
        ``words:good,great/bad,awful``: log-odds of the first words over the others at a place of each sentence.
    corpus, annotations
        As of :func:`~probekit.probe`: training rows give the direction, sentences of dev and test the loss.
    chat, chat_template
        As of :func:`~probekit.extract`: messages of the corpus are read by their template, for the direction, the words
        and the loss; the items of a suite are read as they are.
    direction : {"means", "probe", "leace"}
        How the direction is found.
    states : {"predicted", "written"}, optional
        Of training words the states where they are predicted (by default), or where they are written.
    at : str, optional
        A position of each whole example, as :func:`~probekit.probe` takes it: the direction is that of the states
        there, and strengths are in units of their norms. Added is at every token all the same.
    layers : str or sequence of int, optional
        Candidates; by default the layer at which a probe is best on dev.
    doses : sequence of float
        Strengths, in units of the root mean square norm of the layer's states. The vector is added at every token.
    cost : float
        By how much the loss of dev may rise, nats a token.
    draws : int
        Random directions of the same length.
    classes : str
        The fact of the items of a suite that is their class.
    limit : int, optional
        Sentences of dev and of test, four times as many of train; items of each phenomenon.
    save : path, optional
        The vector as the ``subspace`` of an edit that adds: at strength 1 as long as the layer's states.
    probes
        As of :func:`~probekit.probe`.
    spec : ScoringSpec, optional
    revision : str, optional
    seed : int
        Of draws, of the halves of the items and of resamples.
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    SteeringReport

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError, NetworkError

    References
    ----------
    Turner et al. 2023, https://arxiv.org/abs/2308.10248; Rimsky et al. 2023, https://arxiv.org/abs/2312.06681
    """
    check_task(named := get_task(plain.text(task, "task"), *plain.paths(probes, "probes")))
    if (place := Settings(at=at).place) is not None:
        check_place(place, named)
        if states is not None:
            raise UsageError(
                f"At '{place.name}' each example has one state, so `states` has nothing to choose. Leave it out."
            )
    found_in = plain.choice(states or STATES[0], "states", STATES) if place is None else None
    chats = bool(chat or chat_template)
    kind = _kind(direction)
    asked, _, argument = plain.text(metric, "metric").partition(":")
    if asked not in (BEHAVE, WORDS) or not argument:
        raise UsageError(f"The `metric` option must be behave:SUITE or words:A,B/C,D. Got '{metric:.80}'.")
    spec = spec or ScoringSpec()
    if chats and asked == WORDS and (spec.begin, spec.end) != ("auto", "auto"):
        raise UsageError("Chats begin and end as their template has it. Leave out --begin and --end.")
    strengths = _strengths(doses)
    seed, draws = plain.whole(seed, "seed", least=0), plain.whole(draws, "draws", least=1)
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    wanted = numbered_layers(layers)
    source = find_model(str(model), revision=revision)
    refuse_encoder_decoder(source)
    read, notes = (open_corpus(corpus), []) if limit is None else limited(open_corpus(corpus), limit)
    made = extract(
        model, read, dtype=spec.dtype, device=choose_device(spec.device), batch_tokens=spec.batch_tokens,
        overflow="error" if chats else "truncate",  # a chat is never cut
        chat=chat, chat_template=chat_template, revision=revision, cache=cache, random_weights=spec.random_weights,
    )  # fmt: skip
    opened = ActivationCache.open(made.cache)
    known = [layer for layer in opened.layers() if isinstance(layer, int)]
    settings = Settings(task=task, layers=tuple(known), at=at, control_seeds=0, seed=seed)
    (found,) = find_sources(opened, [settings], corpus=read, annotations=annotations, probes=probes)
    readable = Readable(opened, settings, found, choose_device(spec.device, float64=True))
    tried = _layers(wanted, known, readable)
    with Session(source, spec, stacks=True) as session:
        model_of = ConceptModel(session, opened.index())
        vectors = [vector_of(model_of, readable, (toward, away), layer, states=found_in, kind=kind, seed=seed)
                   for layer in tried]  # fmt: skip
        tokens = spec.batch_tokens or BATCH_TOKENS.get((session.loaded.device.type, spec.dtype), 1024)
        parts = Parts(session, opened, read, chats=chats, batch_tokens=tokens)
        if asked == BEHAVE:
            questions, said = answers_of(argument, session, classes=classes, toward=toward, away=away, limit=limit)
            sides, unit = _halved(questions, seed), "template"
            notes += [*said, *(["Items of the suite are read as they are, not by the chat template."] if chats else [])]
        else:
            words, unit = words_of(argument, session), "document"
            sides = {split: parts.places(split, words, seed) for split in ("dev", "test")}
        dev, test = (Side(session, sides[split], parts.sentences(split), batch_tokens=tokens, seed=seed)
                     for split in ("dev", "test"))  # fmt: skip
        notes += parts.notes
        chosen = choose(dev, vectors, strengths, cost, None if progress is None else lambda d, n: progress(d / 2, n))
        vector = chosen.vector
        others = [vector.random(seed + draw) for draw in range(draws)]
        shown = []
        for count, strength in enumerate(strengths, start=1):
            shown.append((strength, test.dose(vector, strength), [test.dose(one, strength) for one in others]))
            if progress is not None:
                progress(0.5 + count / len(strengths) / 2, f"test, strength {strength:g}")
        name, identity, method, run_notes = session.name, session.identity(), session.method, session.notes
    saved = None if save is None else vector.save(save)
    blank = Measurement(
        stage=STAGE, task=metric, model=name, corpus=str(opened.corpus.get("name", "")), split="test",
        layer=vector.layer, method="", role="estimator", metric="", value=None, unit=unit, seed=seed,
    )  # fmt: skip
    if not chosen.allowed:
        notes.append(f"No strength keeps the rise of the loss of dev below {cost:g}: chosen is what costs least.")
    rows = test_rows(test, blank, kind.name, shown)
    if min(row.n_groups or 0 for row in rows) < FEWEST_UNITS:
        notes.append(f"Of fewer than {FEWEST_UNITS} units there is no interval.")
    provenance: dict[str, Any] = {
        "task": f"{task} · {metric}",
        "model": identity["model"],
        "corpus": dict(opened.corpus),
        "settings": {
            "task": task, "toward": toward, "away": away, "metric": metric, "direction": kind.name, "states": found_in,
            "at": None if place is None else place.name, "chat": chats,
            "layers": list(tried), "doses": list(strengths), "cost": cost, "draws": draws, "classes": classes,
            "limit": limit, "seed": seed, "score": method, "dtype": spec.dtype,
            "random_weights": spec.random_weights, "probekit": __version__,
        },
        "chosen": {"layer": vector.layer, "strength": chosen.strength, "size": vector.size},
        "saved": None if saved is None else str(saved),
        "references": [f"{kind.name}: {kind.reference}", "Turner et al. 2023, https://arxiv.org/abs/2308.10248"],
        "notes": [
            f"Added at every token is {kind.said} of {_found(place, found_in)}, from {away} to {toward}; the strength "
            f"1 is a vector as long as these states of the layer ({vector.size:.3g}, root mean square).",
            *([] if place is None or asked == BEHAVE else
              ["Words are asked for at a token of each example that the seed draws, whatever the position."]),
            *found.said,
            f"Chosen is what moves the log-odds of dev most where the loss rises by at most {cost:g} nats a token. "
            f"Random: {'one direction' if draws == 1 else f'mean of {draws} directions'} of the same length.",
            *notes, *made.notes, *run_notes,
        ],
    }  # fmt: skip
    return SteeringReport((*rows, *dev_rows(dev, blank, kind.name, chosen)), provenance)


def _found(place: AskedPosition | None, states: str | None) -> str:
    if place is None:
        return f"training words ({states})"
    return f"training examples, each at '{place.name}' ({place.said})"


def _kind(name: str) -> Subspace:
    """Return how a direction is found.

    Raises
    ------
    UsageError
        A way that needs no classes.
    """
    kind = SUBSPACES.get(plain.text(name, "direction"), "direction")
    if not kind.labelled:
        some = ", ".join(name for name, one in SUBSPACES.members().items() if one.labelled)
        raise UsageError(f"The `direction` option must be one of {some}, which need classes. Got '{name}'.")
    return kind


def _strengths(doses: Sequence[float]) -> tuple[float, ...]:
    found = [plain.as_real(value) for value in plain.listed(doses, "doses", "numbers but 0")]
    kept = tuple(sorted({value for value in found if value}))
    if None in found or 0 in found or not kept or kept[-1] < 0:
        raise plain.refused("doses", "numbers but 0, one above it at least", doses)
    return kept


def _layers(wanted: Sequence[int] | str | None, known: Sequence[int], readable: Readable) -> list[int]:
    """Return the layers to try.

    Raises
    ------
    UsageError
    """
    if wanted is None:
        return [readable.best_layer()]
    if isinstance(wanted, str):
        return list(known)
    if missing := set(wanted) - set(known):
        raise UsageError(f"The `layers` option must name layers of 0 to {known[-1]}. Got {min(missing)}.")
    return sorted(set(wanted))


def _halved(questions: Sequence[Question], seed: int) -> dict[str, list[Question]]:
    """Return the questions of half of the templates to choose on, and of the others to show."""
    dev, test = halves([Entry(one.cluster, (), place) for place, one in enumerate(questions)], seed, "template")
    return {name: [questions[entry.right] for entry in some] for name, some in (("dev", dev), ("test", test))}
