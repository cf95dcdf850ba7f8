#!/usr/bin/env python3
"""Times Machete's kernels beside cuBLAS (through PyTorch) on a Hopper GPU.

    bench.py --library libmachete_bench.so --csv times.csv

Several libraries, such as two versions of a kernel, are timed against each other in one run.

Method: CUDA graphs of many launches; weights rotated through more than 200 MB, so that each launch
reads them from memory and not from the 50 MB L2; random data, since zeros draw less power and run
faster; providers in random order, the median over rounds; from M = 128 on a pause before each
burst, so that none inherits another's throttling. Every timed output is compared with a float32
product first. Copy bandwidth and the rate of a large cuBLAS product are measured in the same run.

Needs PyTorch and nothing else; no Bazel.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import itertools
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch

T = TypeVar("T")

LLAMA_LAYERS = (
    "6144x4096,4096x4096,28672x4096,4096x14336,10240x8192,8192x8192,57344x8192,8192x28672"
)
TOKENS = "1,16,32,64,128,256,512,1024,2048,4096"
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}
TOLERANCES = {"bf16": 3e-3, "f16": 4e-4}
BITS = {"u4b8": 4, "u8b128": 8}
ROTATE_BYTES = 200e6
COLUMNS = ("n", "k", "m", "a", "b", "group", "provider", "default")
COLUMNS += ("schedule", "us", "us_min", "rounds", "error")


class Library:
    """The C functions of c_api.cc; failures become exceptions with the library's words."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem.removeprefix("lib")
        self._functions = ctypes.CDLL(str(path.resolve()))
        pointer, size, text = ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p
        for name, result, arguments in (
            ("schedules", ctypes.c_int, (text, text, ctypes.POINTER(text), ctypes.c_int)),
            ("open", text, (text, text, size, size, size, text, ctypes.POINTER(pointer))),
            ("packed_size", size, (pointer,)),
            ("workspace_size", size, (pointer, size)),
            ("schedule", text, (pointer, size)),
            ("prepack", text, (pointer,) * 5),
            ("run", text, (pointer,) * 4 + (size, pointer, size, pointer)),
        ):
            function = getattr(self._functions, f"machete_{name}")
            function.restype = result
            function.argtypes = arguments

    def call(self, name: str, *arguments: object) -> object:
        """Calls machete_NAME."""
        return getattr(self._functions, f"machete_{name}")(*arguments)

    def do(self, name: str, *arguments: object) -> None:
        """Calls machete_NAME and raises what it complains of."""
        message = self.call(name, *arguments)
        if message is not None:
            raise RuntimeError(f"{name}: {message.decode()}")

    def schedules(self, a: str, b: str) -> list[str]:
        """All schedules for activations and weights of these types."""
        names = (ctypes.c_char_p * 64)()
        count = self.call("schedules", a.encode(), b.encode(), names, 64)
        return [name.decode() for name in names[:count]]


