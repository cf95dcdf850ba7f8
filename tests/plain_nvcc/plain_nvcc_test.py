"""Runs build.sh on a small catalogue, and the program that comes of it."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

# CUTLASS among the other repositories of the runfiles, whatever Bazel calls it.
_CUTLASS = next(Path("..").resolve().glob("*/include/cutlass/cutlass.h")).parents[1]


class PlainNvccTest(unittest.TestCase):
    """Machete without Bazel."""

    def test_program(self) -> None:
        self.assertTrue(shutil.which("nvcc"), "nvcc must be on PATH")
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "schedules")
            subprocess.run(
                [
                    "tests/plain_nvcc/build.sh",
                    program,
                    "tests/own_family/schedules_test.cc",
                    _CUTLASS,
                    "--catalogue",
                    "tests/own_family/catalogue.py",
                ],
                check=True,
                env=os.environ
                | {"PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            subprocess.run([program], check=True)


if __name__ == "__main__":
    unittest.main()
