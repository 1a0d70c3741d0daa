"""Sphinx builds the pages of this folder with it: ``make pages``. Notebooks are shown with the outputs they carry."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from probekit import __version__  # noqa: E402

project = "probekit"
author = "The authors of probekit"
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "_gallery"]
html_theme = "pydata_sphinx_theme"
html_title = f"probekit {__version__}"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# Tests run the notebooks and the blocks of every page; a build shows them.
nb_execution_mode = "off"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# No inventory of another project is fetched, and inner rooms are read in the source: public names must be found.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!probekit\.).*|probekit\.\w+\.\w+\..*"), (r"py:mod", r".*")]


def _plain_references(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Write ``[1]_`` and ``.. [1] Title`` as text: numbers of one docstring mean nothing in a page of many."""
    lines[:] = [re.sub(r"^\s*\.\. (\[\d+\])", r"| \1", re.sub(r"(\[\d+\])_", r"\1", line)) for line in lines]


def _one_attribute_each(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Write the attributes ``start, stop : int`` one by one, since napoleon takes the comma for a part of the type."""

    def each(found: re.Match[str]) -> str:
        names, rest = found[1].split(", "), found[2]
        return "".join(f"{name}{rest}" for name in names)

    before, head, after = "\n".join([*lines, ""]).partition("Attributes\n----------\n")
    section, gap, others = after.partition("\n\n")
    section = re.sub(r"^(\w+(?:, \w+)+)((?: :.*)?\n(?: +.*\n)*)", each, f"{section}\n", flags=re.MULTILINE)
    lines[:] = (before + head + section.rstrip("\n") + gap + others).split("\n") if head else lines


def setup(app: Any) -> None:
    """Register what this configuration adds."""
    app.connect("autodoc-process-docstring", _one_attribute_each, priority=400)  # before napoleon's, at 500
    app.connect("autodoc-process-docstring", _plain_references)


def _notebooks() -> None:
    """Copy the notebooks into this folder, since Sphinx reads nothing outside."""
    target = HERE / "_notebooks"
    target.mkdir(exist_ok=True)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        copy = target / path.name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copy)


_notebooks()
