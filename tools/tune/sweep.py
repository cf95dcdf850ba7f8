#!/usr/bin/env python3
"""Times every schedule of a family on many shapes: the table that fit.py works from.

    sweep.py --library libmachete_bench.so --csv times.csv

Measures as tools/bench does, and spends its time where it decides something: a schedule that is
several times slower than the fastest is launched once, one that is clearly slower is timed in one
round. Every schedule is checked against a float32 product once a layer.

The table has a row for each product and a column for each schedule, in microseconds. Lines with a
`#` in front tell what it was measured on.

Needs PyTorch and tools/bench; no Bazel.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import shapes
import torch

from providers import (
    DTYPES,
    FORMATS,
    KernelLibrary,
    Layer,
    Weights,
    out_dtype,
    random_activations,
)
from report import tolerance
from timing import graph_of, measure_ceilings, relative_error, time_graphs

HOPELESS = 2.5
"""Times slower than the fastest in one launch: not timed any further."""
SLOWER = 1.4
"""Times slower than the fastest in one round: not timed any further."""
CHECKED_TOKENS = 100
GRAPH_US = 3000
"""A graph should take this long; launches by themselves take a few microseconds."""
MOST_LAUNCHES = 128
"""Enough to rotate the smallest layer's weights through more than the L2."""

Runner = Callable[[int], None]


def check(layer: Layer, schedules: list[str]) -> int:
    """Compares every schedule with a float32 product; counts and names the wrong ones."""
    weights = layer.weights
    a = random_activations(weights.a, CHECKED_TOKENS, weights.k)
    reference = a.float() @ weights.dequantised().t()
    wrong = 0
    for schedule in schedules:
        out = torch.full_like(reference, float("nan"), dtype=out_dtype(weights.a))
        layer.runner(a, out, schedule, False)(0)
        error = relative_error(out, reference)
        if not error <= tolerance(weights.a, weights.k):
            wrong += 1
            print(f"WRONG {weights.n}x{weights.k} {schedule}: {error:.2e}", flush=True)
    return wrong


def single_launch(run: Runner) -> float:
    """Microseconds of one launch, the time until the host has launched it included.

    The least of three, since a single one may meet a hiccup of the host.
    """
    run(0)
    times = []
    for i in range(3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run(i)
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e3)
    return min(times)


def near(times: Mapping[str, float], factor: float) -> list[str]:
    """The schedules that are at most `factor` times slower than the fastest."""
    limit = factor * min(times.values())
    return [schedule for schedule, us in times.items() if us <= limit]


def time_product(layer: Layer, m: int, schedules: list[str], rounds: int) -> dict[str, float]:
    """Microseconds a launch of each schedule."""
    weights = layer.weights
    a = random_activations(weights.a, m, weights.k)
    out = torch.empty(m, weights.n, device="cuda", dtype=out_dtype(weights.a))
    runners = {schedule: layer.runner(a, out, schedule, False) for schedule in schedules}
    times = {schedule: single_launch(run) for schedule, run in runners.items()}
    # What looks hopeless may only have been interrupted.
    for schedule in times.keys() - set(near(times, HOPELESS)):
        times[schedule] = min(times[schedule], single_launch(runners[schedule]))

    launches = max(4, min(MOST_LAUNCHES, round(GRAPH_US / min(times.values()))))
    graphs = {name: graph_of(runners[name], launches) for name in near(times, HOPELESS)}
    pause = 15_000_000 if m >= 1024 else 2_000_000 if m >= 128 else 200_000
    first = time_graphs(graphs, launches, 1, pause)
    times |= {schedule: us[0] for schedule, us in first.items()}
    graphs = {name: graphs[name] for name in near(times, SLOWER)}
    more = time_graphs(graphs, launches, rounds, pause)
    times |= {schedule: statistics.median(us) for schedule, us in more.items()}
    return times


def machine() -> dict[str, str]:
    """What the times were taken on; called while the GPU is warm, so that its clocks tell."""
    fields = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit"
    query = subprocess.run(
        ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"],
        capture_output=True,
        check=True,
        text=True,
    )
    values = dict(zip(fields.split(","), query.stdout.splitlines()[0].split(", "), strict=True))
    return {"date": time.strftime("%Y-%m-%d", time.gmtime()), **values, "torch": torch.__version__}


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--library", dest="path", type=Path, required=True, help="libmachete_bench.so"
    )
    parser.add_argument("--csv", type=Path, required=True, help="where the table goes")
    parser.add_argument("--a", default="bf16", choices=DTYPES, help="activations")
    parser.add_argument("--b", default="u4b8", choices=FORMATS, help="weights")
    parser.add_argument("--group", type=int, default=128, help="group size, -1 for K")
    parser.add_argument("--layers", help="NxK, separated by commas, of shapes.py's; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=540, help="leave out the layers that come after this long"
    )
    return parser.parse_args()


def main() -> int:
    """Measures the table."""
    options = parse()
    torch.backends.cuda.matmul.allow_tf32 = False
    library = KernelLibrary(options.path)
    schedules = library.schedules(options.a, options.b, options.group)
    started = time.time()
    wrong, left_out = 0, []
    ceilings = {name: round(value, 2) for name, value in asdict(measure_ceilings()).items()}
    with options.csv.open("w", newline="") as file:
        facts = {"a": options.a, "b": options.b, "group": options.group, "rounds": options.rounds}
        for name, value in (machine() | ceilings | facts).items():
            file.write(f"# {name}: {value}\n")
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["n", "k", "m", *schedules])
        for (n, k), tokens in shapes.products():
            if options.layers and f"{n}x{k}" not in options.layers.split(","):
                continue
            if time.time() - started > options.seconds:
                left_out.append(f"{n}x{k}")
                continue
            layer = Layer(library, Weights(n, k, options.a, options.b, options.group))
            wrong += check(layer, schedules)
            for m in tokens:
                times = time_product(layer, m, schedules, options.rounds)
                table.writerow([n, k, m, *(f"{times[schedule]:.2f}" for schedule in schedules)])
            file.flush()
            print(f"{n}x{k} done after {time.time() - started:.0f} s", flush=True)
            del layer
            torch.cuda.empty_cache()
    print(f"{wrong} wrong results; layers left out: {','.join(left_out) or 'none'}")
    return 1 if wrong or left_out else 0


if __name__ == "__main__":
    sys.exit(main())
