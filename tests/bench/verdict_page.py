"""The page of what `bench_verify.py` came to: for each part a table of tasks, how profiles rank depths, the target.

Enters: the lines of runs, and the facts of the model. Leaves: Markdown and figures. A seed whose plan or cells were not
all run does not count, and is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from probekit.tuning.facts import ModelFacts
from probekit.tuning.verdict.gap import Gap
from probekit.tuning.verdict.grid import ASIDE, DEVELOPMENT, SOME, Cell, Line, grid
from probekit.tuning.verdict.verify import RIVALS, Verdict

MARGIN = 0.005
"""How much better than last-k and the constant the plans are meant to be, and how much better full tuning may be."""
SHARE = 0.6
"""Of the seconds of full tuning, at most."""
MISLED = 0.01
"""A regret above this is a task where the report misled."""
TITLES = {ASIDE: "Tasks set aside", DEVELOPMENT: "Development tasks"}
SAID = {
    ASIDE: "Nothing was chosen on these tasks: they judge the rules that make plans.",
    DEVELOPMENT: "The rules were made on these tasks, so their figures are too good, and judge nothing.",
}
NOT_RUN = "-"
SIZES = (300, 1500, 6000)
"""Training examples that the protocol draws; of some tasks fewer have targets, or there are fewer."""
PROTOCOL = (
    "Finished are {} of {} tasks. The protocol wants three seeds of each with 1,500 training examples, and 300 and "
    "6,000 on four; with fewer, a difference of some points may be chance."
)
TRAINED = {"nothing": 0, f"{SOME} blocks": SOME, "all kept blocks": None}


def write_page(path: Path, lines: Sequence[Line], facts: ModelFacts, planned: Mapping[str, int]) -> list[Path]:
    """Write the page, and beside it a figure of each part; return what was written."""
    written = [path]
    parts = []
    # A seed of development that is not finished would leave few cells to choose the constant from.
    complete, dropped = lines, {}
    for part in (ASIDE, DEVELOPMENT):
        complete, dropped[part] = whole(complete, part, facts)
    for part in (ASIDE, DEVELOPMENT):
        verdicts = verdicts_of(complete, part, facts)
        figures: dict[int, list[str]] = {}
        for n, verdict in verdicts.items():
            own = [verdict.save_plot(path.with_name(f"{path.stem}-{part}-{n}.svg"))]
            if verdict.curves("probe", None):
                own.append(verdict.save_plot(path.with_name(f"{path.stem}-{part}-{n}-depths.svg"), profile="probe"))
            written += own
            figures[n] = [figure.name for figure in own]
        parts.append("\n\n".join(section(part, verdicts, figures, dropped[part], planned[part])))
    path.write_text("\n\n".join([head(lines, facts, path), *parts]) + "\n", encoding="utf-8")
    return written


def head(lines: Sequence[Line], facts: ModelFacts, path: Path) -> str:
    """Say what was run."""
    seconds = sum(line.seconds for line in lines)
    return (
        "# Was the plan right?\n\n"
        "For each task, number of training examples and seed, training examples are drawn, a report is made of them, "
        "and a plan of the report. The plan is run, and so are, from the same model and data: every depth with nothing "
        f"trained, with {SOME} blocks and with all blocks up to it trained (the cells, from which the best is taken as "
        "the oracle), and rivals that read no report: the last blocks, as many as the plan trains; as many at random "
        "(three draws); as many at even steps; the whole model; and the constant, the one cell that is best on the "
        "development tasks. The oracle of a seed and the constant are chosen on dev scores, the oracle on those of the "
        "other seeds; what is compared is test scores.\n\n"
        f"The model is {facts.name}. There are {len(lines):,} runs, {seconds / 3600:.1f} hours of training. The lines "
        f"are in `docs/data/verify.jsonl`; `python tests/bench/bench_verify.py docs/data/verify.jsonl --write "
        f"docs/{path.name}` makes this page of them."
    )


def whole(lines: Sequence[Line], part: str, facts: ModelFacts) -> tuple[list[Line], list[str]]:
    """Return the lines without those of seeds of a part that lack a plan or a cell, and these seeds in words."""
    cells = set(grid(facts.n_layers))
    seen: dict[tuple[str, int, int], set[Cell | None]] = {}
    for line in lines:
        if line.part == part:
            seen.setdefault((line.task, line.n, line.seed), set()).add(None if line.planned else line.cell)
    lacking = {case for case, its in seen.items() if not its >= {None, *cells}}
    kept = [line for line in lines if line.part != part or (line.task, line.n, line.seed) not in lacking]
    return kept, [f"{task} ({n:,}, seed {seed})" for task, n, seed in sorted(lacking)]


def verdicts_of(lines: Sequence[Line], part: str, facts: ModelFacts) -> dict[int, Verdict]:
    """Return one verdict a number of training examples that was drawn, that of most tasks first."""
    found = Counter(drawn(n) for _, n in {(line.task, line.n) for line in lines if line.part == part})
    verdicts = {}
    for n, _ in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])):
        # The constant is chosen on development tasks of every size.
        own = [line for line in lines if line.part == part and drawn(line.n) == n]
        constant = [line for line in lines if line.part == DEVELOPMENT and not line.planned]
        verdicts[n] = Verdict([*constant, *own] if part == ASIDE else own, facts, part)
    return verdicts


def drawn(n: int) -> int:
    """Return how many training examples were drawn where ``n`` were left to train on."""
    return min((size for size in SIZES if size >= n), default=n)


def section(
    part: str, verdicts: dict[int, Verdict], figures: dict[int, list[str]], dropped: Sequence[str], planned: int
) -> Iterator[str]:
    """Yield the paragraphs of a part."""
    yield f"## {TITLES[part]}"
    finished = {task for verdict in verdicts.values() for task in verdict.tasks}
    yield f"{SAID[part]} {PROTOCOL.format(len(finished), planned)}"
    if dropped:
        yield f"Not finished, and not counted: {', '.join(dropped)}."
    if not verdicts:
        yield "None has been run."
    for number, (n, verdict) in enumerate(verdicts.items()):
        gaps_figure, *depths_figure = figures[n]
        yield f"### {n:,} training examples, {_seeds(verdict)}"
        if fewer := {task: verdict.plans(task)[0].n for task in verdict.tasks if verdict.plans(task)[0].n < n}:
            said = ", ".join(f"{task} ({own:,})" for task, own in fewer.items())
            yield f"Fewer where no more of those drawn have targets, or there are no more: {said}."
        yield f"![The plan's test score less that of each rival, by task]({gaps_figure})"
        yield table(verdict)
        yield legend(verdict)
        if part == ASIDE and number == 0:
            yield target(verdict)
        yield misled(verdict)
        yield ranks(verdict)
        for figure in depths_figure:
            yield f"![What the probe says of each depth beside what tuning everything up to it gave]({figure})"


def table(verdict: Verdict) -> str:
    """Return a row a task, then all, in points."""
    heads = ["task", "metric", "runs", "plan", "test", "oracle", *(f"- {name}" for name in RIVALS), "regret", "seconds"]
    rows = []
    for task in verdict.tasks:
        plans = verdict.plans(task)
        score = float(np.mean([plan.test for plan in plans]))
        cells = Counter(cell_of(plan.cell) for plan in plans)
        kinds = "; ".join(cell if count == len(plans) else f"{cell} (x{count})" for cell, count in cells.items())
        oracle = score + verdict.regret(task).value
        rows.append([
            task, plans[0].metric, str(len(plans)), kinds, f"{score:.3f}", f"{oracle:.3f}",
            *gaps(verdict, task),
        ])  # fmt: skip
    rows.append(["**all**", "", str(verdict.regret().runs), "", "", "", *gaps(verdict, None)])
    align = ["---", "---", "---:", "---", *["---:"] * (len(heads) - 4)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, align, *rows))


def gaps(verdict: Verdict, task: str | None) -> Iterator[str]:
    """Yield the plan's difference from each rival, the regret, and the share of seconds."""
    for name in RIVALS:
        gap = verdict.against(name, task)
        fewer = gap is not None and task is None and gap.tasks < len(verdict.tasks)
        yield NOT_RUN if gap is None else f"{gap} ({gap.tasks} tasks)" if fewer else str(gap)
    yield str(verdict.regret(task))
    share = verdict.seconds(task)
    yield NOT_RUN if share is None else f"{share:.0%}"


