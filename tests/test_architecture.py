"""The shape of the package: imports go one way, files stay small, data is never code.

The rules are read from the source with ``ast``, so that a module is held to them by existing.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from children import PATIENCE

import probekit

PACKAGE = Path(probekit.__file__).parent
ROOT = PACKAGE.parent

ORDER = (
    "errors",
    "plain",
    "amounts",
    "sites",
    "controls",
    "model_names",
    "devices",
    "loading",
    "registry",
    "storage",
    "statistics",
    "example",
    "grammar",
    "corpus",
    "tasks",
    "report",
    "cache",
    "models",
    "extraction",
    "features",
    "probing",
    "behaviour",
    "attention",
    "tuning",
    "ablation",
    "viewing",
    "cli",
)
"""Parts of the package from the ground up; a module imports its own part and those before it."""

LIVE = {"models", "extraction", "behaviour", "tuning", "ablation"}
"""Parts that may see a live model."""

LIVE_ROOMS = {"viewing/lenses", "viewing/predictions"}
"""Rooms of other parts that may: a layer is read by the model's own head."""

APART = {"tuning": {"probing"}, "behaviour": {"probing"}}
"""Parts that meet on disk alone: what tunes or judges behaviour reads reports, and never probes."""

WITHOUT = {part: {"torch", "transformers"} for part in ORDER if part not in (*LIVE, "features", "probing", "viewing")}
"""What importing a module of a part must not import."""
for _part in ORDER[: ORDER.index("cache")]:
    WITHOUT[_part] |= {"pandas", "matplotlib"}

NEVER = {"pickle", "cPickle", "dill", "joblib", "yaml", "shelve", "marshal"}
"""Modules through which data could run code."""

MOST_LINES = 320
MOST_LINES_OF_A_FUNCTION = 80
MOST_PARAMETERS = 8
ENTRANCES = {
    ("probekit/ablation/run.py", "ablate"),
    ("probekit/ablation/attention/run.py", "ablate_attention"),
    ("probekit/ablation/concept/run.py", "ablate_concept"),
    ("probekit/ablation/inputs/labelled.py", "ablate_label_inputs"),
    ("probekit/ablation/inputs/labelled.py", "ablate_run_inputs"),
    ("probekit/ablation/inputs/run.py", "ablate_inputs"),
    ("probekit/ablation/interchange/run.py", "interchange"),
    ("probekit/ablation/steering/run.py", "steer"),
    ("probekit/ablation/weights/run.py", "ablate_weights"),
    ("probekit/attention/alignment/run.py", "align"),
    ("probekit/attention/run.py", "attend"),
    ("probekit/extraction/run.py", "extract"),
    ("probekit/extraction/request.py", "build"),
    ("probekit/behaviour/classifying.py", "classify"),
    ("probekit/behaviour/generating/run.py", "generate"),
    ("probekit/behaviour/run.py", "behave"),
    ("probekit/behaviour/run.py", "perplexity_of"),
    ("probekit/probing/run.py", "probe"),
    ("probekit/probing/transfer/run.py", "transfer"),
    ("probekit/tuning/data/materials.py", "gather"),
    ("probekit/tuning/tune.py", "tune"),
    ("probekit/viewing/attention/relation_run.py", "view_attention_relations"),
    ("probekit/viewing/maps/run.py", "project"),
    ("probekit/viewing/neurons/run.py", "view_neurons"),
    ("probekit/viewing/similarity/run.py", "view_similarity"),
    # scikit-learn's contract wants every setting of an estimator flat in its constructor.
    ("probekit/probing/estimators/mlp.py", "__init__"),
}
"""The public entry points, and what builds their frozen specs, may take more. So may the verbs of cli."""

