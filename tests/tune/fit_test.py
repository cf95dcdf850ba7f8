"""The fit, on made-up times; choice_test.py has the measured ones."""

import random
import tempfile
import unittest
from pathlib import Path

import fit
import shapes

from machete.generator.costs import COST_TERMS

_TERMS = len(COST_TERMS)


def _products(count: int) -> list[fit.Product]:
    return [fit.Product(64 * (i % 5), 128 * (i % 3), i, {"a": 1.0, "b": 2.0}) for i in range(count)]


class SolveTest(unittest.TestCase):
    """Least squares."""

    def setUp(self) -> None:
        self.random = random.Random(1)

    def _fit(self, true: dict[str, list[float]]) -> fit.Fit:
        """Products whose times are exactly what the model says."""
        work = {
            name: [[self.random.random() * 10 for _ in range(_TERMS)] for _ in range(60)]
            for name in true
        }
        products = [
            fit.Product(
                64 * (i % 6),
                128,
                i // 6,
                {
                    name: sum(x * y for x, y in zip(c, work[name][i], strict=True))
                    for name, c in true.items()
                },
            )
            for i in range(60)
        ]
        return fit.Fit(products, work)

    def test_exact_times_give_the_costs_back(self) -> None:
        true = {name: [self.random.random() for _ in range(_TERMS)] for name in "ab"}
        fitted = self._fit(true)
        for costs in (fitted.costs(), fitted.costs(left_out=range(20))):
            for name, values in true.items():
                for value, cost in zip(values, costs[name], strict=True):
                    self.assertAlmostEqual(value, cost, places=3)
        for judgement in fit.judge(fitted):
            self.assertLess(judgement.worst, 1e-3, judgement.what)

    def test_no_cost_is_negative(self) -> None:
        costs = self._fit({"a": [5.0, -0.5, *[1.0] * (_TERMS - 2)]}).costs()["a"]
        self.assertGreaterEqual(min(costs), 0)
        self.assertEqual(costs[1], 0)

    def test_terms_that_never_occur_cost_nothing(self) -> None:
        fitted = self._fit({"a": [1.0] * _TERMS})
        work = [[*row[:-1], 0.0] for row in fitted.work["a"]]
        self.assertEqual(fit.Fit(fitted.products, {"a": work}).costs()["a"][-1], 0)


class JudgementTest(unittest.TestCase):
    """What is left out, and what is said about it."""

    def test_regret(self) -> None:
        product = fit.Product(64, 128, 1, {"a": 2.0, "b": 3.0})
        self.assertEqual((product.regret("a"), product.regret("b")), (0.0, 0.5))

    def test_what_is_judged_was_left_out(self) -> None:
        products = _products(40)
        for what, folds in fit.folds_of(products):
            judged = [index for _, indices in folds for index in indices]
            self.assertEqual(len(judged), len(set(judged)), what)
            for left_out, indices in folds:
                if what != "fitted":
                    self.assertLessEqual(set(indices), set(left_out), what)
                for index in indices:
                    fitted = [products[i] for i in range(40) if i not in left_out]
                    if what in ("layers left out", "both left out"):
                        self.assertNotIn(products[index].layer, [p.layer for p in fitted])
                    if what in ("tokens left out", "both left out"):
                        self.assertNotIn(products[index].m, [p.m for p in fitted])


class TableTest(unittest.TestCase):
    """What sweep.py measures and writes."""

    def test_reading(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            path.write_text("# name: H100\n# rounds: 5\nn,k,m,a,b\n64,128,1,2.5,3\n")
            self.assertEqual(fit.read_table(path, ["a"]), [fit.Product(64, 128, 1, {"a": 2.5})])

    def test_shapes(self) -> None:
        self.assertEqual(len(set(shapes.LAYERS)), len(shapes.LAYERS))
        for n, k in shapes.LAYERS:
            self.assertEqual((n % 8, k % 128), (0, 0))
        measured = {m for _, tokens in shapes.products() for m in tokens}
        self.assertEqual(measured, {*shapes.SHARED_TOKENS, *shapes.OTHER_TOKENS})


if __name__ == "__main__":
    unittest.main()
