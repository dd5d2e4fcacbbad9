# Made by `make stubs` (tools/stubs.py).
# ruff: noqa
from rushlight.vision import datasets as datasets
from rushlight.vision import io as io
from rushlight.vision import models as models
from rushlight.vision import ops as ops
from rushlight.vision import transforms as transforms
from rushlight.vision import utils as utils

__all__: list[str]
