"""What a call costs on the host, from each of Python's ways to the library.

    python3 tools/bench/python_cost.py libmachete_bench.so

Prints microseconds a call of a small product, for the C++ API, for ctypes, and for the package
`machete`, which must be importable; the median over batches between two synchronisations, which are
not timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import machete.torch
import torch

import machete
from providers import HOST_COST_BATCHES, HOST_COST_RUNS, KernelLibrary, Layer, Weights, host_cost

N, K, M, GROUP_SIZE = 256, 512, 16, 128


def median_us(call: Callable[[], object]) -> float:
    """Microseconds that a call takes until it returns."""
    batches = []
    for _ in range(HOST_COST_BATCHES + 1):
        torch.cuda.synchronize()
        begin = time.perf_counter_ns()
        for _ in range(HOST_COST_RUNS):
            call()
        batches.append((time.perf_counter_ns() - begin) / HOST_COST_RUNS)
    return statistics.median(batches[1:]) / 1000


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path, help="libmachete_bench.so")
    library = KernelLibrary(parser.parse_args().path)
    for name, nanoseconds in host_cost(library, "bf16", "u4b8", False).items():
        print(f"{name.removesuffix('_ns'):30}{nanoseconds / 1000:8.2f} us")

    desc = machete.ProblemDesc(a="bf16", b="u4b8", n=N, k=K, group_size=GROUP_SIZE)
    packed = Layer(library, Weights(N, K, "bf16", "u4b8", GROUP_SIZE)).packed[0]
    a = torch.zeros(M, K, dtype=torch.bfloat16, device="cuda")
    out = torch.empty(M, N, dtype=torch.bfloat16, device="cuda")
    linear = machete.torch.Linear(desc, packed)
    weight = torch.zeros(N, K, dtype=torch.bfloat16, device="cuda")
    operator = torch.ops.machete.mm.default
    calls: dict[str, Callable[[], object]] = {
        "machete.mm, out given": lambda: machete.mm(desc, a, packed, out=out),
        "machete.mm": lambda: machete.mm(desc, a, packed),
        "torch.ops.machete.mm": lambda: torch.ops.machete.mm(a, packed, desc.text),
        "torch.ops.machete.mm.default": lambda: operator(a, packed, desc.text),
        "machete.torch.mm": lambda: machete.torch.mm(desc, a, packed),
        "machete.torch.Linear": lambda: linear(a),
        "torch.empty": lambda: torch.empty((M, N), dtype=torch.bfloat16, device="cuda"),
        "torch.nn.functional.linear": lambda: torch.nn.functional.linear(a, weight),
    }
    for name, call in calls.items():
        print(f"{name:30}{median_us(call):8.2f} us")
    with torch.inference_mode():
        for name in ("torch.ops.machete.mm.default", "machete.torch.Linear"):
            print(f"{name + ', inference':30}{median_us(calls[name]):8.2f} us")


if __name__ == "__main__":
    main()
