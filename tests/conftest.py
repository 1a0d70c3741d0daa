"""Fixtures shared by every test: where the optional corpora and models are, and a private cache root."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# The same examples at each run, so that a change is judged by what it changes; `make fuzz` draws new ones.
# No example is too slow, which by a clock it is wherever another process has the processor.
settings.register_profile("any-pace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("any-pace"), derandomize=True)
settings.register_profile("new", settings.get_profile("any-pace"), print_blob=True)
EXAMPLES = os.environ.get("PROBEKIT_EXAMPLES", "same")
settings.load_profile(EXAMPLES)
if EXAMPLES == "same":
    # Strings and numbers of whichever modules are imported so far are drawn, too: those of another order of the tests.
    providers._get_local_constants = lambda: providers._local_constants

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("MPLBACKEND", "Agg")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let long tests begin first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Let one worker run tests that share what takes long to make: the oracles, and files with a module's fixture.

    The marks of xdist (3.8) for it do nothing under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return Scheduling(config, log)


def _scope(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    if file.startswith("tests/oracles/"):
        return "tests/oracles"
    return file if _shares(file) else nodeid


@cache
def _shares(file: str) -> bool:
    return 'scope="module"' in Path(__file__).parents[1].joinpath(file).read_text(encoding="utf-8")


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


@pytest.fixture(scope="session")
def private_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders for one cache root a test, numbered here: pytest would go over all that there are for a free number."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def private_cache(private_caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's own cache."""
    root = next(private_caches)
    root.mkdir()
    monkeypatch.setenv("PROBEKIT_CACHE", str(root))
    return root


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let children of the tests be interrupted: a shell's background jobs inherit that SIGINT is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
