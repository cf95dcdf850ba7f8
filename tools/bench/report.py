"""What comes of a benchmark: rows, the arithmetic on them, tables and files. Needs no PyTorch."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

# Relative Frobenius errors by type of activations and output.
TOLERANCES = {"bf16": 3e-3, "f16": 4e-4, "e4m3": 3e-3, "s8": 3e-3}
# Of peers that round the weights themselves: to three bits of mantissa, at most 2^-4 of each.
PEER_TOLERANCES = {"scaled_mm": 4e-2}
# For each input feature: tensor cores keep sums of e4m3 to 14 bits, which came to 4.4e-3 of 28672.
E4M3_SUMS_TOLERANCE = 7e-8


def tolerance(a: str, k: int) -> float:
    """How far a product over k input features may be from one in float32."""
    return TOLERANCES[a] + (E4M3_SUMS_TOLERANCE * k if a == "e4m3" else 0)


# How weights can be quantised, and the group sizes that a format is bound to.
FORMATS: dict[str, list[int]] = {
    **dict.fromkeys(("u4b8", "u4", "u8b128", "u8", "e4m3"), []),
    "mxfp4": [32],
    "nvfp4": [16],
    "u4b8_gs": [],
}

Cell = tuple[int, int, int, str, str, int]


@dataclass(frozen=True)
class Ceilings:
    """What the GPU reaches on the simplest work, by the same clock."""

    read_tb_s: float  # bytes read by a reduction
    copy_tb_s: float  # bytes read and written by a copy
    product_tflop_s: float  # a product of cuBLAS, 8192 x 8192 x 8192 in bf16


@dataclass(frozen=True)
class Row:
    """One measurement. The fields are the columns of the files."""

    n: int
    k: int
    m: int
    a: str
    b: str
    group: int
    provider: str
    default: int  # 1: the schedule is the heuristic's choice
    schedule: str
    us: float  # median of the rounds
    us_min: float
    rounds: int
    error: float
    pdl: int  # 1: programmatic dependent launch
    tb_s: float  # weights, activations and output, once each
    tflop_s: float
    of_read: float  # shares of the ceilings
    of_copy: float
    of_product: float

    @property
    def cell(self) -> Cell:
        """The product that was timed."""
        return self.n, self.k, self.m, self.a, self.b, self.group

    @property
    def contender(self) -> str:
        """Who is compared with whom, whatever the schedule."""
        return self.provider + ("+pdl" if self.pdl else "")

    @property
    def is_wrong(self) -> bool:
        """Whether the error is too large, or not a number."""
        return not self.error <= PEER_TOLERANCES.get(self.provider, tolerance(self.a, self.k))


def rates(us: float, moved_bytes: int, flops: int, ceilings: Ceilings) -> dict[str, float]:
    """The columns from tb_s on."""
    tb_s, tflop_s = moved_bytes / us / 1e6, flops / us / 1e6
    columns = {
        "tb_s": tb_s,
        "tflop_s": tflop_s,
        "of_read": tb_s / ceilings.read_tb_s,
        "of_copy": tb_s / ceilings.copy_tb_s,
        "of_product": tflop_s / ceilings.product_tflop_s,
    }
    return {name: float(f"{value:.4g}") for name, value in columns.items()}


def representatives(rows: Iterable[Row]) -> dict[Cell, dict[str, Row]]:
    """Each contender's row of each cell: the heuristic's choice where timed, else the fastest."""
    cells: dict[Cell, dict[str, Row]] = {}
    for row in rows:
        best = cells.setdefault(row.cell, {})
        other = best.get(row.contender)
        if other is None or (-row.default, row.us) < (-other.default, other.us):
            best[row.contender] = row
    return cells


def mean_speedups(rows: Iterable[Row], contender: str, reference: str) -> dict[int, float]:
    """How many times faster a contender is, by M: geometric means over the layers of both."""
    ratios: dict[int, list[float]] = {}
    for cell in representatives(rows).values():
        if contender in cell and reference in cell:
            ratio = cell[reference].us / cell[contender].us
            ratios.setdefault(cell[contender].m, []).append(ratio)
    return {m: statistics.geometric_mean(values) for m, values in sorted(ratios.items())}


def table(rows: Sequence[Row], peers: Sequence[str]) -> str:
    """A line for each cell and contender other than the peers, which all are compared with."""
    cells = representatives(rows)
    fastest_of: dict[tuple[Cell, str], Row] = {}
    for row in sorted(rows, key=lambda row: row.us):
        fastest_of.setdefault((row.cell, row.contender), row)
    present = [peer for peer in peers if any(peer in cell for cell in cells.values())]
    lines = [
        ["layer", "M", "library", "us", *(f"x {peer}" for peer in present)]
        + ["of read", "of product", "schedule"]
    ]
    for (n, k, m, a, b, group), cell in cells.items():
        for contender, row in cell.items():
            if contender in peers:
                continue
            speedups = [f"{cell[p].us / row.us:.2f}" if p in cell else "" for p in present]
            remarks = [row.schedule]
            fastest = fastest_of[row.cell, contender]
            if fastest.schedule != row.schedule:
                remarks.append(f"(fastest: {fastest.us:.2f} {fastest.schedule})")
            lines.append(
                [f"{n}x{k} {a} {b} {group}", str(m), contender, f"{row.us:.2f}", *speedups]
                + [f"{row.of_read:.0%}", f"{row.of_product:.0%}", " ".join(remarks)]
            )
    return aligned(lines, left=("layer", "library", "schedule"))


def summary(rows: Sequence[Row], peers: Sequence[str]) -> str:
    """Mean speedups of each contender over each peer and over the first contender, by M."""
    contenders = list(dict.fromkeys(row.contender for row in rows))
    own = [contender for contender in contenders if contender not in peers]
    tokens = sorted({row.m for row in rows})
    lines = [["geometric means", *(f"M={m}" for m in tokens)]]
    for reference in [*(peer for peer in peers if peer in contenders), *own[:1]]:
        for contender in own:
            if contender != reference:
                means = mean_speedups(rows, contender, reference)
                values = [f"{means[m]:.3f}" if m in means else "" for m in tokens]
                lines.append([f"{contender}, x {reference}", *values])
    return aligned(lines, left=("geometric means",)) if len(lines) > 1 else ""


def aligned(lines: Sequence[Sequence[str]], left: Iterable[str]) -> str:
    """A table as text: numbers to the right, the columns of the headings in `left` to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    kinds = ["<" if heading in left else ">" for heading in lines[0]]
    return "\n".join(
        "  ".join(
            f"{text:{kind}{width}}" for text, kind, width in zip(line, kinds, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """All rows, with a line of headings."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(row), "error": f"{row.error:.2e}"} for row in rows)


def write_json(path: Path, machine: Mapping[str, object], rows: Iterable[Row]) -> None:
    """The machine with its ceilings, and all rows."""
    contents = {"machine": machine, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(contents, indent=1) + "\n")
