"""The notebooks run from top to bottom, what their prose says is true of the figures beside it, and these of this code.

To renew the outputs that a notebook carries: ``jupyter-execute --inplace notebooks/NAME.ipynb``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from probekit import extract, probe

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 300_000
"""Bytes of a notebook with its outputs."""

EXECUTE = """
import asyncio, os, sys, traceback
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

async def run(paths):
    kernel = AsyncKernelManager(kernel_name="python3")
    failed = 0
    try:
        for path in paths:
            notebook = nbformat.read(path, as_version=4)
            # Of the output behind a cell, nbclient would wait for four seconds and then leave it out.
            client = NotebookClient(notebook, timeout=600, startup_timeout=600, iopub_timeout=600, km=kernel)
            clear = f"%reset -f\\nimport os; os.chdir({os.path.dirname(path)!r}); del os"
            notebook.cells.insert(0, nbformat.v4.new_code_cell(clear))
            try:
                await client.async_execute()
            except Exception:
                failed += 1
                print(f"{path}: {traceback.format_exc()}", file=sys.stderr)
            del notebook.cells[0]
            nbformat.write(notebook, path)
            client.kc.stop_channels()
    finally:
        await kernel.shutdown_kernel(now=True)
    sys.exit(min(failed, 1))

asyncio.run(run(sys.argv[1:]))
"""
"""Runs notebooks one after the other in one kernel, cleared in between: importing costs more than what they compute."""
CURVE_CLAIMS = """
pos, deprel = reports["pos"], reports["deprel"]
assert deprel.floor("word_type").value + 0.1 < pos.floor("word_type").value
for report in (pos, deprel):
    best = report.best_layer()
    assert report.points()[6].value < best.test
    assert best.test - report.points()[0].value > 0.03
"""
PLAN_CLAIMS = """
assert plan.train == tuple(range(1, plan.read.layers[-1] + 1)) and plan.keep == plan.read.layers[-1]
assert {"keep", "train", "rate.peak", "loop.batch_tokens"} <= {reason.field for reason in plan.why}
trained = {total.strategy: total.trained for total in bill.totals}
assert trained["head-only"] < trained["report"] < trained["full"]
assert runs["full"][0].cost.from_cache is False and runs["report"][0].cost.from_cache
assert [line.planned for line in lines] == [True] + [False] * (len(lines) - 1)
assert verdict.against("full").value == lines[0].test - next(line.test for line in lines if 0 in line.train)
"""
TOUR_CLAIMS = """
assert report.best_layer().test > report.floor("majority").value
assert report.floor("word_type_seen").value > report.floor("word_type").value
assert look.points.layer.nunique() == 3 and look.value("trustworthiness", 0) < 1
for judged in (order, agreement):
    assert {"masked", "random_weights"} <= {row.method for row in judged.rows}
assert len(needed.importance) == 60 and needed.select("estimator")[0].strength == 0
text = page.read_text()
assert all(f"<h2 id='r{n}-head'>".replace("'", chr(34)) in text for n in range(1, 6)) and "<script" not in text
"""


@dataclass(frozen=True)
class Book:
    """How a notebook is run by a test.

    Attributes
    ----------
    shorter : dict of str to str
        What a test writes in place of what the notebook has: fewer sentences, layers and runs.
    claims : str
        What the prose says that is true of a smaller run too, held in the notebook's own kernel.
    pictures : int
    said : str
        What is printed, among others.
    """

    shorter: dict[str, str]
    claims: str
    pictures: int
    said: str


BOOKS = {
    "what_bert_knows": Book(
        {
            "grammar:n=300": "grammar:n=80",
            "grammar:n=600": "grammar:n=40",
            "EPOCHS = 4": "EPOCHS = 1",
            "grammar:n=110": "grammar:n=11",
            "grammar:n=200,seed=1": "grammar:n=16,seed=1",
            "orders=5": "orders=1",
            "steps=8": "steps=2",
        },
        TOUR_CLAIMS,
        3,
        "important of 60",
    ),
    "layer_curves": Book(
        {"grammar:n=500": "grammar:n=100", "extract(MODEL, CORPUS)": "extract(MODEL, CORPUS, layers=[0, 3, 6])"},
        CURVE_CLAIMS,
        1,
        "expected layer",
    ),
    "choose_layers": Book(
        {
            "grammar:n=160": "grammar:n=80",
            "EXAMPLES = 40": "EXAMPLES = 12",
            "SEEDS = (0, 1)": "SEEDS = (0,)",
            "(): (2, 4, 6), (1, 2): (2,), (1, 2, 3, 4): (4,)": "(): (2,)",
            "examples=EXAMPLES)\nfor": "examples=EXAMPLES, changes='loop.epochs=2')\nfor",
            'changes=f"loop.seed={seed}"': 'changes=[f"loop.seed={seed}", "loop.epochs=2"]',
        },
        PLAN_CLAIMS,
        2,
        "regret: the oracle's test score minus the plan's",
    ),
}


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed(notebook: nbformat.NotebookNode) -> str:
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs(notebook))


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def execute(paths: Sequence[Path], folder: Path, *, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
    """Run notebooks in place, in a kernel that sees nothing of the user's own settings and caches."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
        **{name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")},
    }
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-c", EXECUTE, *map(str, paths)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def executed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, nbformat.NotebookNode]:
    """Every notebook that is asked for, made shorter, with its claims behind it, as it was executed."""
    folder = tmp_path_factory.mktemp("notebooks")
    asked = {item.callspec.params["name"] for item in request.session.items if "executed" in item.fixturenames}
    paths = {name: folder / name / f"{name}.ipynb" for name in sorted(asked)}
    for name, path in paths.items():
        notebook = nbformat.read(ROOT / "notebooks" / path.name, as_version=4)
        source = "\n".join(cell.source for cell in notebook.cells)
        for long, short in BOOKS[name].shorter.items():
            assert source.count(long) == 1, (name, long)
            for cell in notebook.cells:
                cell.source = cell.source.replace(long, short)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        notebook.cells.append(nbformat.v4.new_code_cell(BOOKS[name].claims))
        path.parent.mkdir()
        nbformat.write(notebook, path)
    execute(list(paths.values()), folder)
    return {name: nbformat.read(path, as_version=4) for name, path in paths.items()}


