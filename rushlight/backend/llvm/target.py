"""What the code generators need to know about a processor, in one table; chosen at run time."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from rushlight import config


@dataclass(frozen=True)
class Target:
    """Facts of one family of processors.

    lanes        float32 values in a vector register
    half         whether float16 is converted by instructions (else such ops run on the reference)
    tile         rows and vectors of the matrix-product tile that fills the registers without spilling
    needs        features that llvmlite must report for the host to be of this family
    features     LLVM's feature string for it
    attributes   function attributes beside it
    """

    name: str
    arch: str
    lanes: int
    half: bool
    tile: tuple[int, int]
    needs: tuple[str, ...]
    features: str
    attributes: str = ""

    def function_attributes(self, cpu: str) -> str:
        """The attribute group of every function."""
        return f'nounwind "target-cpu"="{cpu}" "target-features"="{self.features}" {self.attributes}'


_WIDE = '"prefer-vector-width"="512" "min-legal-vector-width"="512"'
_V4 = ("avx512f", "avx512vl", "avx512dq", "avx512bw", "avx2", "fma", "f16c")

# Best first.
TARGETS = (
    Target("avx512", "x86_64", 16, True, (14, 2), _V4, ",".join("+" + f for f in _V4), _WIDE),
    Target("avx2", "x86_64", 8, True, (6, 2), ("avx2", "fma", "f16c"), "+avx2,+fma,+f16c"),
    Target("sse", "x86_64", 4, False, (6, 2), ("sse2",), "+sse2"),
    Target("neon", "aarch64", 4, True, (8, 3), ("neon",), "+neon"),
)


def by_name(name: str) -> Target:
    """The target with this name."""
    for target in TARGETS:
        if target.name == name:
            return target
    raise ValueError(f"RUSHLIGHT_TARGET: got {name!r}; expected one of {', '.join(t.name for t in TARGETS)}.")


@functools.cache
def host_cpu() -> str:
    """LLVM's name of this processor."""
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name()


@functools.cache
def _host() -> Target:
    import platform

    import llvmlite.binding as llvm

    arch = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    features = llvm.get_host_cpu_features()
    for target in TARGETS:
        if target.arch == arch and all(features.get(feature, arch == "aarch64") for feature in target.needs):
            return target
    raise RuntimeError(
        f"no target facts for this processor ({arch}). Fix: RUSHLIGHT_BACKEND=numpy runs everything on NumPy."
    )


def current() -> Target:
    """The target to generate code for: the best that this processor is, or the one that `config.target` names."""
    return by_name(config.target) if config.target else _host()
