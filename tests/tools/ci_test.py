"""What continuous integration counts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PASSING = """\
//a:one_test                       (cached) PASSED in 0.1s
//a:two_test                                PASSED in 12.3s
//a:cuda_test                              SKIPPED

Executed 1 out of 3 tests: 2 tests pass and 1 was skipped.
"""

FAILING = """\
//a:one_test                                PASSED in 0.1s
//a:two_test                                FAILED in 0.1s
  /a/path/to/a/test.log
//a:late_test                              TIMEOUT in 60.0s
//a:unbuilt_test                          NO STATUS
"""


class CiTest(unittest.TestCase):
    """Runs .ci/run in a checkout whose tools only print."""

    def run_ci(self, summary: str, bazel: int, formatter: int) -> tuple[int, str]:
        """Returns its exit status and its last line."""
        checkout = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in (".ci", "tools"):
            (checkout / name).mkdir()
        shutil.copy(os.environ["CI_RUN"], checkout / ".ci/run")
        (checkout / "summary").write_text(summary)
        for name, text in {
            "bazel": f'[ "$*" = "test //..." ] && cat summary; exit {bazel}',
            "format": f'[ "$*" = --check ] && exit {formatter}',
        }.items():
            program = checkout / "tools" / name
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
        result = subprocess.run(
            ["bash", checkout / ".ci/run"], stdout=subprocess.PIPE, text=True, check=False
        )
        return result.returncode, result.stdout.splitlines()[-1]

    def test_all_is_well(self):
        self.assertEqual(self.run_ci(PASSING, 0, 0), (0, "tests: 3 passed, 0 failed, 1 skipped"))

    def test_failing_tests(self):
        self.assertEqual(self.run_ci(FAILING, 3, 0), (1, "tests: 2 passed, 3 failed, 0 skipped"))

    def test_failing_build(self):
        self.assertEqual(self.run_ci(PASSING, 1, 0), (1, "tests: 3 passed, 1 failed, 1 skipped"))

    def test_bazel_that_does_not_start(self):
        self.assertEqual(self.run_ci("", 1, 0), (1, "tests: 1 passed, 1 failed, 0 skipped"))

    def test_failing_format(self):
        self.assertEqual(self.run_ci(PASSING, 0, 1), (1, "tests: 2 passed, 1 failed, 1 skipped"))


if __name__ == "__main__":
    unittest.main()
