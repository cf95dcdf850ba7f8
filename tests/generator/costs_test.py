"""The file of costs: it is read as it was written, and others are refused."""

import tempfile
import unittest
from pathlib import Path

from examples import COOPERATIVE, SLICED_K
from machete.generator.config import generate_sch_sig
from machete.generator.costs import COST_TERMS, fastest_of, read_costs, write_costs
from machete.generator.errors import GeneratorError


class CostsTest(unittest.TestCase):
    """Writing, reading, choosing."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "costs.csv"

    def test_round_trip(self) -> None:
        others = len(COST_TERMS) - 1
        costs = {"b": (1.234, *[0.0] * others), "a": (0.0001234, *[2.0] * others)}
        write_costs(self.path, costs)
        self.assertEqual(read_costs(self.path), costs)
        self.assertTrue(self.path.read_text().splitlines()[1].startswith("a,"))

    def test_other_terms_are_refused(self) -> None:
        self.path.write_text("schedule,launch,steps\na,1,2\n")
        with self.assertRaisesRegex(GeneratorError, "columns .*; allowed: schedule, launch, tiles"):
            read_costs(self.path)

    def test_a_schedule_without_costs_is_not_chosen(self) -> None:
        terms = (1.0,) * len(COST_TERMS)
        choice = fastest_of((SLICED_K, COOPERATIVE), {generate_sch_sig(COOPERATIVE): terms})
        self.assertEqual(choice.costs, ((COOPERATIVE, terms),))


if __name__ == "__main__":
    unittest.main()