PUBLIC = {
    "save_estimator",
    "fit_layer",
    "load_estimator",
    "from_frame",
    "item_frame",
    "predict_proba",
    # Of a notebook, which shows what stands at the end of a cell.
    "_repr_html_",
    # Of a trainer of transformers, which calls the events.
    "ScheduleCallback",
    "depth_optimizer",
    "CloseCallback",
    "DistillCallback",
    "on_pre_optimizer_step",
    "on_train_begin",
    "on_step_begin",
    "on_train_end",
}
"""What only users call, beside the names in ``__all__``."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def sources() -> list[Path]:
    catalogue = [] if (PACKAGE / "probes").is_dir() else sorted((ROOT / "probes").glob("*.py"))
    return modules() + catalogue


def part_of(path: Path) -> str:
    """Return the part of the package a file belongs to, the name right below it; empty where it has none."""
    if not path.is_relative_to(PACKAGE):
        return ""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first in ("__init__", "__main__", "probes") else first


def names_of_modules() -> list[str]:
    found = []
    for path in modules():
        if part_of(path):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def at(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Yield every import statement with each dotted name it names; the catalogue's relative ones left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node, node.module or ""
            if node.module == "probekit":
                yield from ((node, f"probekit.{alias.name}") for alias in node.names)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def on_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported: no bodies of functions, no type hints."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_type_checking(node):
            continue
        if isinstance(node, ast.stmt):
            yield node
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt | ast.ExceptHandler)]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# The one-way order.


def test_every_part_has_its_place() -> None:
    assert {part_of(path) for path in modules()} - {""} <= set(ORDER)


def test_a_module_imports_only_what_stands_before_it() -> None:
    wrong = []
    for path in modules():
        if part := part_of(path):
            allowed = {*ORDER[: ORDER.index(part) + 1], "__version__"} - APART.get(part, set())
            for node, name in imports(tree_of(path)):
                if name.startswith("probekit.") and name.split(".")[1] not in allowed:
                    wrong.append(f"{at(path, node)} imports {name}")
    assert wrong == []


def test_imports_go_in_no_circle_not_even_when_called() -> None:
    names = set(names_of_modules())
    imported: dict[str, set[str]] = {}
    for path in modules():
        if part_of(path):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            imported[name] = set(wanted(tree_of(path), names)) - {name}
    TopologicalSorter(imported).prepare()  # a CycleError names the circle
    rooms: dict[str, set[str]] = {}
    for name, others in imported.items():
        for other in others:
            # Rooms beside each other; what stands in a part itself may serve its rooms and use them.
            here, there = (".".join(module.split(".")[:3]) for module in (name, other))
            if here != there and all((ROOT / room.replace(".", "/")).is_dir() for room in (here, there)):
                rooms.setdefault(here, set()).add(there)
    TopologicalSorter(rooms).prepare()


def wanted(tree: ast.Module, names: set[str]) -> Iterator[str]:
    """Yield the modules that a module imports anywhere but in type hints."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in names or node.module in names:
                    yield full if full in names else str(node.module)
        waiting.extend(ast.iter_child_nodes(node))


