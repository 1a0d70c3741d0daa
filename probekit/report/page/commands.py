"""The commands that measure a report again, as far as its provenance tells them.

Enters: a stage and its provenance. Leaves: a command line, and in words whatever the report does not hold. Nothing is
guessed: an option that was not recorded is named as unknown.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probekit.report.page.recipes import JOINED, RECIPES, Recipe


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How a report is measured again.

    Attributes
    ----------
    command : str
        Empty where none can be told.
    unknown : tuple of str
        What the report does not hold.
    """

    command: str
    unknown: tuple[str, ...]


def reproduction(stage: str, provenance: Mapping[str, Any]) -> Reproduction:
    """Return the command that measures a report again, and what of it is unknown."""
    recipe, settings = RECIPES.get(stage), provenance.get("settings")
    if recipe is None or not isinstance(settings, Mapping) or not _named(recipe, settings):
        what = f"The command of stage '{stage}' does not follow from its report; its settings stand in the provenance."
        return Reproduction("", (what,))
    words = ["probekit", *_named(recipe, settings), *_task(recipe, provenance)]
    unknown: list[str] = []
    words += _READ[recipe.on](recipe, provenance, unknown)
    for given in recipe.options:
        setting, _, other = given.removeprefix("?").partition(">")
        option = other or setting.replace("_", "-")
        if setting in settings:
            words += _option(option, settings[setting])
        elif not given.startswith("?") and f"--{option}" not in words:
            unknown.append(f"--{option}")
    default = 100 if settings.get("fast") else 1000
    if settings.get("resamples", default) not in (None, default):
        unknown.append(f"{settings['resamples']} resamples are no option of the command: in Python, `resamples=`")
    return Reproduction(shlex.join(words), tuple(filter(None, (*unknown, recipe.unrecorded))))


def _named(recipe: Recipe, settings: Mapping[str, Any]) -> list[str]:
    """Return the words of the command; none where a setting that names it is missing."""
    needed = [word[1:-1] for word in recipe.words if word.startswith("{")]
    if any(not settings.get(name) for name in needed):
        return []
    return [word.format(**{name: settings[name] for name in needed}) for word in recipe.words]


def _task(recipe: Recipe, provenance: Mapping[str, Any]) -> list[str]:
    task = str(provenance.get("task") or "")
    if recipe.of == "tasks":
        return [word for each in provenance.get("tasks") or [task] for word in ("--task", str(each))]
    return {"none": [], "argument": [task]}.get(recipe.of, [f"--{recipe.of}", task])


def _cache(recipe: Recipe, provenance: Mapping[str, Any], unknown: list[str]) -> list[str]:
    cache = provenance.get("cache")
    if not cache:
        unknown.append("the cache (--on)" if recipe.on == "cache" else "the cache")
        return []
    unknown.append(f"with which options the cache was extracted: `probekit cache info {shlex.quote(str(cache))}`")
    if recipe.on == "cache":
        return ["--on", str(cache)]
    other = provenance.get("other")
    return [str(cache), *([str(other["cache"])] if isinstance(other, Mapping) and "cache" in other else [])]


def _model(recipe: Recipe, provenance: Mapping[str, Any], unknown: list[str]) -> list[str]:
    model, settings = provenance.get("model"), provenance["settings"]
    name = model.get("name") if isinstance(model, Mapping) else model
    unknown.append("where the model lay: recorded are its name and digests")
    drawn = model.get("random_weights") if isinstance(model, Mapping) else None
    # Where the setting is an option of the command, it is written with the others.
    drawn = None if settings.get("random_weights") is not None else drawn
    return ["--model", str(name or ""), *([] if drawn is None else ["--random-weights", str(drawn)])]


def _both(recipe: Recipe, provenance: Mapping[str, Any], unknown: list[str]) -> list[str]:
    _, name, *drawn = _model(recipe, provenance, unknown)
    return [_corpus(provenance), name, *drawn]


def _tuned(recipe: Recipe, provenance: Mapping[str, Any], unknown: list[str]) -> list[str]:
    unknown.append("where the corpus lay: recorded is its name")
    return [*_model(recipe, provenance, unknown), "--corpus", _corpus(provenance)]


def _vectors(recipe: Recipe, provenance: Mapping[str, Any], unknown: list[str]) -> list[str]:
    # A model that gave vectors to words is a setting; the cache that it left is its own affair.
    return [] if provenance["settings"].get("model") else _cache(replace(recipe, on="cache"), provenance, unknown)


def _caches(recipe: Recipe, provenance: Mapping[str, Any], unknown: list[str]) -> list[str]:
    unknown.append("with which options the caches were extracted: `probekit cache info CACHE`")
    return [str(cache) for cache in provenance.get("caches") or ()]


def _runs(recipe: Recipe, provenance: Mapping[str, Any], unknown: list[str]) -> list[str]:
    return [str(one["folder"]) for one in provenance.get("members") or ()]


def _corpus(provenance: Mapping[str, Any]) -> str:
    corpus = provenance.get("corpus")
    return str(corpus.get("name", "") if isinstance(corpus, Mapping) else corpus or "")


_READ = {
    "cache": _cache,
    "caches": _caches,
    "argument": _cache,
    "model": _model,
    "both": _both,
    "tuned": _tuned,
    "vectors": _vectors,
    "runs": _runs,
}


def _option(name: str, value: Any) -> list[str]:
    option = f"--{name}"
    if name == "show":  # "train and dev" is how a sentence says it
        value = str(value).replace(" and ", ",")
    if name == "rank":
        value = "auto" if value is None else value
    if value is None or value is False or value == "" or value == []:
        return []
    if value is True:
        return [option]
    if isinstance(value, Mapping):  # words of labels
        value = [f"{label}={word}" for label, word in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = [f"{each:g}" if isinstance(each, float) else str(each) for each in value]
        return [option, ",".join(texts)] if name in JOINED else [word for text in texts for word in (option, text)]
    return [option, str(value)]
