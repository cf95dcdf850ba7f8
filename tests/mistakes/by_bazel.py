"""Mistakes that Bazel itself refuses, or the stand-in for rules_cuda.

table.py writes them down; by_bazel_test.py makes them.
"""

from typing import NamedTuple


class Mistake(NamedTuple):
    """A mistake, when it is found, and what is said."""

    name: str
    found_at: str
    message: str


OLD_BAZEL = Mistake(
    "a Bazel before 7.4",
    "start",
    'Bazel version 7.3.2 is not compatible with module "machete@_"'
    " (bazel_compatibility: [>=7.4.0])",
)
ARCHITECTURE = Mistake(
    "an architecture: the kernels are for sm_90a alone",
    "loading",
    "//kernels:kernels: no such attribute 'archs' in '_kernels' rule",
)
NO_TOOLKIT = Mistake(
    "no CUDA toolkit",
    "analysis",
    "no CUDA toolkit: CUDA_PATH is not set, no toolkit's nvcc is on PATH, none is in"
    " /usr/local/cuda; targets that need it are skipped",
)
WRONG_TOOLKIT = Mistake(
    "a folder without a CUDA toolkit",
    "analysis",
    'CUDA_PATH is "/nowhere", which has no bin/nvcc and include/cuda_runtime.h',
)

MISTAKES = (OLD_BAZEL, ARCHITECTURE, NO_TOOLKIT, WRONG_TOOLKIT)
