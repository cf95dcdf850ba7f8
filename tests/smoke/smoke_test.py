#!/usr/bin/env python3
"""Builds and runs this module, as one that depends on Machete and sets no flag.

    tests/smoke/smoke_test.py [OPTION...]

It runs Bazel by itself, so it is a program of its own, not a target. The options are added to every
build: --disk_cache=DIR, --jobs=2.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OPTIONS = sys.argv[1:]

MODES = ("fastbuild", "opt", "dbg")
ONE_FAMILY = "//one_family"
MOST_BYTES = 2_000_000

# As README.md says it.
DEVICE_DEBUG = (
    "--@rules_cuda//cuda:copts=-G",
    "--@rules_cuda//cuda:copts=-Xptxas=--disable-warnings",
    "--norun_validations",
)
OWN_CUTLASS = "--@machete//machete:cutlass=//third_party/cutlass"


def bazel(command: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs a command of Bazel in this module."""
    # Bazelisk would take the newest version otherwise.
    version = (ROOT / ".bazelversion").read_text().strip()
    words = [ROOT / "tools/bazel", command, *(() if command == "shutdown" else OPTIONS), *arguments]
    result = subprocess.run(
        words,
        cwd=HERE,
        env={"USE_BAZEL_VERSION": version} | os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise AssertionError(f"bazel {command} {' '.join(arguments)}:\n{result.stderr[-4000:]}")
    return result


def run(target: str, *options: str) -> str:
    """What a program prints."""
    return bazel("run", *options, target).stdout


def catalogue() -> list[str]:
    """The families of the catalogue."""
    names: dict[str, dict[str, list[str]]] = {}
    exec((ROOT / "machete/private/catalogue.bzl").read_text(), names)
    return sorted(names["FAMILIES"])


def families(output: str) -> list[str]:
    """The families that a program has printed the schedules of."""
    return sorted(re.findall(r"^(\w+): [1-9]\d* schedules$", output, re.MULTILINE))


def compilations(*options: str) -> list[list[str]]:
    """The command lines of the one family's kernels."""
    query = f'mnemonic("CudaCompile", deps({ONE_FAMILY}))'
    output = bazel("aquery", "--output=jsonproto", *options, query).stdout
    return [action["arguments"] for action in json.loads(output)["actions"]]


def code_after(heading: str) -> list[str]:
    """The code blocks of a section of the README."""
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def labels(text: str) -> set[str]:
    """The labels of Machete's targets in a BUILD file."""
    return set(re.findall(r'"(@machete//[^"]+)"', text)) - {"@machete//machete:defs.bzl"}


class SmokeTest(unittest.TestCase):
    """What a dependent gets."""

    @classmethod
    def tearDownClass(cls) -> None:
        """Ends the server."""
        bazel("shutdown")

    def test_builds_and_runs_without_flags(self) -> None:
        bazel("build", "//...")
        output = run("//:all_families")
        print(output)
        self.assertEqual(families(output), catalogue())
        self.assertEqual(families(run(ONE_FAMILY)), ["bf16_u4b8"])

    def test_runs_in_every_mode(self) -> None:
        for mode in MODES:
            with self.subTest(mode):
                self.assertEqual(families(run(ONE_FAMILY, "-c", mode)), ["bf16_u4b8"])

    def test_device_code_is_optimised_unless_debugging_is_asked_for(self) -> None:
        for mode in MODES:
            with self.subTest(mode):
                commands = compilations("-c", mode)
                self.assertGreater(len(commands), 2)
                for words in commands:
                    self.assertFalse({"-G", "--device-debug"} & set(words), words)
                    self.assertFalse([word for word in words if re.search("ptxas.*-O", word)])
                for words in compilations("-c", mode, *DEVICE_DEBUG):
                    self.assertIn("-G", words)

    def test_device_debugging_builds(self) -> None:
        self.assertEqual(families(run(ONE_FAMILY, "-c", "dbg", *DEVICE_DEBUG)), ["bf16_u4b8"])

    def test_size_of_one_family(self) -> None:
        target = f"{ONE_FAMILY}:one_family.stripped"
        bazel("build", "-c", "opt", target)
        path = bazel("cquery", "-c", "opt", "--output=files", target).stdout.strip()
        size = Path(bazel("info", "execution_root").stdout.strip(), path).stat().st_size
        print(f"one family, stripped: {size} bytes")
        self.assertLessEqual(size, MOST_BYTES)

    def test_skipped_where_cuda_is_disabled(self) -> None:
        disabled = "--@rules_cuda//cuda:enable=False"
        targets = ("//...", "@machete//machete:generated_srcs")
        output = bazel("build", disabled, "--show_result=9", *targets).stderr
        self.assertIn("//:all_families was skipped", output)
        self.assertIn("//one_family:one_family was skipped", output)
        self.assertEqual(bazel("aquery", disabled, 'mnemonic("CudaCompile", //...)').stdout, "")

    def test_own_cutlass(self) -> None:
        definition = "-DSMOKE_OWN_CUTLASS"
        for words in compilations():
            self.assertNotIn(definition, words)
        self.assertIn(definition, sum(compilations(OWN_CUTLASS), []))
        self.assertEqual(families(run(ONE_FAMILY, OWN_CUTLASS)), ["bf16_u4b8"])

    def test_readme_says_the_same(self) -> None:
        module, build = code_after("As a dependency")[:2]
        ours = (HERE / "MODULE.bazel").read_text()
        self.assertIn(module.replace('"../machete"', '"../.."'), ours)
        self.assertEqual(labels(build), labels((HERE / "BUILD.bazel").read_text()))
        for option in (*DEVICE_DEBUG, OWN_CUTLASS):
            self.assertIn(option, (ROOT / "README.md").read_text())

    def test_no_file_sets_a_flag(self) -> None:
        self.assertFalse((HERE / ".bazelrc").exists())

    def test_toolkit_is_left_to_the_root_module(self) -> None:
        extensions = [
            call
            for call in ast.walk(ast.parse((ROOT / "MODULE.bazel").read_text()))
            if isinstance(call, ast.Call)
            and ast.unparse(call.func) == "use_extension"
            and "rules_cuda" in ast.unparse(call.args[0])
        ]
        self.assertEqual(len(extensions), 1)
        for call in extensions:
            self.assertIn("dev_dependency=True", [ast.unparse(word) for word in call.keywords])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
