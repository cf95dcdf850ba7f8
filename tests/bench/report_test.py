"""The arithmetic on times, and the tables and files made of them."""

from __future__ import annotations

import csv
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from report import (
    Ceilings,
    Row,
    mean_speedups,
    rates,
    representatives,
    summary,
    table,
    write_csv,
    write_json,
)

CUBLAS = Row(
    n=4096,
    k=8192,
    m=16,
    a="bf16",
    b="u4b8",
    group=128,
    provider="cublas",
    default=0,
    schedule="",
    us=20.0,
    us_min=19.5,
    rounds=10,
    error=2.25e-3,
    pdl=0,
    tb_s=3.0,
    tflop_s=50.0,
    of_read=0.994,
    of_copy=1.2,
    of_product=0.0625,
)
OURS = replace(CUBLAS, provider="ours", default=1, schedule="64x16", us=10.0)


class RatesTest(unittest.TestCase):
    """Columns that say how near a time is to the ceilings."""

    def test_shares(self) -> None:
        ceilings = Ceilings(read_tb_s=3.0, copy_tb_s=2.5, product_tflop_s=800.0)
        self.assertEqual(
            rates(10.0, 15_000_000, 2_000_000_000, ceilings),
            {"tb_s": 1.5, "tflop_s": 200.0, "of_read": 0.5, "of_copy": 0.6, "of_product": 0.25},
        )


class RowsTest(unittest.TestCase):
    """Which rows are compared, and how."""

    def test_default_stands_for_its_contender(self) -> None:
        slower = replace(OURS, us=11.0)
        named = replace(OURS, default=0, schedule="128x16", us=9.0)
        for rows in ([slower, named], [named, slower]):
            self.assertEqual(representatives(rows), {OURS.cell: {"ours": slower}})

    def test_fastest_stands_for_its_contender_without_a_default(self) -> None:
        rows = [replace(OURS, default=0, us=us) for us in (9.0, 8.0, 10.0)]
        self.assertEqual(representatives(rows)[OURS.cell]["ours"].us, 8.0)

    def test_dependent_launch_is_a_contender(self) -> None:
        early = replace(OURS, pdl=1)
        self.assertEqual(
            representatives([OURS, early]), {OURS.cell: {"ours": OURS, "ours+pdl": early}}
        )

    def test_speedups_are_geometric_means_over_layers(self) -> None:
        rows = [OURS, CUBLAS]  # twice as fast; on the next layer, eight times
        rows += [replace(row, n=1024) for row in (OURS, replace(CUBLAS, us=80.0))]
        rows += [replace(row, m=1) for row in (OURS, replace(CUBLAS, us=5.0))]
        rows += [replace(OURS, m=7)]  # without a reference
        means = mean_speedups(rows, "ours", "cublas")
        self.assertEqual(list(means), [1, 16])
        self.assertAlmostEqual(means[1], 0.5)
        self.assertAlmostEqual(means[16], 4.0)

    def test_wrong(self) -> None:
        self.assertFalse(OURS.is_wrong)
        self.assertTrue(replace(OURS, error=3.1e-3).is_wrong)
        self.assertTrue(replace(OURS, error=float("nan")).is_wrong)
        self.assertTrue(replace(OURS, a="f16").is_wrong)
        self.assertTrue(replace(OURS, a="e4m3", k=4096, error=3.3e-3).is_wrong)
        self.assertFalse(replace(OURS, a="e4m3", k=28672, error=4.4e-3).is_wrong)
        rounding = replace(OURS, a="e4m3", provider="scaled_mm")
        self.assertFalse(replace(rounding, error=3.02e-2).is_wrong)
        self.assertTrue(replace(rounding, error=4.1e-2).is_wrong)


class TextTest(unittest.TestCase):
    """What is printed."""

    def test_table(self) -> None:
        named = replace(OURS, default=0, schedule="128x16", us=9.5)
        early = replace(OURS, pdl=1, us=8.0)
        self.assertEqual(
            table([CUBLAS, OURS, named, early], ["cublas"]).splitlines(),
            [
                "layer                     M  library      us  x cublas  of read  of product"
                "  schedule",
                "4096x8192 bf16 u4b8 128  16  ours      10.00      2.00      99%          6%"
                "  64x16 (fastest: 9.50 128x16)",
                "4096x8192 bf16 u4b8 128  16  ours+pdl   8.00      2.50      99%          6%"
                "  64x16",
            ],
        )

    def test_table_without_peers(self) -> None:
        heading, line = table([OURS], ["cublas"]).splitlines()
        self.assertNotIn("cublas", heading)
        self.assertIn("10.00", line)

    def test_summary(self) -> None:
        rows = [CUBLAS, OURS, replace(OURS, provider="other", us=5.0)]
        self.assertEqual(
            summary(rows, ["cublas"]).splitlines(),
            [
                "geometric means   M=16",
                "ours, x cublas   2.000",
                "other, x cublas  4.000",
                "other, x ours    2.000",
            ],
        )

    def test_nothing_to_compare_with(self) -> None:
        self.assertEqual(summary([OURS], ["cublas"]), "")


class FilesTest(unittest.TestCase):
    """What is written."""

    def setUp(self) -> None:
        """Makes a path."""
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory()), "times")

    def test_csv(self) -> None:
        write_csv(self.path, [CUBLAS, OURS])
        self.assertNotIn("\r", self.path.read_bytes().decode())
        with self.path.open() as file:
            first, second = csv.DictReader(file)
        self.assertEqual((first["provider"], second["provider"]), ("cublas", "ours"))
        self.assertEqual(
            (first["us"], first["error"], first["of_read"]), ("20.0", "2.25e-03", "0.994")
        )

    def test_json(self) -> None:
        write_json(self.path, {"gpu": "a GPU"}, [OURS])
        contents = json.loads(self.path.read_text())
        self.assertEqual(contents["machine"], {"gpu": "a GPU"})
        self.assertEqual(Row(**contents["rows"][0]), OURS)


if __name__ == "__main__":
    unittest.main()
