"""What a report was made from: model, corpus, cache, settings, what its rows share, and what a reader must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probekit import __version__
from probekit.cache.format import unread
from probekit.cache.format.certificate import certificate
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus
from probekit.models.sources.static import is_static
from probekit.probing.estimators import Estimator
from probekit.probing.settings import Settings
from probekit.report import Measurement
from probekit.report.render.wording import readable
from probekit.tasks import ProbeTask


def provenance_of(
    cache: ActivationCache,
    source: Corpus,
    settings: Settings,
    task: ProbeTask,
    *,
    metric: str,
    unit: str,
    targets: Mapping[str, int],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return the JSON-able provenance of a report.

    Parameters
    ----------
    metric : str
        The main one.
    unit : str
        What the intervals resample: ``document`` or ``sentence``.
    targets : mapping of str to int
        How many, by split.
    notes : sequence of str
        What a reader must know.
    """
    record = source.source
    return {
        "task": task.name,
        "model": dict(cache.model),
        "corpus": {
            **cache.corpus,
            "annotations_from": None if record is None else record.to_json(),
        },
        "cache": str(cache.path),
        "certificate": certificate(cache.manifest["findings"], cache.made_with),
        "settings": {
            **settings.to_json(),
            "metric": metric,
            "kind": task.kind,
            "unit": unit,
            "dtype": cache.identity["dtype"],
            "store": cache.identity["store"],
            "probekit": __version__,
            "reference": task.reference,
        },
        "targets": dict(targets),
        "notes": [*source.remarks, *unread.notes(cache.made_with), *_of_word_vectors(cache), *notes],
    }


def blank_row(
    cache: ActivationCache, settings: Settings, task: ProbeTask, estimator: Estimator, *, metric: str
) -> Measurement:
    """Return what the rows of a study share, as a row of the estimator that has no value yet."""
    return Measurement(
        stage="probe",
        task=task.name,
        model=cache.model["name"],
        corpus=cache.corpus["name"],
        split="test",
        layer=None,
        method=str(settings.estimator),
        role="estimator",
        metric=metric,
        value=None,
        pooling="learned" if estimator.tokens else settings.pool,
        seed=settings.seed if estimator.seeded else None,
    )


def _of_word_vectors(cache: ActivationCache) -> list[str]:
    """Say how many words of the corpus a table of word vectors did not know."""
    seen = cache.manifest["findings"]
    if not seen.get("vectorless"):
        return []
    return [
        f"{seen['vectorless']:,} of {seen['words']:,} words of the corpus have no vector of their own and are given "
        "the mean of all, so that the targets are those of other models."
    ]


def no_control_notes(task: ProbeTask, cache: ActivationCache, floors: Sequence[str]) -> list[str]:
    """Return why there is no control, and which floors stand in for it.

    Parameters
    ----------
    task : ProbeTask
    cache : ActivationCache
    floors : sequence of str
        The report's own: of words, of random weights.
    """
    whole = task.kind == "sentence"
    why = "are whole examples, which no memory of forms answers" if whole else "carry no key to be learned by heart"
    named = " and ".join(map(readable, floors))
    notes = [f"This task has no control: its targets {why}. Its floor is {named}."]
    trained = cache.model.get("random_weights") is None and not is_static(cache.model["name"])
    if trained and "random_weights" not in floors:
        notes.append(
            "A further floor is the same model with random weights: `probekit extract ... --random-weights 0` with "
            f"this model and corpus, then `probekit probe --task {task.name} --on {cache.path.name} --on random`."
        )
    return notes


def shared_notes(settings: Settings, *, repeated: int) -> list[str]:
    """Return what must be said of any study: repeated examples, ``--fast``."""
    notes = []
    if repeated:
        then = ", and are left out (--drop-repeated)" if settings.drop_repeated else ""
        notes.append(f"{repeated:,} dev or test examples repeat a training example{then}.")
    if settings.fast:
        control = f"{settings.n_controls} draws of the control task" if settings.n_controls else "no control task"
        notes.append(f"--fast: {control}, {settings.n_resamples} resamples, no tests between layers.")
    return notes
