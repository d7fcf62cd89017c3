"""The book's widgets: one Python class and one ES module each, `base.py` says how they live; `explore`, which
makes a widget of a function; and `Predict`, which asks before it shows."""

from .base import BookWidget
from .block_gallery import BlockGallery
from .draw_digit import DrawDigit
from .explore import chart, explore, number, picture, table
from .explorer import Explorer
from .kernel_lab import KernelLab
from .learning import Learning
from .lesion_bench import LesionBench
from .path_lab import PathLab
from .predict import Predict
from .recorded_curves import RecordedCurves
from .size_rule import SizeRule

WIDGETS = [BlockGallery, DrawDigit, Explorer, KernelLab, Learning, LesionBench, PathLab, RecordedCurves, SizeRule]

__all__ = ["BookWidget", "Predict", "WIDGETS", *(widget.__name__ for widget in WIDGETS), "chart", "explore", "number",
           "picture", "table"]
