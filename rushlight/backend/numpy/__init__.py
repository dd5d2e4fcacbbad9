"""The reference backend: every op's NumPy definition, run one after the other. Slow and plain; faster ones agree with it."""

from rushlight.backend.numpy.interpreter import compile_graph

__all__ = ["compile_graph"]
