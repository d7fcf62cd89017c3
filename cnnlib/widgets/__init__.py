"""The book's widgets: one Python class and one ES module each, `base.py` says how they live; and `explore`, which
makes a widget of a function."""

from .base import BookWidget
from .draw_digit import DrawDigit
from .explore import chart, explore, number, picture, table
from .explorer import Explorer
from .lesion_bench import LesionBench
from .path_lab import PathLab
from .recorded_curves import RecordedCurves
from .size_rule import SizeRule

WIDGETS = [DrawDigit, Explorer, LesionBench, PathLab, RecordedCurves, SizeRule]

__all__ = ["BookWidget", "WIDGETS", *(widget.__name__ for widget in WIDGETS), "chart", "explore", "number", "picture",
           "table"]
