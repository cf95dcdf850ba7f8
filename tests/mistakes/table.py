"""Writes docs/mistakes.md: makes every mistake and writes down what is said.

table.py OUTPUT LOADING RUNTIME: the mistakes of loading.bzl as JSON, and the program of runtime.cc.
"""

import contextlib
import copy
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from machete.generator.cli import main as generator
from tests.mistakes.by_bazel import MISTAKES, Mistake

_HEADER = """\
# What can go wrong, and what is said

Written by `bazel run //tests/mistakes:update_mistakes` from what is really said; a test compares.

- Start: any Bazel command.
- Loading: any Bazel command that reads the BUILD file. `kernels` and `own` are names of targets.
- Analysis: a build, before it runs anything. The words are those of `tools/offline/modules`;
  rules_cuda has others.
- Generator: the build, before anything is compiled. Bazel names the target before the message.
- Run time: the status that a function of `machete.h` returns. `tests/gpu/plan_test.cc` has those
  that need a GPU.

Long messages are cut here. Two libraries with kernels of the same types in one program are refused
by the linker, which names the family in `multiple definition of`.

| mistake | found at | message |
|---|---|---|
"""
_PHASES = ("start", "loading", "analysis", "generator", "run time")
_LONGEST = 240

_NARROW = {
    "tile": [64, 16],
    "cluster": [1, 1, 1],
    "kernel": "TmaWarpSpecializedSlicedK",
    "epilogue": "TmaWarpSpecialized",
    "scheduler": "StreamK",
}
_WIDE = _NARROW | {"tile": [128, 128], "kernel": "TmaWarpSpecializedCooperative"}
_NARROW_NAME = "64x16_1x1x1_SlicedK_Tma_StreamK"
_WIDE_NAME = "128x128_1x1x1_Coop_Tma_StreamK"
_FAMILY: dict[str, Any] = {
    "types": {"a": "bf16", "b": "u4b8"},
    "schedules": [_NARROW, _WIDE],
    "heuristic": [["M <= 16", _NARROW_NAME], [None, _WIDE_NAME]],
}

# The mistake, which part of the family is replaced, and by what.
_GENERATOR: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("activations that no kernel reads", ("types", "a"), "f32"),
    ("weights that no kernel reads", ("types", "b"), "s4"),
    ("scales of another type than the activations'", ("types", "b_group_scale"), "f16"),
    ("zero points of weights with a constant one", ("types", "b_group_zeropoint"), "bf16"),
    (
        "4-bit floats with scales of the activations' type",
        ("types",),
        {"a": "bf16", "b": "e2m1", "b_group_scale": "bf16"},
    ),
    (
        "weights without zero points that have some",
        ("types",),
        {"a": "bf16", "b": "u4", "b_group_zeropoint": "void"},
    ),
    ("8-bit weights with activations of 8 bits", ("types",), {"a": "e4m3", "b": "u8b128"}),
    ("channel scales of 16 bits", ("types", "b_channel_scale"), "bf16"),
    ("16-bit accumulation", ("types", "accumulator"), "f16"),
    ("a tile that the kernel does not have", ("schedules", 1, "tile"), [64, 128]),
    ("a number of tokens that the kernel does not have", ("schedules", 1, "tile"), [128, 48]),
    ("a tile for which there are too few registers", ("schedules", 1, "tile"), [256, 192]),
    ("a tile that spills", ("schedules", 1, "tile"), [192, 64]),
    ("a cluster along the tokens", ("schedules", 1, "cluster"), [1, 2, 1]),
    ("stream-K in a cluster along K", ("schedules", 1, "cluster"), [1, 1, 2]),
    (
        "a tile whose tokens a cluster along K cannot share out",
        ("schedules", 1),
        _WIDE | {"tile": [128, 32], "cluster": [1, 1, 4], "scheduler": "Persistent"},
    ),
    ("an epilogue of another kernel", ("schedules", 1, "epilogue"), "NoSmemWarpSpecialized"),
    ("a condition on another variable", ("heuristic", 0, 0), "T <= 16"),
    ("a condition that computes", ("heuristic", 0, 0), "M * N <= 4096"),
    ("a condition in C++", ("heuristic", 0, 0), "M <= 16 && N > 8"),
    ("a number that C++ does not have", ("heuristic", 0, 0), f"M <= {2**64}"),
    ("a condition that never holds", ("heuristic", 0, 0), "M <= 16 and M > 16"),
    ("too many schedules", ("schedules",), [_WIDE] * 33),
]


def main() -> None:
    """Writes the table."""
    output, loading, runtime = sys.argv[1:]
    found = [
        *MISTAKES,
        *_at("loading", json.loads(Path(loading).read_text())),
        *_at("generator", ((name, _refusal(place, value)) for name, place, value in _GENERATOR)),
        *_at("run time", _run(runtime)),
    ]
    rows = []
    for name, when, message in sorted(found, key=lambda mistake: _PHASES.index(mistake.found_at)):
        if not message:
            sys.exit(f"{when}: {name}: accepted")
        rows.append(f"| {name} | {when} | {_quote(message)} |\n")
    Path(output).write_text(_HEADER + "".join(rows))


def _at(when: str, mistakes: Iterable[Sequence[str]]) -> list[Mistake]:
    return [Mistake(name, when, message) for name, message in mistakes]


def _refusal(place: tuple[str | int, ...], value: Any) -> str:
    family: Any = copy.deepcopy(_FAMILY)
    inner = family
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(said):
        path = Path(folder, "families.json")
        path.write_text(json.dumps([family]))
        generator(["--check", "--families", str(path)])
    # The first: a schedule that is replaced is missed by the heuristic too.
    return said.getvalue().splitlines()[0] if said.getvalue() else ""


def _run(program: str) -> list[list[str]]:
    done = subprocess.run([Path(program).absolute()], check=True, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def _quote(message: str) -> str:
    if len(message) > _LONGEST:
        message = message[:_LONGEST] + " ..."
    # Messages quote with single ones themselves.
    return f"`` {message} ``" if "`" in message else f"`{message}`"


if __name__ == "__main__":
    main()
