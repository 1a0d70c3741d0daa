"""The notebooks run from top to bottom, and what their prose says of the figures is true of this run.

To renew the outputs that a notebook carries: ``jupyter-execute --inplace notebooks/layer_curves.ipynb``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 300_000
"""Bytes of a notebook with its outputs."""

EXECUTE = "import sys; from nbclient.cli import main; main(sys.argv[1:])"
# The claims of the prose of layer_curves, held in the notebook's own kernel.
CLAIMS = """
pos, deprel = reports["pos"], reports["deprel"]
assert deprel.points("selectivity")[0].value < 0 < pos.points("selectivity")[0].value
assert deprel.floor("word_type").value + 0.1 < pos.floor("word_type").value
assert deprel.expected_layer() > pos.expected_layer()
for report in (pos, deprel):
    best = report.best_layer()
    assert len(best.not_worse) > 1
    assert report.points()[6].value < best.test
    assert best.test - report.points()[0].value > 0.03
"""


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed(notebook: nbformat.NotebookNode) -> str:
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs(notebook))


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def execute(path: Path, folder: Path, *, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """Run a notebook in place, in a kernel that sees nothing of the user's own settings and caches."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
        **{name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")},
    }
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-c", EXECUTE, "--inplace", "--timeout=600", "--kernel_name=python3", str(path)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)


def test_there_is_a_notebook() -> None:
    assert "layer_curves.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.slow
def test_the_layer_curves_run_and_show_what_their_prose_says(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / "layer_curves.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(CLAIMS))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    path = tmp_path / "layer_curves.ipynb"
    nbformat.write(notebook, path)
    done = execute(path, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    executed = nbformat.read(path, as_version=4)
    assert pictures(executed) == 1
    assert "expected layer" in printed(executed)
    assert [output.text for output in outputs(executed) if output.get("name") == "stderr"] == []


def test_a_failing_cell_is_seen(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 1 > 2")])
    nbformat.write(notebook, tmp_path / "false.ipynb")
    done = execute(tmp_path / "false.ipynb", tmp_path)
    assert done.returncode != 0
    assert "AssertionError" in done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_carries_its_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert pictures(notebook) >= 1
    assert path.stat().st_size < LARGEST
    kinds = {(output.output_type, output.get("name", "")) for output in outputs(notebook)}
    assert kinds <= {("stream", "stdout"), ("display_data", ""), ("execute_result", "")}
    # Nobody else has the folders of whoever ran it, and escape codes are no text.
    assert not re.search(r"/home/|/root/|/tmp/|/Users/|site-packages|\x1b\[", printed(notebook))
