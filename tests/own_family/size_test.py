"""A program with two schedules of one family is small."""

import os
import unittest
from pathlib import Path


class SizeTest(unittest.TestCase):
    """The program links the host library and the CUDA runtime too."""

    def test_size(self) -> None:
        self.assertLessEqual(Path(os.environ["PROGRAM"]).stat().st_size, 2_000_000)


if __name__ == "__main__":
    unittest.main()
