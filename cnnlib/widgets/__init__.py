"""The book's widgets: one Python class and one ES module each; `base.py` says how they live."""

from .base import BookWidget
from .size_rule import SizeRule

WIDGETS = [SizeRule]

__all__ = ["BookWidget", "WIDGETS", *(widget.__name__ for widget in WIDGETS)]
