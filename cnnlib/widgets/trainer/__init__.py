"""Training in the reader's page, with no kernel: a small engine in C and JavaScript, and what it is told.

kernels.c    what layers compute, forward and backward; `make trainer` compiles it into kernels.js
engine.js    builds a network from its description, and takes a step; run.js trains epochs
pictures.js  the digits, as the page brings them
worker.js    one training, off the page's main thread; page.js starts it, ../train_here.js shows it
describe.py  describes a PyTorch network to the engine; plan.py packs the descriptions of a widget's networks
"""

from .describe import describe, described
from .plan import page_plan

__all__ = ["describe", "described", "page_plan"]
