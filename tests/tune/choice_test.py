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

    def fit_table(self, variable: str) -> fit.Fit:
        path, least_tokens = Path(os.environ[variable]), int(os.environ["LEAST_TOKENS"])
        return fit.fit_table(self.kernels, path, least_tokens)

    def check(self, judgement: fit.Judgement, variable: str) -> None:
        fit.print_judgement(judgement, examples=1)
        with self.subTest(judgement.what):
            self.assertTrue(judgement.acceptable(float(os.environ[variable])))

    def test_it_is_good_also_where_nothing_was_fitted(self) -> None:
        for judgement in fit.judge(self.fit_table("TABLE")):
            self.check(judgement, "MOST_REGRET")

    @unittest.skipUnless("OTHER_TABLE" in os.environ, "measured on one GPU only")
    def test_it_is_good_on_another_gpu(self) -> None:
        costs = self.fit_table("TABLE").costs()
        self.check(
            fit.judge_costs("another GPU", self.fit_table("OTHER_TABLE"), costs),
            "OTHER_MOST_REGRET",
        )

    def test_only_what_the_model_describes_is_fitted(self) -> None:
        self.assertTrue(self.kernels.knows("128x128_1x1x1_Coop_Tma_StreamK"))
        self.assertFalse(self.kernels.knows("224x16_1x1x2_Stream_NoSmem_Persistent"))
        self.assertFalse(self.kernels.knows("128x128"))


if __name__ == "__main__":
    unittest.main()