def legend(verdict: Verdict) -> str:
    """Return what the columns are."""
    constant = verdict.constant()
    chosen = "no constant was run" if constant is None else f"the constant is {cell_of(constant)}"
    return (
        "plan: blocks kept / depths trained (0: embeddings), with how many of the runs where they differ; test and "
        "oracle: means of test scores; then the plan's score less each rival's and the oracle's less the plan's, in "
        "points, with 95 % intervals (of a task over its seeds, which are few, so they are wide; of all over tasks); "
        f"seconds: of the plans, probing and extraction counted, as a share of those of full tuning; {NOT_RUN}: not "
        f"run (a plan that trains no block has no rivals at random or even steps); {chosen}.{_of_one(verdict)}"
    )


def _of_one(verdict: Verdict) -> str:
    """Say which tasks have an oracle that is chosen on the runs by which it is scored."""
    single = [task for task in verdict.tasks if len(verdict.plans(task)) < 2]
    if not single:
        return ""
    which = "every task" if len(single) == len(verdict.tasks) else ", ".join(single)
    return (
        f" Of {which} there is one seed: its oracle is chosen on the dev scores of the very runs that it is scored by, "
        "so the regret is too great by what is luck in the best of sixteen, and there is no interval."
    )


def _seeds(verdict: Verdict) -> str:
    """Say how many seeds the tasks have."""
    counts = sorted({len(verdict.plans(task)) for task in verdict.tasks})
    return f"{' or '.join(map(str, counts))} seed{'s' if counts[-1] > 1 else ''}"


