"""Makes mistakes in a module that depends on Machete, and compares what Bazel says with the table.

by_bazel_test.py LOADING: the mistakes of loading.bzl as JSON. The functions that find these are
called there; here, that the macros call them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

from tests.builds.workspace import Workspace, workspace
from tests.mistakes.by_bazel import ARCHITECTURE, NO_TOOLKIT, OLD_BAZEL, WRONG_TOOLKIT

LOADING = dict(json.loads(Path(sys.argv[1]).read_text()))

KERNELS = """
load("@machete//machete:defs.bzl", "machete_kernels")

machete_kernels(
    name = "kernels",
    {arguments},
)
"""
FAMILY = """
load("@machete//machete:defs.bzl", "machete_family", "schedule")

machete_family(
    name = "own",
    a = "bfloat16",
    b = "u4b8",
    heuristic = [(None, schedule())],
    schedules = [schedule()],
)
"""

RULES_CUDA = "tools/offline/modules/rules_cuda"
TOOLKIT = f"{RULES_CUDA}/cuda/private/toolkit.bzl"


def path_without_nvcc() -> str:
    """What PATH would be without a toolkit."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not Path(folder, "nvcc").exists())


class ByBazelTest(unittest.TestCase):
    """Each test changes what it needs in one copy of the checkout."""

    where: Workspace

    @classmethod
    def setUpClass(cls) -> None:
        """Makes the copy."""
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.where = cls.enterClassContext(workspace(folder / "base", module="tests/smoke"))

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces a part of a file, until the test ends."""
        path = self.where.root / name
        before = path.read_text()
        self.assertIn(old, before)
        path.write_text(before.replace(old, new))
        self.addCleanup(path.write_text, before)

    def refusal(self, *arguments: str) -> str:
        """What a command of Bazel says when it fails."""
        with self.assertRaises(AssertionError) as raised:
            self.where.bazel(*arguments)
        return str(raised.exception)

    def load(self, package: str, build_file: str) -> str:
        """What is said to a package of the dependent."""
        folder = self.where.module / package
        folder.mkdir()
        (folder / "BUILD.bazel").write_text(build_file)
        return self.refusal("query", f"//{package}:all")

    def test_machete_kernels(self) -> None:
        said = self.load("unknown", KERNELS.format(arguments='families = ["bf16_u5"]'))
        message = LOADING["a family that Machete does not have"]
        self.assertIn(f"Error in fail: {message}\n", said)

    def test_machete_family(self) -> None:
        said = self.load("own", FAMILY)
        self.assertIn(f"Error in fail: {LOADING['a misspelt type']}\n", said)

    def test_architecture(self) -> None:
        arguments = 'families = ["bf16_u4b8"], archs = ["sm_80"]'
        said = self.load("kernels", KERNELS.format(arguments=arguments))
        self.assertIn(ARCHITECTURE.message, said)

    def test_old_bazel(self) -> None:
        # No Bazel is old enough to be at hand and new enough to read MODULE.bazel.
        version = self.where.bazel("version", "--gnu_format").split()[-1]
        self.replace("MODULE.bazel", ">=7.4.0", ">=99.0.0")
        message = OLD_BAZEL.message.replace("7.3.2", version).replace("7.4.0", "99.0.0")
        self.assertIn(message, self.refusal("query", "//..."))

    def toolkit_refusal(self, *options: str) -> str:
        """What is said of kernels that are asked for by name."""
        stand_in = f"--override_module=rules_cuda={self.where.root / RULES_CUDA}"
        return self.refusal("build", "--nobuild", stand_in, *options, "@machete//machete:kernels")

    def test_no_toolkit(self) -> None:
        self.replace(TOOLKIT, '"/usr/local/cuda"', '"/nowhere"')
        said = self.toolkit_refusal(
            "--repo_env=CUDA_PATH=", f"--repo_env=PATH={path_without_nvcc()}"
        )
        self.assertIn(NO_TOOLKIT.message.replace("/usr/local/cuda", "/nowhere"), said)
        self.assertIn("no_cuda_toolkit_found__set_CUDA_PATH_or_put_nvcc_on_PATH", said)

    def test_folder_without_toolkit(self) -> None:
        said = self.toolkit_refusal("--repo_env=CUDA_PATH=/nowhere")
        self.assertIn(f"Error in fail: {WRONG_TOOLKIT.message}\n", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