def test_inside_the_package_imports_are_absolute() -> None:
    relative = [
        at(path, node)
        for path in modules()
        if part_of(path)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_only_the_model_side_sees_a_model() -> None:
    wrong = []
    for path in modules():
        part = part_of(path)
        if part in (*LIVE, "cli"):  # the doctor of cli reports versions
            continue
        if str(path.parent.relative_to(PACKAGE)) in LIVE_ROOMS:
            continue
        # Solvers may use torch's matrix products, and devices are torch's; a model is what they may not see.
        barred = (
            {"transformers", "tokenizers"}
            if part in ("devices", "probing")
            else {"transformers", "tokenizers", "torch"}
        )
        for node, name in imports(tree_of(path)):
            if name.split(".")[0] in barred:
                wrong.append(f"{at(path, node)} imports {name}")
    assert wrong == []


def test_importing_a_light_module_stays_light() -> None:
    wrong = []
    for path in modules():
        barred = WITHOUT.get(part_of(path), set())
        for statement in on_import(tree_of(path)):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for node, name in imports(ast.Module([statement], [])):
                    if name.split(".")[0] in barred:
                        wrong.append(f"{at(path, node)} imports {name} at once")
    assert wrong == []


@pytest.mark.parametrize("part", sorted(WITHOUT))
def test_a_light_part_is_light_in_a_fresh_process(part: str) -> None:
    mine = [name for name in names_of_modules() if name.split(".")[1] == part]
    assert mine
    loaded = fresh(f"import sys, {', '.join(mine)}; print(*sys.modules)")
    assert not WITHOUT[part] & {name.split(".")[0] for name in loaded.split()}


@pytest.mark.parametrize("code", ["import probekit", "from probekit.cli import main; main(['--help'])"])
def test_help_imports_no_heavy_library(code: str) -> None:
    script = f"import sys, atexit\natexit.register(lambda: print('\\nLOADED', *sys.modules))\n{code}"
    loaded = fresh(script).rpartition("LOADED")[2].split()
    assert "probekit" in loaded
    assert not {"torch", "transformers", "pandas", "matplotlib", "sklearn", "scipy"} & set(loaded)


def fresh(script: str) -> str:
    """Run a script in a process of its own and return what it printed."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_verbs_stay_functions_when_every_submodule_is_imported() -> None:
    for name in names_of_modules():
        importlib.import_module(name)
    assert inspect.isfunction(probekit.extract)
    assert inspect.isfunction(probekit.probe)
    for name in probekit.__all__:
        assert not inspect.ismodule(getattr(probekit, name)), name


# The house rules.


def test_files_are_short_and_say_what_they_are() -> None:
    wrong = []
    for path in sources():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            wrong.append(f"{at(path, tree_of(path))} has {lines} lines")
        if tree_of(path).body and not ast.get_docstring(tree_of(path)):
            wrong.append(f"{at(path, tree_of(path))} has no docstring")
    assert wrong == []


def test_nothing_is_left_to_do() -> None:
    words = ("TODO", "FIXME", "XXX", "raise NotImplementedError")
    assert [(path.name, word) for path in sources() for word in words if word in path.read_text(encoding="utf-8")] == []


def test_nothing_stands_unused() -> None:
    used = {name for path in sources() for name in names_used(tree_of(path))}
    wrong = [
        f"{at(path, node)} {name}"
        for path in sources()
        for node, name in names_defined(tree_of(path))
        if name not in used | PUBLIC and not name.startswith("__")
    ]
    assert wrong == []


def names_used(tree: ast.Module) -> Iterator[str]:
    """Yield every name that is read, called, or given as a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def names_defined(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield functions, methods, classes and constants; what is registered as a command is left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            decorators = " ".join(map(ast.unparse, node.decorator_list))
            if ".command(" not in decorators and ".callback(" not in decorators:
                yield node, node.name
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            yield from ((node, name) for name in named)


def test_functions_are_short_and_take_little() -> None:
    wrong = []
    for path in sources():
        for node in functions(tree_of(path)):
            where = f"{at(path, node)} {node.name}"
            arguments = node.args
            names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            count = len(set(names) - {"self", "cls"})
            # What another library calls with whatever it has takes `**_`, which nothing can be passed on from.
            if arguments.kwarg is not None and arguments.kwarg.arg != "_":
                wrong.append(f"{where} passes **{arguments.kwarg.arg} on")
            if part_of(path) == "cli" or (str(path.relative_to(ROOT)), node.name) in ENTRANCES:
                continue
            if count > MOST_PARAMETERS:
                wrong.append(f"{where} takes {count} parameters")
            if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION:
                wrong.append(f"{where} has {lines} lines")
    assert wrong == []


def test_data_is_never_code() -> None:
    wrong = []
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                wrong += [f"{at(path, node)} {name}" for name in names if name.split(".")[0] in NEVER]
            if isinstance(node, ast.Call):
                if (called := ast.unparse(node.func)) in ("eval", "exec", "compile", "torch.load"):
                    wrong.append(f"{at(path, node)} {called}")
                wrong += [
                    f"{at(path, node)} {keyword.arg}"
                    for keyword in node.keywords
                    if keyword.arg in ("allow_pickle", "trust_remote_code") and ast.unparse(keyword.value) != "False"
                ]
    assert wrong == []


def test_no_error_is_swallowed_and_nothing_printed() -> None:
    wrong = []
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                silent = all(isinstance(statement, ast.Pass) for statement in node.body)
                if node.type is None or (silent and ast.unparse(node.type) in ("Exception", "BaseException")):
                    wrong.append(f"{at(path, node)} swallows errors")
            if isinstance(node, ast.Call) and part_of(path) != "cli" and ast.unparse(node.func) == "print":
                wrong.append(f"{at(path, node)} prints")
    assert wrong == []


def test_no_ladder_over_architectures() -> None:
    wrong = []
    for path in sources():
        for function in functions(tree_of(path)):
            asked = [
                ast.unparse(node.args[1])
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and len(node.args) == 2
            ]
            if sum(name.endswith(("Model", "Config", "ForCausalLM", "ForMaskedLM")) for name in asked) > 1:
                wrong.append(f"{at(path, function)} {function.name}")
    assert wrong == []


def test_annotations_are_not_evaluated() -> None:
    wrong = []
    for path in sources():
        body = tree_of(path).body
        defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body)
        if defines and not any(ast.unparse(node) == "from __future__ import annotations" for node in body):
            wrong.append(at(path, tree_of(path)))
    assert wrong == []


def test_files_of_tests_have_names_of_their_own() -> None:
    """Pytest takes two files of one name in folders without ``__init__.py`` for one, and leaves the second out."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