class Weights:
    """Random weights of one layer, as a checkpoint holds them."""

    def __init__(self, n: int, k: int, a: str, b: str, group: int) -> None:
        self.n, self.k, self.a, self.b, self.group = n, k, a, b, group
        self.group_size = k if group < 0 else group
        self.bits = BITS[b]
        row_bytes = k * self.bits // 8
        self.codes = torch.randint(0, 256, (n, row_bytes), dtype=torch.uint8, device="cuda")
        scales = (torch.rand(k // self.group_size, n, device="cuda") + 0.5) * 0.01
        self.scales = scales.to(DTYPES[a])

    def dequantised(self) -> torch.Tensor:
        """The weights in float32, n x k."""
        codes = self.codes
        if self.bits == 4:
            codes = torch.stack((codes & 15, codes >> 4), dim=-1).view(self.n, self.k)
        weights = codes.float() - (1 << self.bits - 1)
        groups = weights.view(self.n, -1, self.group_size)
        groups *= self.scales.t().float().unsqueeze(-1)
        return weights


class Layer:
    """The weights, packed by one library, in enough copies to miss the L2."""

    def __init__(self, library: Library, weights: Weights) -> None:
        self.api = library
        self.weights = weights
        self.plans: dict[str, ctypes.c_void_p] = {}
        packed = torch.empty(
            int(library.call("packed_size", self.plan(""))), dtype=torch.uint8, device="cuda"
        )
        library.do(
            "prepack",
            self.plan(""),
            weights.codes.data_ptr(),
            weights.scales.data_ptr(),
            packed.data_ptr(),
            torch.cuda.current_stream().cuda_stream,
        )
        copies = max(2, math.ceil(ROTATE_BYTES / packed.numel()))
        self.packed = [packed] + [packed.clone() for _ in range(copies - 1)]

    def plan(self, schedule: str) -> ctypes.c_void_p:
        """The plan for a schedule; "" is the heuristic."""
        if schedule not in self.plans:
            handle = ctypes.c_void_p()
            self.api.do(
                "open",
                self.weights.a.encode(),
                self.weights.b.encode(),
                self.weights.n,
                self.weights.k,
                self.weights.group_size,
                schedule.encode() or None,
                ctypes.byref(handle),
            )
            self.plans[schedule] = handle
        return self.plans[schedule]

    def runner(self, schedule: str, a: torch.Tensor, out: torch.Tensor) -> Callable[[int], None]:
        """A function that launches the product with the i-th copy of the weights."""
        plan, m = self.plan(schedule), a.shape[0]
        workspace = torch.zeros(
            int(self.api.call("workspace_size", plan, m)), dtype=torch.uint8, device="cuda"
        )

        def run(i: int) -> None:
            self.api.do(
                "run",
                plan,
                a.data_ptr(),
                self.packed[i % len(self.packed)].data_ptr(),
                out.data_ptr(),
                m,
                workspace.data_ptr(),
                workspace.numel(),
                torch.cuda.current_stream().cuda_stream,
            )

        return run


def graph_of(run: Callable[[int], None], launches: int) -> torch.cuda.CUDAGraph:
    """A graph of several launches."""
    run(0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(launches):
            run(i)
    return graph


def time_graphs(
    graphs: dict[T, torch.cuda.CUDAGraph], launches: int, rounds: int, pause: int
) -> dict[T, list[float]]:
    """Microseconds a launch, for each round after a first one that only warms up."""
    times: dict[T, list[float]] = {name: [] for name in graphs}
    for index in range(rounds + 1):
        for name in random.sample(list(graphs), len(graphs)):
            torch.cuda._sleep(pause)
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            graphs[name].replay()
            end.record()
            torch.cuda.synchronize()
            if index:
                times[name].append(begin.elapsed_time(end) * 1e3 / launches)
    return times


def relative_error(out: torch.Tensor, reference: torch.Tensor) -> float:
    """||out - reference|| / ||reference||."""
    return ((out.float() - reference).norm() / reference.norm()).item()


def ceilings() -> dict[str, float]:
    """Copy bandwidth in TB/s (read + written) and an 8192^3 bf16 product in TFLOP/s."""
    source = torch.randn(1 << 28, device="cuda")
    target = torch.empty_like(source)
    x, y = (torch.randn(8192, 8192, device="cuda").bfloat16() for _ in range(2))
    z = torch.empty_like(x)
    graphs = {
        "copy": graph_of(lambda _: target.copy_(source), 4),
        "product": graph_of(lambda _: torch.mm(x, y, out=z), 4),
    }
    times = {
        name: statistics.median(us) for name, us in time_graphs(graphs, 4, 8, 15_000_000).items()
    }
    return {
        "copy_tb_s": 2 * source.numel() * 4 / times["copy"] / 1e6,
        "product_tflop_s": 2 * 8192**3 / times["product"] / 1e6,
    }


def bench_layer(
    weights: Weights,
    libraries: list[Library],
    tokens: Iterable[int],
    schedules: list[str],
    rounds: int,
    cublas: bool,
) -> Iterable[dict[str, object]]:
    """Times and checks one layer; yields rows."""
    layers = [Layer(library, weights) for library in libraries]
    dequantised = weights.dequantised()
    dtype = DTYPES[weights.a]
    dense: list[torch.Tensor] = []
    if cublas:
        first = dequantised.to(dtype)
        copies = max(2, math.ceil(ROTATE_BYTES / (first.numel() * 2)))
        dense = [first] + [first.clone() for _ in range(copies - 1)]
    for m in tokens:
        a = torch.randn(m, weights.k, device="cuda").to(dtype)
        reference = a.float() @ dequantised.t()
        out = torch.empty(m, weights.n, device="cuda", dtype=dtype)
        size = weights.n * weights.k
        estimate_us = 3 + max(2e-6 * m * size / 700, size * (weights.bits / 8 + 0.02) / 2.5e6)
        launches = max(4, min(60, int(3000 / estimate_us)))
        providers: dict[tuple[str, str], Callable[[int], None]] = {}
        if dense:
            providers["cublas", ""] = lambda i, a=a, out=out: torch.mm(
                a, dense[i % len(dense)].t(), out=out
            )
        for layer in layers:
            for schedule in schedules:
                providers[layer.api.name, schedule] = layer.runner(schedule, a, out)
        graphs, errors = {}, {}
        for name, run in providers.items():
            out.fill_(float("nan"))
            run(0)
            torch.cuda.synchronize()
            errors[name] = relative_error(out, reference)
            graphs[name] = graph_of(run, launches)
        chosen = {
            layer.api.name: layer.api.call("schedule", layer.plan(""), m).decode()
            for layer in layers
        }
        pause = 15_000_000 if m >= 1024 else 2_000_000 if m >= 128 else 200_000
        for (provider, schedule), us in time_graphs(graphs, launches, rounds, pause).items():
            yield {
                "n": weights.n,
                "k": weights.k,
                "m": m,
                "a": weights.a,
                "b": weights.b,
                "group": weights.group,
                "provider": provider,
                "default": int(provider in chosen and not schedule),
                "schedule": schedule or chosen.get(provider, ""),
                "us": round(statistics.median(us), 3),
                "us_min": round(min(us), 3),
                "rounds": len(us),
                "error": f"{errors[provider, schedule]:.2e}",
            }


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--library",
        dest="libraries",
        type=Path,
        required=True,
        nargs="+",
        help="libmachete_bench.so, or several",
    )
    parser.add_argument("--csv", type=Path, required=True, help="where the times go")
    parser.add_argument("--layers", default=LLAMA_LAYERS, help="NxK, separated by commas")
    parser.add_argument("--tokens", default=TOKENS, help="values of M, separated by commas")
    parser.add_argument("--a", default="bf16", help="activations: bf16, f16, separated by commas")
    parser.add_argument("--b", default="u4b8", help="weights: u4b8, u8b128, separated by commas")
    parser.add_argument("--groups", default="128", help="group sizes, -1 for K, with commas")
    parser.add_argument(
        "--schedules", default="", help='names with commas, "" for the heuristic, or "all"'
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-cublas", action="store_true", help="leave cuBLAS out")
    return parser.parse_args()


def main() -> int:
    """Runs the benchmark."""
    options = parse()
    torch.backends.cuda.matmul.allow_tf32 = False
    libraries = [Library(path) for path in options.libraries]
    started = time.time()
    machine = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, **ceilings()}
    print(json.dumps(machine), flush=True)
    bad = 0
    with options.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for layer_name in options.layers.split(","):
            n, k = map(int, layer_name.split("x"))
            for a, b in itertools.product(options.a.split(","), options.b.split(",")):
                schedules = options.schedules.split(",")
                if options.schedules == "all":
                    schedules = ["", *libraries[0].schedules(a, b)]
                for group in map(int, options.groups.split(",")):
                    weights = Weights(n, k, a, b, group)
                    rows = []
                    for row in bench_layer(
                        weights,
                        libraries,
                        map(int, options.tokens.split(",")),
                        schedules,
                        options.rounds,
                        not options.no_cublas,
                    ):
                        writer.writerow(row)
                        rows.append(row)
                        if not float(str(row["error"])) <= TOLERANCES[a]:
                            bad += 1
                            print("WRONG", row)
                    file.flush()
                    print_layer(weights, rows)
                    torch.cuda.empty_cache()
    print(f"{bad} wrong results; {time.time() - started:.0f} s")
    return 1 if bad else 0


def print_layer(weights: Weights, rows: list[dict[str, object]]) -> None:
    """One line for each M and library: the default, cuBLAS, and the fastest schedules."""
    print(f"{weights.n}x{weights.k} {weights.a} {weights.b} group {weights.group}")
    for m, provider in dict.fromkeys((row["m"], row["provider"]) for row in rows):
        if provider == "cublas":
            continue
        cell = [row for row in rows if row["m"] == m]
        mine = sorted((row for row in cell if row["provider"] == provider), key=lambda r: r["us"])
        text = f"  M {m:5} {provider}"
        for row in mine:
            if row["default"]:
                text += f" {row['us']:8.2f} us {row['schedule']}"
                for other in cell:
                    if other["provider"] == "cublas":
                        text += f"  {other['us'] / row['us']:.2f}x cuBLAS {other['us']:.2f}"
        named = [row for row in mine if not row["default"]]
        text += "".join(f" | {row['schedule']} {row['us']:.2f}" for row in named[:4])
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
