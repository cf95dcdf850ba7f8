"""Conditions: what is understood, what is refused, and that Python and C++ agree."""

import itertools
import unittest

from machete.generator import heuristics
from machete.generator.errors import GeneratorError

_POINTS = (1, 15, 16, 17, 4095, 4096, 4097)
_SHAPES = [
    dict(zip(heuristics.VARIABLES, point, strict=True))
    for point in itertools.product(_POINTS, repeat=3)
]


class HeuristicsTest(unittest.TestCase):
    """Each condition against Python's own reading of it."""

    def test_meaning_and_emitted_text(self) -> None:
        cases = [
            ("M <= 16", "M <= 16"),
            ("16 >= M", "M <= 16"),
            ("16 < M <= 4096", "M > 16 && M <= 4096"),
            ("M < 16 <= N", "M < 16 && N >= 16"),
            ("M == 16 or N != 4096", "M == 16 || N != 4096"),
            ("M <= 16 and (N > 16 or K >= 4096)", "M <= 16 && (N > 16 || K >= 4096)"),
            ("M <= 16 and N > 16 or K >= 4096", "(M <= 16 && N > 16) || K >= 4096"),
            ("M == 15 or 16 < N < 4096", "M == 15 || (N > 16 && N < 4096)"),
        ]
        for text, cpp in cases:
            with self.subTest(text):
                condition = heuristics.parse(text)
                self.assertEqual(condition.cpp(), cpp)
                # C++ in the grammar that is emitted reads as Python, but for the two words.
                emitted = cpp.replace("&&", "and").replace("||", "or")
                for shape in _SHAPES:
                    expected = eval(text, {}, shape)
                    self.assertEqual(condition.holds(shape), expected)
                    self.assertEqual(eval(emitted, {}, shape), expected)

    def test_refusals_name_the_piece(self) -> None:
        cases = {
            "M <= x": "`x`",
            "M <= 16.0": "`16.0`",
            "M <= True": "`True`",
            "M <= -1": "`-1`",
            "M * 2 <= 16": "`M * 2`",
            "not M <= 16": "`not M <= 16`",
            "M": "`M`",
            "1 < 2": "`1 < 2`",
            "M < N": "`M < N`",
            "M in 16": "`M in 16`",
            "N >= 1 and print(K)": "`print(K)`",
            "__import__('os')": "`__import__('os')`",
            "M <=": "not an expression",
            "": "not an expression",
        }
        for text, piece in cases.items():
            with self.subTest(text), self.assertRaises(GeneratorError) as raised:
                heuristics.parse(text)
            self.assertIn(piece, str(raised.exception))
            self.assertIn("allowed: comparisons of one of M, N, K", str(raised.exception))

    def test_first_that_holds(self) -> None:
        conditions = [heuristics.parse("M <= 16"), heuristics.parse("N >= 4096"), None]
        for shape, branch in [((16, 4096, 1), 0), ((17, 4096, 1), 1), ((17, 4095, 1), 2)]:
            named = dict(zip(heuristics.VARIABLES, shape, strict=True))
            self.assertEqual(heuristics.first_that_holds(conditions, named), branch)

    def test_unreachable_branches(self) -> None:
        cases: list[tuple[list[str], list[int]]] = [
            (["M <= 16", "M <= 32"], []),
            (["M <= 32", "M <= 16"], [1]),
            (["M <= 16 or N < 9", "M < 17 and K == 5"], [1]),
            (["M != 16", "M == 16"], [2]),
            (["M != 16", "M == 16 and N == 7"], []),
            (["M < 1"], [0]),
            (["M <= 0"], [0]),
            (["M >= 1"], [1]),
            (["5 < M < 7", "M == 6"], [1]),
            (["5 < M < 7", "5 <= M <= 6"], []),
            (["N > 8", "M > 8 and N > 8 or K > 8", "N <= 8 and K <= 8"], [3]),
            (["M <= 9", "M <= 9", "M <= 8"], [1, 2]),
        ]
        for texts, expected in cases:
            with self.subTest(texts):
                conditions = [*map(heuristics.parse, texts), None]
                self.assertEqual(heuristics.unreachable(conditions), expected)


if __name__ == "__main__":
    unittest.main()
