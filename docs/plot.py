"""Draws the times of the layers in docs/data: microseconds over M, a panel a layer.

    plot.py OURS.csv THEIRS.csv OUTPUT.svg

OURS is what bench.py writes. THEIRS has the times of vLLM's Machete, taken in another run: they are
multiplied by what cuBLAS took in our run and divided by what it took in theirs.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

Layer = tuple[int, int]
# Microseconds by M.
Curve = dict[int, float]

# Name, colour and marker; the last is drawn on top.
STYLES = (
    ("cuBLAS", "#777777", "s"),
    ("vLLM's Machete", "#d1495b", "^"),
    ("Machete", "#1f6feb", "o"),
)
COLUMNS = 4


def curves(rows: Iterable[Mapping[str, str]], provider: str) -> dict[Layer, Curve]:
    """A provider's times with its own choice of schedule, by layer."""
    result: dict[Layer, Curve] = {}
    for row in rows:
        # vLLM's rows with its own choice, and all of cuBLAS, name no schedule.
        chosen = row.get("default") == "1" or not row["schedule"]
        if row["provider"] == provider and chosen and row.get("pdl", "0") == "0":
            layer = int(row["n"]), int(row["k"])
            result.setdefault(layer, {})[int(row["m"])] = float(row["us"])
    return result


def normalised(theirs: Curve, their_reference: Curve, our_reference: Curve) -> Curve:
    """Their times as they would be where the reference takes as long as in our run."""
    return {
        m: us * our_reference[m] / their_reference[m]
        for m, us in theirs.items()
        if m in our_reference and m in their_reference
    }


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def panels(
    ours: list[dict[str, str]], theirs: list[dict[str, str]]
) -> dict[Layer, dict[str, Curve]]:
    """The curves of each layer, by the names in STYLES."""
    cublas, machete = curves(ours, "cublas"), curves(ours, "machete_bench")
    reference, vllm = curves(theirs, "cublas"), curves(theirs, "vllm_machete")
    return {
        layer: {
            "cuBLAS": cublas[layer],
            "vLLM's Machete": normalised(vllm[layer], reference[layer], cublas[layer]),
            "Machete": curve,
        }
        for layer, curve in sorted(machete.items(), key=lambda item: item[0][0] * item[0][1])
    }


def origin(sources: Iterable[Path]) -> str:
    """A digest of the data and of this program, by which a plot out of date is known."""
    result = hashlib.sha256()
    for source in (Path(__file__), *sources):
        result.update(hashlib.sha256(source.read_bytes()).digest())
    return result.hexdigest()


def draw(layers: Mapping[Layer, Mapping[str, Curve]], identifier: str, output: Path) -> None:
    """Writes the plot; the same bytes for the same curves."""
    import matplotlib
    from matplotlib import font_manager
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    # Neither the user's settings nor the machine's fonts: outlines of Matplotlib's own.
    matplotlib.rcdefaults()
    fonts = font_manager.fontManager.ttflist
    fonts[:] = [font for font in fonts if font.fname.startswith(matplotlib.get_data_path())]
    matplotlib.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "svg.fonttype": "path",
            "svg.hashsalt": "machete",
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    count = -(-len(layers) // COLUMNS)
    figure = Figure(figsize=(10, 2.5 * count + 0.4), layout="constrained")
    axes = figure.subplots(count, COLUMNS, squeeze=False).flat
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    for axis, ((n, k), by_name) in zip(axes, layers.items(), strict=True):
        for name, colour, marker in STYLES:
            tokens, times = zip(*sorted(by_name[name].items()), strict=True)
            axis.loglog(
                tokens, times, label=name, color=colour, marker=marker, markersize=3, linewidth=1.2
            )
        axis.set_title(f"{n} x {k}")
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.xaxis.set_major_locator(FixedLocator([1, 16, 128, 1024]))
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for direction in (axis.xaxis, axis.yaxis):
            direction.set_minor_locator(NullLocator())
            direction.set_major_formatter(plain)
    figure.supxlabel("M, tokens")
    figure.supylabel("microseconds")
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(STYLES),
        frameon=False,
    )
    figure.savefig(output, metadata={"Date": None, "Creator": None, "Identifier": identifier})


def main() -> None:
    """Runs the command line."""
    ours, theirs, output = map(Path, sys.argv[1:])
    draw(panels(read(ours), read(theirs)), origin([ours, theirs]), output)


if __name__ == "__main__":
    main()
