"""Oracles: each analysis beside a plain, slow, independent implementation written from its paper, on real sentences.

One file an analysis. An oracle takes nothing from the code under test but the cache's rows (see ``small.py``); its
test asserts that both give the same number, or the same within the noise of training. ``docs/oracles.md`` has the
figures at full size.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import small


@pytest.fixture(scope="session")
def part(data: Path, tmp_path_factory: pytest.TempPathFactory) -> small.Part:
    """Some 350 sentences of EWT and their vectors at layers 0, 3 and 6 of MiniLM; skips without PROBEKIT_DATA."""
    return small.made(data / "ud_english_ewt", tmp_path_factory.mktemp("oracles"))
