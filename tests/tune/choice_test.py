"""How good the choice is that the fit to the measured times makes, for one family.

That the costs are up to date is compared by //tools/tune:update_costs.*_costs.csv_test.
"""

import os
import unittest
from pathlib import Path

import fit


class ChoiceTest(unittest.TestCase):
    """The checked-in table."""

    def setUp(self) -> None:
        library = Path(os.environ["LIBRARY"]).absolute()
        self.kernels = fit.WorkLibrary(library, os.environ["FAMILY"])

    def test_it_is_good_also_where_nothing_was_fitted(self) -> None:
        table, least_tokens = Path(os.environ["TABLE"]), int(os.environ["LEAST_TOKENS"])
        for judgement in fit.judge(fit.fit_table(self.kernels, table, least_tokens)):
            fit.print_judgement(judgement, examples=1)
            with self.subTest(judgement.what):
                self.assertTrue(judgement.acceptable(float(os.environ["MOST_REGRET"])))

    def test_only_what_the_model_describes_is_fitted(self) -> None:
        self.assertTrue(self.kernels.knows("128x128_1x1x1_Coop_Tma_StreamK"))
        self.assertFalse(self.kernels.knows("224x16_1x1x2_Stream_NoSmem_Persistent"))
        self.assertFalse(self.kernels.knows("128x128"))


if __name__ == "__main__":
    unittest.main()
