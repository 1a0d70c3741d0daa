"""Fixtures shared by every test: where the optional corpora and models are, and a private cache root."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples at each run, so that a change is judged by what it changes; `make fuzz` draws new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("new", print_blob=True)
settings.load_profile(os.environ.get("PROBEKIT_EXAMPLES", "same"))

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let long tests begin first, and one worker run those that share a fixture of their module, made once then."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        shared = any(
            fixtures[-1].scope == "module" and fixtures[-1].baseid
            for fixtures in item._fixtureinfo.name2fixturedefs.values()
        )
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} does not name a folder: set it to run the tests on real data")
    return Path(value)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real corpora (``PROBEKIT_DATA``); skips where there is none."""
    return _folder("PROBEKIT_DATA")


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of real models (``PROBEKIT_MODELS``); skips where there is none."""
    return _folder("PROBEKIT_MODELS")


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's own cache."""
    root = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PROBEKIT_CACHE", str(root))
    return root


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let children of the tests be interrupted: a shell's background jobs inherit that SIGINT is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
