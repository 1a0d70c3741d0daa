"""A small package as ``pip`` leaves it: its files and a ``dist-info`` with entry points, on a path of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def install(site: Path, name: str, files: Mapping[str, str], points: Mapping[str, Sequence[str]]) -> Path:
    """Write a distribution into ``site``.

    Parameters
    ----------
    site : Path
        To be put on ``sys.path``.
    name : str
        Of the distribution.
    files : mapping of str to str
        Text by path below `site`.
    points : mapping of str to sequence of str
        Lines ``name = module:object`` by group.
    """
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = [line for group, entries in points.items() for line in (f"[{group}]", *entries, "")]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return site