def target(verdict: Verdict) -> str:
    """Say whether the plans are as good as they are meant to be."""
    said = [f"The target is {100 * MARGIN:g} points more than last-k and than the constant, with intervals without 0."]
    met = []
    for name in ("last", "constant"):
        gap = verdict.against(name)
        met.append(is_better(gap))
        said.append(f"Against {name}: {gap or 'not run'} ({_met(met[-1])}).")
    full, share = verdict.against("full"), verdict.seconds()
    if full is not None and share is not None:
        met.append(full.value >= -MARGIN and share <= SHARE)
        said.append(
            f"Full tuning is to be better by no more than {100 * MARGIN:g} points at no more than {SHARE:.0%} of its "
            f"seconds: the plans differ from it by {full}, at {share:.0%} ({_met(met[-1])})."
        )
    return " ".join([*said, "**The target is met.**" if all(met) and len(met) == 3 else "**The target is missed.**"])


def is_better(gap: Gap | None) -> bool:
    """Tell whether a difference is as large as it is meant to be, and not by chance."""
    return gap is not None and gap.value >= MARGIN and gap.low is not None and gap.low > 0


def misled(verdict: Verdict) -> str:
    """Name the tasks where the report misled."""
    found = []
    for task in verdict.tasks:
        regret = verdict.regret(task)
        if regret.value <= MISLED:
            continue
        plans = verdict.plans(task)
        planned = Counter(plan.cell for plan in plans).most_common(1)[0][0]
        best = Counter(verdict.oracle(task, plan.n, plan.seed) for plan in plans).most_common(1)[0][0]
        said = f"- **{task}**: {regret} points. The plan was {cell_of(planned)}, the best cell is {cell_of(best)}."
        if curve := verdict.curves("probe", None).get(f"{task} ({plans[0].n:,})"):
            probed = max(curve, key=lambda depth: curve[depth][0])
            tuned = max(curve, key=lambda depth: curve[depth][1])
            said += (
                f" The probe is best at layer {probed}; with everything trained, depth {tuned} is best on test, "
                f"{100 * (curve[tuned][1] - curve[probed][1]):.1f} points above depth {probed}."
            )
        found.append(said)
    if not found:
        return f"No task has a regret of more than {100 * MISLED:g} point."
    return "\n".join([f"Where the report misled (a regret of more than {100 * MISLED:g} point):", "", *found])


def ranks(verdict: Verdict) -> str:
    """Return how well each profile ranks depths."""
    heads = ["profile", *(f"{name} trained" for name in TRAINED)]
    rows = []
    for profile in verdict.profiles:
        cells = []
        for trained in TRAINED.values():
            found = [*verdict.ranks(profile, trained).values()]
            shown = f"{np.mean(found):.2f} ({min(found):.2f} to {max(found):.2f}, {len(found)} tasks)" if found else ""
            cells.append(shown)
        rows.append([profile, *cells])
    if not rows:
        return "The plans carry no profiles, so nothing can be said of how well they rank depths."
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
    said = (
        "Spearman's correlation over depths of each profile of the report with the test scores of tuning there: mean "
        "over tasks, least and greatest. probe: its dev scores; mix: weights of the learned mix; bits: of the online "
        "code, negated."
    )
    return "\n".join([*lines, "", said])


def cell_of(cell: Cell) -> str:
    """Write a cell: blocks kept / depths trained."""
    depths = sorted(cell.train)
    whole = len(depths) > 1 and depths == list(range(depths[0], depths[-1] + 1))
    return f"{cell.keep} / {f'{depths[0]}-{depths[-1]}' if whole else ','.join(map(str, depths)) or 'none'}"


def _met(met: bool) -> str:
    return "met" if met else "missed"
