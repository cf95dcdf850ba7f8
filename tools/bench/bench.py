#!/usr/bin/env python3
"""Builds, checks and times Machete's kernels beside cuBLAS on a Hopper GPU.

    bench.py --cutlass DIR --csv times.csv               # builds what is not built yet
    bench.py --library before.so after.so --csv times.csv

The second compares finished libraries, such as two versions of a kernel, in one run. Every timed
output is compared with a float32 product first; timing.py describes how times are taken. Bandwidth
of reading and copying and the rate of a large cuBLAS product are measured in the same run, and each
time is also given as shares of these.

Needs PyTorch; to build, also nvcc and CUTLASS's headers; no Bazel. Exits with 1 if a result is
wrong, with 2 if there are none.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import build
import report

# PyTorch, and what imports it, is only imported where it is used.
if TYPE_CHECKING:
    from providers import KernelLibrary

T = TypeVar("T")

LLAMA_LAYERS = (
    "6144x4096,4096x4096,28672x4096,4096x14336,10240x8192,8192x8192,57344x8192,8192x28672"
)
TOKENS = "1,16,32,64,128,256,512,1024,2048,4096"
PDL = {"off": [False], "on": [True], "both": [False, True]}


class BenchError(Exception):
    """A failure whose message is all that the user needs."""


def listed(parse: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Reads values with commas between them."""
    return lambda text: [parse(part) for part in text.split(",")]


def listed_or_none(parse: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Reads values with commas between them, or the empty text."""
    return lambda text: listed(parse)(text) if text else []


def layer(text: str) -> tuple[int, int]:
    """Reads NxK."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or 0 in (sizes := (int(match[1]), int(match[2]))):
        raise argparse.ArgumentTypeError(f"'{text}'; allowed: NxK, such as 4096x14336")
    return sizes


def positive(text: str) -> int:
    """Reads a number of tokens or rounds."""
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}'; allowed: an integer from 1 on")
    return int(text)


def group_size(text: str) -> int:
    """Reads a group size."""
    if text == "-1":
        return -1
    try:
        return positive(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"'{text}'; allowed: -1, which stands for K, or an integer from 1 on"
        ) from None


def one_of(*allowed: str) -> Callable[[str], str]:
    """Reads one of a few words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise argparse.ArgumentTypeError(f"'{text}'; allowed: {', '.join(allowed)}")
        return text

    return parse


def existing_file(text: str) -> Path:
    """Reads the path of a file to load."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"'{text}'; allowed: a file that exists")
    return Path(text)


def output_file(text: str) -> Path:
    """Reads the path of a file to write, before an hour is spent on its contents."""
    if not Path(text).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"'{text}'; allowed: a file in a folder that exists")
    return Path(text)


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_argument_group("what is timed")
    what.add_argument(
        "--library",
        dest="libraries",
        type=existing_file,
        default=[],
        nargs="+",
        metavar="FILE",
        help="finished libraries; otherwise builds this checkout's",
    )
    what.add_argument(
        "--catalogue",
        dest="catalogues",
        type=existing_file,
        default=[],
        nargs="+",
        metavar="FILE",
        help="files that define FAMILIES; builds a library of each, called as the file",
    )
    what.add_argument(
        "--peers",
        type=listed_or_none(str),
        default="cublas",
        help='what to compare with, separated by commas: cublas; "" for nothing',
    )
    what.add_argument(
        "--schedules", default="", help='names with commas, "" for the heuristic, or "all"'
    )
    what.add_argument("--pdl", choices=PDL, default="off", help="programmatic dependent launch")
    what.add_argument(
        "--host-cost", action="store_true", help="also time the host's share of a call"
    )
    shapes = parser.add_argument_group("on which shapes; values separated by commas")
    shapes.add_argument("--layers", type=listed_or_none(layer), default=LLAMA_LAYERS, help="NxK")
    shapes.add_argument("--tokens", type=listed(positive), default=TOKENS, help="values of M")
    shapes.add_argument(
        "--a", type=listed(one_of(*report.TOLERANCES)), default="bf16", help=", ".join(report.TOLERANCES)
    )
    shapes.add_argument(
        "--b", type=listed(one_of(*report.FORMATS)), default="u4b8", help=", ".join(report.FORMATS)
    )
    shapes.add_argument(
        "--groups", type=listed(group_size), default="128", help="group sizes, -1 for K"
    )
    shapes.add_argument("--rounds", type=positive, default=10, help="how often, for the median")
    results = parser.add_argument_group("where results go, besides a table at the end")
    results.add_argument("--csv", type=output_file, metavar="FILE", help="all times")
    results.add_argument(
        "--json", type=output_file, metavar="FILE", help="all times, the GPU and its ceilings"
    )
    build.add_options(parser)
    return parser


