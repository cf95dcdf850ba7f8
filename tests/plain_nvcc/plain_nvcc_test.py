"""Builds by nvcc alone, on a small catalogue: a program, and the library of the benchmark."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

# CUTLASS among the other repositories of the runfiles, whatever Bazel calls it.
_CUTLASS = next(Path("..").resolve().glob("*/include/cutlass/cutlass.h")).parents[1]


class PlainNvccTest(unittest.TestCase):
    """Machete without Bazel."""

    folder: str

    @classmethod
    def setUpClass(cls) -> None:
        """Makes a folder, in which the second build finds the first one's objects."""
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())

    def build(self, output: str, *sources: str) -> Path:
        """Runs the build as a user does."""
        path = Path(self.folder, output)
        command = [sys.executable, "tools/bench/build.py", "--build", self.folder, "--jobs", "1"]
        command += ["--cutlass", str(_CUTLASS), "--catalogue", "tests/plain_nvcc/catalogue.py"]
        subprocess.run(
            [*command, "--output", str(path), *sources],
            check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        return path

    def test_program(self) -> None:
        program = self.build("program", "tests/own_family/schedules_test.cc")
        subprocess.run([program, "128x32_1x1x1_Coop_Tma_Persistent"], check=True)

    def test_library(self) -> None:
        names = (ctypes.c_char_p * 4)()
        count = ctypes.CDLL(str(self.build("libx.so"))).machete_schedules(
            b"bf16", b"u4b8", b"bf16", names, 4
        )
        self.assertEqual(names[:count], [b"128x32_1x1x1_Coop_Tma_Persistent"])


if __name__ == "__main__":
    unittest.main()
