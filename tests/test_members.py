"""A member of every catalogue is one new file: in a user's folder, or in another installed package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from children import PATIENCE
from plugins import install
from tiny_models import tiny_model

ROOT = Path(__file__).resolve().parents[1]

OPTION = '''"""Whether a word ends in some letters: ``ends:ing``."""
from probekit.tasks import ProbeTask, Target

def targets(example, option):
    for i, word in enumerate(example.words):
        yield Target(((i, i + 1),), "yes" if word.endswith(option) else "no", word)

TASK = ProbeTask("ends", targets, option="letters")
'''

TASK = '''"""The {0} of each word, an annotation that no other task reads."""
from probekit.tasks import ProbeTask, Target

def targets(example):
    for i, value in enumerate(example.annotations["{0}"]):
        yield Target(((i, i + 1),), value, example.words[i])

TASK = ProbeTask("{0}", targets, needs=("{0}",))
'''

READER = '''"""Words with a mood behind each: ``dogs/glad run/sad``."""
from probekit.corpus.readers import Reader
from probekit.example import Example

def read(path, notes):
    for line in path.read_text().splitlines():
        words, moods = zip(*(pair.split("/") for pair in line.split()))
        yield Example("", words, annotations={"mood": moods})

READER = Reader("moody", read, suffixes=(".moody",))
'''

ANNOTATION = '''"""The tone of words, by sentence."""
from probekit.corpus.annotations import AnnotationReader, SentenceAnnotations

def read(path, notes):
    for number, line in enumerate(path.read_text().splitlines()):
        id, *tones = line.split()
        place = f"{path}:{number + 1}"
        yield SentenceAnnotations(id, {}, annotations={"tone": tuple(tones)}, place=place)

ANNOTATIONS = AnnotationReader("toned", read, suffixes=(".toned",))
'''

ESTIMATOR = '''"""The class whose mean is nearest."""
import numpy as np
from probekit.probing.estimators import Estimator
from probekit.probing.problem import Result, accuracy

def study(layers, problems, settings):
    for matrix in layers:
        yield matrix.layer, [fit(matrix, problem) for problem in problems]

def fit(matrix, problem):
    means = np.stack([matrix.train[problem.y_train == code].mean(axis=0) for code in range(problem.n_classes)])
    dev, test = (((part[:, None] - means) ** 2).sum(axis=2).argmin(axis=1).astype(np.int32)
                 for part in (matrix.dev, matrix.test))
    scores = accuracy(dev, problem.y_dev), accuracy(test, problem.y_test)
    return Result(
        name=problem.name, strength=1.0, strength_name="C", at_edge=False, strengths=(1.0,), dev_scores=scores[:1],
        dev_score=scores[0], test_score=scores[1], dev_codes=dev, test_codes=test, iterations=0, row_passes=0.0,
        converged=True,
    )

ESTIMATOR = Estimator("nearest-mean", study, seeded=False, reads="nothing: it has no strength")
'''

NUMBERS = '''"""Least squares."""
import numpy as np
from probekit.probing.estimators import Estimator
from probekit.probing.number_problem import NumberResult, r_squared

def study(layers, problems, settings):
    for matrix in layers:
        ones = [np.hstack([part, np.ones((len(part), 1))]) for part in (matrix.train, matrix.dev, matrix.test)]
        yield matrix.layer, [fit(ones, problem) for problem in problems]

def fit(parts, problem):
    weights = np.linalg.lstsq(parts[0], problem.y_train, rcond=None)[0]
    dev, test = (part @ weights for part in parts[1:])
    scores = float(r_squared(dev, problem.y_dev)), float(r_squared(test, problem.y_test))
    return NumberResult(problem.name, dev, test, *scores)

ESTIMATOR = Estimator("least-squares", study, seeded=False, reads="nothing", targets="numbers")
'''

DISCRIMINANTS = '''"""Linear discriminants, three lines around scikit-learn."""
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from probekit import from_sklearn
ESTIMATOR = from_sklearn("lda", LinearDiscriminantAnalysis(solver="lsqr"), grid={"shrinkage": (0.9, 0.1)})
'''

METRIC = '''"""Share of targets that are right."""
import numpy as np
from probekit.statistics.metrics import Metric

def count(scored):
    column, every = np.zeros(len(scored.gold), int), np.ones(len(scored.gold), bool)
    return np.hstack([scored.tally(column, scored.codes == scored.gold, 1), scored.tally(column, every, 1)])

METRIC = Metric("hit_rate", count, lambda counts: counts[:, 0] / counts[:, 1], "Share of targets that are right.")
'''

ANALYSIS = '''"""How many layers passed."""
from probekit.probing.analyses import Analysis

class Census:
    def __init__(self, scene):
        self.layers = []
    def see(self, matrix, results):
        self.layers.append(matrix.layer)
    def rows(self, blank):
        return []
    def notes(self):
        return [f"The census saw {len(self.layers)} layers."]

ANALYSIS = Analysis("census", Census, "Counts layers.")
'''

FAMILY = '''"""A family that reads six tokens at once."""
from probekit.models.architecture.families import Family

FAMILY = Family(("bert",), max_length=lambda model, config: 6)
'''

FILES = {
    "zoo/__init__.py": "",
    "zoo/tasks/__init__.py": "",
    "zoo/tasks/mood.py": TASK.format("mood"),
    "zoo/tasks/tone.py": TASK.format("tone"),
    "zoo/tasks/ends.py": OPTION,
    "zoo/reader.py": READER,
    "zoo/annotation.py": ANNOTATION,
    "zoo/estimator.py": ESTIMATOR,
    "zoo/numbers.py": NUMBERS,
    "zoo/discriminants.py": DISCRIMINANTS,
    "zoo/metric.py": METRIC,
    "zoo/analysis.py": ANALYSIS,
    "zoo/family.py": FAMILY,
    "zoo/broken.py": "raise RuntimeError('not today')\n",
}
POINTS = {
    "probekit.tasks": ["zoo = zoo.tasks", "broken = zoo.broken"],
    "probekit.readers": ["moody = zoo.reader"],
    "probekit.annotations": ["toned = zoo.annotation"],
    "probekit.estimators": [
        "nearest-mean = zoo.estimator:ESTIMATOR",
        "least-squares = zoo.numbers:ESTIMATOR",
        "lda = zoo.discriminants",
    ],
    "probekit.metrics": ["hit_rate = zoo.metric"],
    "probekit.analyses": ["census = zoo.analysis"],
    "probekit.families": ["bert = zoo.family"],
}

# The command line, several times in one process: the heavy libraries are imported once.
SCRIPT = """
import contextlib, io, json, sys
from probekit.cli.app import run
said = []
for argv in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(argv)
    said.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(said))