def paths_of_libraries(options: argparse.Namespace) -> list[Path]:
    """The libraries to load, built where need be."""
    wanted = options.catalogues or ([] if options.libraries else [None])
    built = {build.path_of_library(options.build, catalogue): catalogue for catalogue in wanted}
    paths = [*options.libraries, *built]
    names = [path.stem.removeprefix("lib") for path in paths]
    if len(set(names)) < len(options.libraries) + len(wanted):
        raise BenchError(f"libraries {', '.join(names)}: allowed: files with names of their own")
    tools = build.find_tools(options) if built else None
    for path, catalogue in built.items():
        assert tools
        build.build(tools, path, [build.C_API_SOURCE], catalogue)
    return paths


def time_all(options: argparse.Namespace, libraries: Sequence[KernelLibrary]) -> list[report.Row]:
    """Times everything; prints and writes what has come so far after each layer."""
    import torch

    import providers
    import timing

    ceilings = timing.measure_ceilings()
    machine: dict[str, object] = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        **{name: round(value, 3) for name, value in asdict(ceilings).items()},
    }
    if options.host_cost:
        machine["host_cost"] = {
            library.name + ("+pdl" if pdl else ""): providers.host_cost(
                library, options.a[0], options.b[0], pdl
            )
            for library in libraries
            for pdl in PDL[options.pdl]
        }
    print(json.dumps(machine), flush=True)
    rows: list[report.Row] = []
    for n, k in options.layers:
        for a, b in itertools.product(options.a, options.b):
            for group in report.FORMATS[b] or options.groups:
                schedules = options.schedules.split(",")
                if options.schedules == "all":
                    schedules = ["", *libraries[0].schedules(a, b, group)]
                started = time.monotonic()
                rows += timing.time_layer(
                    providers.Weights(n, k, a, b, group),
                    libraries,
                    options.peers,
                    options.tokens,
                    schedules,
                    PDL[options.pdl],
                    options.rounds,
                    ceilings,
                )
                torch.cuda.empty_cache()
                if options.csv:
                    report.write_csv(options.csv, rows)
                if options.json:
                    report.write_json(options.json, machine, rows)
                print(f"{n}x{k} {a} {b} {group}: {time.monotonic() - started:.0f} s", flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = make_parser().parse_args(arguments)
    try:
        import torch

        import providers
    except ModuleNotFoundError as error:
        print(f"bench.py: error: {sys.executable} has no {error.name}", file=sys.stderr)
        return 2
    try:
        unknown = [peer for peer in options.peers if peer not in providers.PEERS]
        if unknown:
            raise BenchError(f"--peers '{unknown[0]}'; allowed: {', '.join(providers.PEERS)}")
        paths = paths_of_libraries(options)
        if not torch.cuda.is_available():
            raise BenchError("PyTorch finds no GPU; allowed: a Hopper GPU")
        torch.backends.cuda.matmul.allow_tf32 = False
        rows = time_all(options, [providers.KernelLibrary(path) for path in paths])
    except (BenchError, build.BuildError, providers.KernelLibraryError) as error:
        print(f"bench.py: error: {error}", file=sys.stderr)
        return 2
    wrong = [row for row in rows if row.is_wrong]
    for text in (report.summary(rows, options.peers), report.table(rows, options.peers)):
        print(text, end="\n\n" if text else "")
    for row in wrong:
        print("WRONG", row)
    print(f"{len(wrong)} wrong results of {len(rows)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
