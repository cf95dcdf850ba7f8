"""The build without Bazel, with a compiler that only writes down what it is asked for."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import build

CATALOGUE = build.ROOT / "tests/plain_nvcc/catalogue.py"
SHARD = "impl_128x32_1x1x1_Coop_Tma_Persistent"

COMPILER = """\
#!/bin/sh
echo "$@" >> "$0.log"
while [ $# -gt 0 ]; do
  case $1 in
    -o) echo object > "$2" ;;
    -MF) echo "object: $HEADER" > "$2" ;;
    -c) if [ "$(basename "$2")" = "$FAULTY" ]; then echo "$2: fault"; exit 1; fi ;;
  esac
  shift
done
"""


class Machine(unittest.TestCase):
    """A folder with the compiler, a header and CUTLASS."""

    def setUp(self) -> None:
        """Makes them."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.nvcc = self.folder / "bin/nvcc"
        self.cutlass = self.folder / "include"
        for file in (self.nvcc, self.cutlass / "cutlass/cutlass.h"):
            file.parent.mkdir(parents=True)
            file.write_text(COMPILER)
        self.nvcc.chmod(0o755)
        self.header = self.folder / "header.h"
        self.header.touch()
        self.environment(HEADER=str(self.header), FAULTY="")

    def environment(self, **variables: str) -> None:
        """Sets variables for the rest of the test."""
        self.enterContext(mock.patch.dict(os.environ, variables))


class BuildTest(Machine):
    """What is compiled and linked, and when."""

    def build(self, name: str = "libx.so", catalogue: Path | None = CATALOGUE) -> list[str]:
        """Builds the library; returns the compiler's command lines."""
        tools = build.Tools(self.nvcc, self.cutlass, self.folder / "build", jobs=2)
        log = self.nvcc.with_name(f"{self.nvcc.name}.log")
        log.unlink(missing_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            build.build(tools, self.folder / name, [build.C_API_SOURCE], catalogue)
        return log.read_text().splitlines()

    def test_library(self) -> None:
        *compilations, link = self.build()
        for part in (f"bf16_u4b8/{SHARD}.cu", "prepack.cu", "dispatch.cu", "plan.cc", "c_api.cc"):
            self.assertEqual(sum(part in command for command in compilations), 1, part)
        for command in compilations:
            for option in ("-O2", "-DNDEBUG", "-gencode=arch=compute_90a,code=sm_90a"):
                self.assertIn(f" {option} ", f" {command} ")
            self.assertIn(f"-isystem={self.cutlass} ", command)
        self.assertTrue(link.startswith("-shared "), link)
        self.assertEqual(link.count("object.o"), len(compilations))
        self.assertEqual((self.folder / "libx.so").read_text(), "object\n")

    def test_program(self) -> None:
        self.assertNotIn("-shared", self.build("program")[-1])

    def test_unchanged_sources_are_not_compiled_again(self) -> None:
        everything = len(self.build())
        self.assertEqual(len(self.build()), 1)  # the link
        self.header.write_text("changed")
        self.assertEqual(len(self.build()), everything)
        self.header.unlink()
        self.assertEqual(len(self.build()), everything)

    def test_another_compiler_compiles_again(self) -> None:
        everything = len(self.build())
        self.nvcc = self.nvcc.rename(self.nvcc.with_name("other"))
        self.assertEqual(len(self.build()), everything)

    def test_catalogues_share_files(self) -> None:
        variant = self.folder / "variant.py"
        variant.write_text(CATALOGUE.read_text())
        self.build()
        self.assertEqual(len(self.build("liby.so", variant)), 1)

    def test_fault(self) -> None:
        self.environment(FAULTY="plan.cc")
        with self.assertRaisesRegex(build.BuildError, r"nvcc -O2 .*\n.*plan.cc: fault$"):
            self.build()
        self.environment(FAULTY="")
        self.assertIn("plan.cc", " ".join(self.build()))

    def test_faulty_catalogue(self) -> None:
        with self.assertRaisesRegex(build.BuildError, "nowhere.py: allowed: a file that defines"):
            self.build(catalogue=self.folder / "nowhere.py")


class ToolsTest(Machine):
    """Where the build looks for what it needs."""

    def test_nvcc(self) -> None:
        self.environment(CUDA_PATH=str(self.folder))
        self.assertEqual(build.find_nvcc(), self.nvcc)
        self.environment(CUDA_PATH="/nowhere")
        with self.assertRaisesRegex(build.BuildError, "^CUDA_PATH /nowhere: .*; allowed: "):
            build.find_nvcc()
        self.environment(CUDA_PATH="", PATH=str(self.nvcc.parent))
        self.assertEqual(build.find_nvcc(), self.nvcc)

    def test_cutlass(self) -> None:
        for folder in (self.cutlass, self.folder):
            self.assertEqual(build.find_cutlass(folder), self.cutlass)
        self.environment(CUTLASS_PATH=str(self.folder))
        self.assertEqual(build.find_cutlass(None), self.cutlass)
        with self.assertRaisesRegex(build.BuildError, "^--cutlass /nowhere: .*; allowed: "):
            build.find_cutlass(Path("/nowhere"))
        self.environment(CUTLASS_PATH="")
        with self.assertRaisesRegex(build.BuildError, "^no --cutlass and no CUTLASS_PATH; allowed"):
            build.find_cutlass(None)

    def test_command_line(self) -> None:
        self.environment(CUDA_PATH=str(self.folder))
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            self.assertEqual(build.main(["--cutlass", str(self.cutlass), "--jobs", "0"]), 1)
        self.assertEqual(stderr.getvalue(), "build.py: error: --jobs 0: allowed: 1 or more\n")

    def test_prerequisites(self) -> None:
        rule = "object.o : a.cu \\\n  /with\\ space/b.h \\\n  c.h\n"
        self.assertEqual(
            build.prerequisites(rule), [Path("a.cu"), Path("/with space/b.h"), Path("c.h")]
        )


if __name__ == "__main__":
    unittest.main()
