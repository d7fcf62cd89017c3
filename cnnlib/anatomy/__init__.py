"""What a network is made of: layers, shapes, parameters, multiply-accumulates, and what training must remember.

    >>> from cnnlib import create_model, summary
    >>> summary(create_model("resnet20"), (1, 3, 32, 32))

`watch.py` watches a network run without numbers, `receptive.py` knows how far units look, `report.py` writes the table,
`joints.py` finds where paths meet.
"""

from .report import Block, Row, Stage, Summary, kept_bytes, of, summary

__all__ = ["Block", "Row", "Stage", "Summary", "kept_bytes", "of", "summary"]
