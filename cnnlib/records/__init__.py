"""Recorded runs: what gets recorded (`grids.py`), how (`recording.py`), the files (`runs.py`) and tables of them."""

from .runs import Run, by_case, experiments, find, load, read

__all__ = ["Run", "by_case", "experiments", "find", "load", "read"]
