"""Training in the reader's page, with no kernel: a small engine in C and JavaScript, and what it is told.

kernels.c    what layers compute, forward and backward; `make trainer` compiles it into kernels.js
engine.js    builds a network from its description and trains it
worker.js    runs it off the page's main thread
describe.py  describes a PyTorch network to it
"""

from .describe import describe, described

__all__ = ["describe", "described"]
