"""The tables of recordings in `data/README.md`: `python -m cnnlib record --tables` writes them from the files."""

from collections import Counter
from statistics import mean

from ..files import DATA, save_text
from . import runs
from .grids import GRIDS

BEGIN, END = "<!-- recordings: written by python -m cnnlib record --tables -->", "<!-- end of recordings -->"
ERRORS = "final test error, mean over seeds: best to worst case"


def errors(experiment, root=None):
    """Final test errors by one rule: best and worst case, each as the mean over the seeds of its runs; [] without."""
    means = sorted((mean(run.final["test_error"] for run in seeds), case)
                   for case, seeds in runs.by_case(experiment, root).items())
    return [f"{error:.1%} {name}" for error, name in dict.fromkeys(means[:1] + means[-1:])]


def by_seed(experiment, start="", root=None):
    """Text, a line a case: training error (mean of the seeds) and test error (of each seed), after the last epoch.

    Args:
        start: what the cases' names begin with; a tuple allows several beginnings.
    """
    lines = [f"{experiment:18} training  test, each seed"]
    for case, seeds in runs.by_case(experiment, root).items():
        if case.startswith(start):
            training = mean(run.final["train_error"] for run in seeds)
            tested = ", ".join(f"{run.final['test_error']:.1%}" for run in seeds)
            lines.append(f"  {case.removeprefix('resnet56-'):16}{training:9.1%}  {tested}")
    return "\n".join(lines)


def table(root=None):
    """Markdown: a row an experiment, with the best and the worst mean of its cases' final test errors."""
    lines = [f"| experiment | what | data | runs | seeds | recorded on | {ERRORS} |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for experiment, plan in GRIDS.items():
        recorded = runs.load(experiment, root)
        devices = Counter(f"{run.device} ({run.device_name})" for run in recorded)
        lines.append(" | ".join([
            f"| `{experiment}`", plan.about, recorded[0].data["variant"] if recorded else plan.data["name"],
            f"{len(recorded)} of {plan.seeds * len(plan.cases)}", str(len({run.seed for run in recorded})),
            ", ".join(devices) or "not yet", " to ".join(errors(experiment, root)) or "–",
        ]) + " |")
    return "\n".join(lines)


def expected(root=None):
    """Markdown: what was expected of a network, stated in its grid before it was recorded, beside what came out."""
    lines = ["| experiment | network | expected test error | recorded, each seed |", "| --- | --- | --- | --- |"]
    for experiment, plan in GRIDS.items():
        cases = runs.by_case(experiment, root)
        for case in sorted(cases.keys() & plan.target.keys()):
            came = ", ".join(f"{run.final['test_error']:.1%}" for run in cases[case])
            lines.append(f"| `{experiment}` | {case} | {plan.target[case]:.1%} | {came} |")
    return "\n".join(lines)


def replaced(text, root=None):
    """The text with the present tables between their two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(root)}\n\n{expected(root)}\n{END}{rest.partition(END)[2]}"


def write():
    """Write the tables of what is recorded now into `data/README.md`; returns its path.

    Raises:
        ValueError: the file has not the two marks between which the tables stand.
    """
    readme = DATA / "README.md"
    text = readme.read_text(encoding="utf-8")
    if END not in text.partition(BEGIN)[2]:
        raise ValueError(f"readme is {str(readme)!r}, allowed: a file with the lines {BEGIN} and {END}, in this order.")
    return save_text(readme, replaced(text))
