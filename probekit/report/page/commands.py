"""The commands that measure a report again, as far as its provenance tells them.

Enters: a stage and its provenance. Leaves: a command line, and in words whatever the report does not hold. Nothing is
guessed: an option that was not recorded is named as unknown.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_JUDGING = ("score", "begin", "end", "limit", "dtype", "seed")
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "probe": (
        *("layers", "pool", "pair", "estimator", "control_seeds", "seed", "strict", "drop_repeated", "fast", "ranks"),
        *("also", "metrics", "max_ram", "device"),
    ),
    "behave": (*_JUDGING, "normalise", "by", "exchange"),
    "attend": ("untrained", "least", "seed"),
    "ablate": ("metric", "importance", "layers", "instead", "orders", "steps", *_JUDGING),
}
"""Of a command: the settings of its reports that are options of the same name (`metrics` are of `--metric`)."""
_COMMANDS = {"attention": "attend"}
"""How a command is called, where the stage of its rows has another name."""
_JOINED = ("layers", "ranks")
"""Settings whose values one option takes, with commas; of other lists each value has an option of its own."""
_UNRECORDED = {
    "probe": "whether --model, --corpus, --annotations or --probes named other files than the cache does",
    "behave": "whether --ngram, --unigram, --against, --prompt or --revision was given",
    "attend": "whether --corpus, --annotations or --probes named other files than the cache does",
    "ablate": "whether --corpus, --annotations, --probes or --revision was given",
}


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
    verb = _COMMANDS.get(stage, stage)
    settings, model = provenance.get("settings"), provenance.get("model")
    known = verb in OPTIONS and isinstance(settings, Mapping) and (verb != "ablate" or "parts" in settings)
    if not known or not isinstance(settings, Mapping):
        what = f"The command of stage '{stage}' does not follow from its report; its settings stand in the provenance."
        return Reproduction("", (what,))
    unknown = []
    words: list[str] = ["probekit", verb]
    task = str(provenance.get("task") or "")
    if verb == "ablate":
        words.append(str(settings.get("parts")))
    elif verb == "behave":
        words.append(task)
    else:
        words += ["--task", task]
        if cache := provenance.get("cache"):
            words += ["--on", str(cache)]
            unknown.append(
                f"with which options the cache was extracted: `probekit cache info {shlex.quote(str(cache))}`"
            )
        else:
            unknown.append("the cache (--on)")
    if verb in ("behave", "ablate"):
        name = model.get("name") if isinstance(model, Mapping) else model
        words += ["--model", str(name or "")]
        unknown.append("where the model lay: recorded are its name and digests")
        drawn = model.get("random_weights") if isinstance(model, Mapping) else None
        words += [] if drawn is None else ["--random-weights", str(drawn)]
    for setting in OPTIONS[verb]:
        if setting in settings:
            words += _option(setting, settings[setting])
        else:
            unknown.append(f"--{_named(setting)}")
    default = 100 if settings.get("fast") else 1000
    if settings.get("resamples", default) not in (None, default):
        unknown.append(f"{settings['resamples']} resamples are no option of the command: in Python, `resamples=`")
    return Reproduction(shlex.join(words), (*unknown, _UNRECORDED[verb]))


def _named(setting: str) -> str:
    return "metric" if setting == "metrics" else setting.replace("_", "-")


def _option(setting: str, value: Any) -> list[str]:
    name = f"--{_named(setting)}"
    if value is None or value is False or value == "" or value == []:
        return []
    if value is True:
        return [name]
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = [str(each) for each in value]
        return [name, ",".join(texts)] if setting in _JOINED else [word for text in texts for word in (name, text)]
    return [name, str(value)]
