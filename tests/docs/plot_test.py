"""What is plotted, and whether the checked-in plot is of it; drawing itself needs Matplotlib."""

from __future__ import annotations

import unittest
from pathlib import Path

import plot

DATA = [
    Path("docs/data", f"h100_{name}_group128.csv")
    for name in ("bf16_u4b8", "vllm_machete_bf16_u4b8")
]


def row(provider: str, m: int, us: float, schedule: str = "", **others: str) -> dict[str, str]:
    """A line of one of the files."""
    return {
        "n": "8",
        "k": "16",
        "m": str(m),
        "provider": provider,
        "schedule": schedule,
        "us": str(us),
        **others,
    }


class CurvesTest(unittest.TestCase):
    """Which times are plotted."""

    def test_own_choice_of_schedule(self) -> None:
        rows = [
            row("machete_bench", 1, 5.0, "narrow", default="1", pdl="0"),
            row("machete_bench", 1, 6.0, "wide", default="0", pdl="0"),
            row("machete_bench", 1, 4.0, "narrow", default="1", pdl="1"),
            row("cublas", 1, 9.0, default="0", pdl="0"),
        ]
        self.assertEqual(plot.curves(rows, "machete_bench"), {(8, 16): {1: 5.0}})
        self.assertEqual(plot.curves(rows, "cublas"), {(8, 16): {1: 9.0}})

    def test_files_without_all_columns(self) -> None:
        rows = [row("vllm_machete", 2, 7.0), row("vllm_machete", 2, 6.0, "wide")]
        self.assertEqual(plot.curves(rows, "vllm_machete"), {(8, 16): {2: 7.0}})

    def test_normalised(self) -> None:
        self.assertEqual(
            plot.normalised({1: 6.0, 2: 6.0, 4: 6.0}, {1: 2.0, 2: 4.0}, {1: 3.0, 2: 3.0, 4: 3.0}),
            {1: 9.0, 2: 4.5},
        )

    def test_panels(self) -> None:
        ours = [row("cublas", 1, 10.0), row("machete_bench", 1, 4.0, "narrow", default="1")]
        theirs = [row("cublas", 1, 20.0), row("vllm_machete", 1, 16.0)]
        self.assertEqual(
            plot.panels(ours, theirs),
            {(8, 16): {"cuBLAS": {1: 10.0}, "vLLM's Machete": {1: 8.0}, "Machete": {1: 4.0}}},
        )

    def test_every_curve_has_a_style(self) -> None:
        layers = plot.panels(*map(plot.read, DATA))
        self.assertEqual(len(layers), 8)
        for curves in layers.values():
            self.assertEqual(set(curves), {name for name, _, _ in plot.STYLES})
            self.assertEqual(len({tuple(sorted(curve)) for curve in curves.values()}), 1)


class PlotTest(unittest.TestCase):
    """The checked-in plot."""

    def test_is_of_the_checked_in_data(self) -> None:
        # Not assertIn, which would print all of the plot.
        self.assertTrue(
            plot.origin(DATA) in Path("docs/performance.svg").read_text(),
            "Out of date; to update: bazel run //docs:update_plots",
        )


if __name__ == "__main__":
    unittest.main()
