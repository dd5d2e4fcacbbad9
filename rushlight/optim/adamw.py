"""AdamW under its own module name; it is Adam with one flag."""

from rushlight.optim.adam import AdamW

__all__ = ["AdamW"]
