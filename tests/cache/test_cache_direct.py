"""Past the page cache or through it, in order or not: the bytes are the same."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.storage.direct_io import PAGE, TRIAL, PageCacheCost, Region, open_direct


class Slow(PageCacheCost):
    """A page cache that is never worth it after `after` bytes."""

    def __init__(self, after: int = 0) -> None:
        super().__init__()
        self.after = after

    @property
    def slow(self) -> bool:
        return self._bytes >= self.after


@settings(max_examples=150, deadline=None)
@given(
    start=st.integers(0, 3 * PAGE),
    sizes=st.lists(st.integers(0, 3 * PAGE), min_size=1, max_size=12),
    after=st.integers(0, 4 * PAGE),
    piece=st.sampled_from([PAGE, 2 * PAGE, 5 * PAGE, 100]),
    swap=st.booleans(),
    refuse=st.sampled_from([None, 1, 2, 3]),
)
def test_every_way_writes_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    start: int,
    sizes: list[int],
    after: int,
    piece: int,
    swap: bool,
    refuse: int | None,
) -> None:
    path = tmp_path_factory.mktemp("direct") / "file"
    total = sum(sizes)
    data = np.random.default_rng(0).integers(0, 256, total, dtype=np.uint8)
    blank = np.random.default_rng(1).integers(0, 256, start + total + 2 * PAGE, dtype=np.uint8)
    path.write_bytes(blank.tobytes())
    fd = os.open(path, os.O_RDWR)
    wide = open_direct(path)
    real, count = os.pwrite, iter(range(1, 1000))

    def picky(target: int, view: memoryview, offset: int) -> int:
        if target == wide and next(count) == refuse:
            raise OSError(errno.EINVAL, "not aligned")
        return real(target, view, offset)

    os.pwrite = picky
    try:
        region = Region(fd, wide, cost=Slow(after), start=start, stop=start + total, piece=piece)
        cuts = np.concatenate([[0], np.cumsum(sizes)])
        pieces = list(itertools.pairwise(cuts))
        if swap and len(pieces) > 2:
            pieces[-2:] = pieces[:-3:-1]
        for begin, end in pieces:
            region.write(data[begin:end], start + int(begin))
        region.finish()
    finally:
        os.pwrite = real
        os.close(fd)
        if wide is not None:
            os.close(wide)
    expected = blank.copy()
    expected[start : start + total] = data
    assert path.read_bytes() == expected.tobytes()


@pytest.mark.parametrize(("after", "expected"), [(0, True), (1 << 40, False)])
def test_a_dear_page_cache_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, expected: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(64 * PAGE))
    wide = open_direct(path)
    if wide is None:
        pytest.skip("this file system has no O_DIRECT")
    seen: list[int] = []
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, view, offset: (seen.append(fd), real(fd, view, offset))[1])
    fd = os.open(path, os.O_RDWR)
    region = Region(fd, wide, cost=Slow(after), start=0, stop=64 * PAGE, piece=4 * PAGE)
    for row in range(64):
        region.write(bytes(PAGE), row * PAGE)
    region.finish()
    os.close(fd)
    os.close(wide)
    assert (wide in seen) is expected


def test_the_page_cache_is_judged_by_its_price() -> None:
    for seconds, slow in ((0.005, False), (0.5, True)):
        cost = PageCacheCost()
        cost.add(TRIAL - 1, seconds)
        assert not cost.slow
        cost.add(1, 0)
        assert cost.slow is slow