"""


def corpus(folder: Path) -> Path:
    words = {"doctor": "glad", "river": "sad", "walks": "glad", "runs": "sad", "the": "calm"}
    forms = list(words)
    lines = []
    for i in range(60):
        chosen = [forms[(i * 3 + j * (1 + i % 4)) % 5] for j in range(5 + i % 4)]
        lines.append(" ".join(f"{word}/{words[word]}" for word in chosen))
    (folder / "corpus.moody").write_text("\n".join(lines) + "\n")
    return folder / "corpus.moody"


def commands(folder: Path, site: Path | None, *argv: list[str]) -> list[tuple[int, str, str]]:
    paths = [str(ROOT), *([str(site)] if site else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PROBEKIT_CACHE": str(folder / "caches")}
    command = [sys.executable, "-c", SCRIPT, json.dumps(argv)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return [(code, out, err + done.stderr) for code, out, err in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """What the commands say where another package gives a member of every kind, and one that is broken."""
    folder = tmp_path_factory.mktemp("members")
    site = install(folder / "site", "zoo-probes", FILES, POINTS)
    corpus(folder)
    lines = [line.split() for line in (folder / "corpus.moody").read_text().splitlines()]
    tones = [["high" if len(pair) > 8 else "low" for pair in line] for line in lines]
    (folder / "tones.toned").write_text("".join(f"corpus:{i} {' '.join(row)}\n" for i, row in enumerate(tones)))
    asked = {
        "extract": ["extract", str(tiny_model("bert")), "corpus.moody", "--overflow", "truncate", "--json"],
        # Before the others: what is wrong with a package is said once, and not where a document is asked for.
        "wrong": ["probe", "--task", "mood", "--estimator", "nearest-men"],
        "mood": [
            "probe",
            "--task",
            "mood",
            "--estimator",
            "nearest-mean",
            "--metric",
            "hit_rate",
            "--also",
            "census",
            "--json",
        ],
        "mine": [
            "probe",
            "--task",
            "starts:d",
            "--task",
            "temper",
            "--probes",
            "mine",
            "--layers",
            "0",
            "--fast",
            "--json",
        ],
        "numbers": ["probe", "--task", "position", "--estimator", "least-squares", "--also", "strata", "--json"],
        "ends": ["probe", "--task", "ends:s", "--estimator", "lda", "--fast", "--json"],
        "tone": ["probe", "--task", "tone", "--annotations", "tones.toned", "--layers", "0", "--fast", "--json"],
        "tasks": ["tasks", "--json"],
        "doctor": ["doctor", "--json"],
    }
    (folder / "mine").mkdir()
    (folder / "mine" / "starts.py").write_text(OPTION.replace('"ends"', '"starts"').replace("endswith", "startswith"))
    (folder / "mine" / "temper.py").write_text(TASK.format("mood").replace('ProbeTask("mood"', 'ProbeTask("temper"'))
    return dict(zip(asked, commands(folder, site, *asked.values()), strict=True))


def test_every_kind_of_another_package_is_used_from_the_command_line(said: dict[str, tuple[int, str, str]]) -> None:
    for name in ("extract", "mood", "numbers", "ends", "tone", "tasks"):
        code, _, err = said[name]
        assert (code, err.count("Traceback")) == (0, 0), (name, err)
    made = json.loads(said["extract"][1])
    # Its family reads six tokens at once, two of them special; its reader tells the moods.
    assert max(made["certificate"]["lengths"]) == 6
    assert (made["corpus"]["annotations"], made["alignment"]["covered"]) == (["mood"], 240)
    report = json.loads(said["mood"][1])
    test = [row for row in report["rows"] if (row["split"], row["layer"]) == ("test", 0)]
    scores = {row["metric"]: row["value"] for row in test if row["method"] == "nearest-mean"}
    assert set(scores) == {"accuracy", "macro_f1", "hit_rate"}
    assert scores["accuracy"] == pytest.approx(scores["hit_rate"])
    assert scores["accuracy"] > 0.7
    assert {"control", "selectivity"} <= {row["method"] for row in test}
    assert "The census saw 4 layers." in report["notes"]
    numbers = json.loads(said["numbers"][1])
    found = {(row["method"], row["metric"]) for row in numbers["rows"]}
    assert {("least-squares", "r2"), ("least-squares", "spearman"), ("control", "r2"), ("selectivity", "r2")} <= found
    assert numbers["settings"]["metric"] == "r2"
    ends = json.loads(said["ends"][1])
    assert ends["task"] == "ends:s"
    assert {row["strength_name"] for row in ends["rows"] if row["method"] == "lda"} == {"shrinkage"}
    assert '"toned"' in json.dumps(json.loads(said["tone"][1])["corpus"]["annotations_from"])
    docs = {task["name"]: task["doc"] for task in json.loads(said["tasks"][1])["tasks"]}
    assert docs["mood"] == "The mood of each word, an annotation that no other task reads."
    assert {"pos", "ends", "tone"} <= set(docs)


def test_a_broken_one_is_named_and_a_close_name_proposed(said: dict[str, tuple[int, str, str]]) -> None:
    code, _, err = said["wrong"]
    assert code == 2
    assert "Did you mean 'nearest-mean'?" in err
    assert re.search(r"zoo-probes has an entry point 'broken' .*zoo/broken\.py:1: RuntimeError: not today", err)
    code, out, _ = said["doctor"]
    assert code == 6
    assert any("zoo-probes has an entry point 'broken'" in problem for problem in json.loads(out)["problems"])
    # Where a document is asked for, nothing but a document stands on stderr.
    assert said["ends"][2] == said["tasks"][2] == ""


def test_a_task_of_a_users_folder_is_one_file(said: dict[str, tuple[int, str, str]]) -> None:
    code, out, err = said["mine"]
    assert (code, err) == (0, "")
    assert [report["task"] for report in json.loads(out)["reports"]] == ["starts:d", "temper"]