def test_every_notebook_is_run_by_a_test() -> None:
    assert sorted(BOOKS) == [path.stem for path in NOTEBOOKS]


def layer_curves() -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / "layer_curves.ipynb", as_version=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BOOKS))
def test_a_notebook_runs_from_top_to_bottom(name: str, executed: dict[str, nbformat.NotebookNode]) -> None:
    book, notebook = BOOKS[name], executed[name]
    errors = [output.traceback for output in outputs(notebook) if output.output_type == "error"]
    assert errors == []
    assert notebook.cells[-1].execution_count is not None  # its claims
    assert pictures(notebook) == book.pictures
    assert book.said in printed(notebook)
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []


@dataclass(frozen=True)
class Carried:
    """What the layer curves show of a task: accuracy, control and selectivity by layer, floors and chosen layers."""

    scores: list[list[float]]
    majority: float
    word_type: float
    not_worse: int
    expected_layer: float


def carried(task: str) -> Carried:
    """Read the figures in the outputs that the notebook carries."""
    text = printed(layer_curves())
    columns = slice(0, 3) if task == "pos" else slice(3, 6)
    scores = [line.split() for line in text.partition("task        pos ")[2].split("\n") if re.match(r"\d ", line)]
    floors = re.search(rf"^{task}: .*majority ([\d.]+), word type ([\d.]+)", text, re.MULTILINE)
    chosen = re.search(rf"^{task} .*\((.*)\) +([\d.]+)$", text, re.MULTILINE)
    assert (len(scores), floors is None, chosen is None) == (7, False, False)
    return Carried(
        [[float(value) for value in row[1:][columns]] for row in scores],
        majority=float(floors[1]),
        word_type=float(floors[2]),
        not_worse=len(chosen[1].split(",")),
        expected_layer=float(chosen[2]),
    )


def test_the_prose_is_true_of_the_figures_beside_it() -> None:
    pos, deprel = carried("pos"), carried("deprel")
    assert deprel.scores[0][2] < 0 < pos.scores[0][2]
    assert deprel.word_type + 0.1 < pos.word_type
    assert deprel.expected_layer > pos.expected_layer
    for task in (pos, deprel):
        accuracies = [row[0] for row in task.scores]
        assert task.not_worse > 1
        assert accuracies[6] < max(accuracies)
        assert max(accuracies) - accuracies[0] > 0.03


def test_the_figures_beside_the_prose_are_those_of_this_code(tmp_path: Path) -> None:
    """Of one layer, without its control; a few of 540 words may differ between machines."""
    made = extract("minilm", "grammar:n=500", layers=[6], cache=tmp_path)
    report, shown = probe("pos", made.cache, control_seeds=0), carried("pos")
    assert report.points()[6].value == pytest.approx(shown.scores[6][0], abs=5 / 540)
    assert report.floor("word_type").value == pytest.approx(shown.word_type, abs=5e-4)
    assert report.floor("majority").value == pytest.approx(shown.majority, abs=5e-4)


def test_a_failing_cell_is_seen_and_names_do_not_outlive_a_notebook(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.ipynb" for name in ("false", "after")]
    for path, source in zip(paths, ("known = 1\nassert 1 > 2", "'known' in globals()"), strict=True):
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), path)
    done = execute(paths, tmp_path)
    assert done.returncode != 0
    assert "AssertionError" in done.stderr
    (failed,) = outputs(nbformat.read(paths[0], as_version=4))
    assert failed.output_type == "error"
    assert printed(nbformat.read(paths[1], as_version=4)) == "False"


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
