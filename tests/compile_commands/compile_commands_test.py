"""How the command lines of Bazel's actions become what clangd understands."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import compile_commands

ROOTS = {"bazel-out": "/out", "external": "/base/external"}

NVCC = (
    "external/cuda/bin/nvcc -x cu -ccbin /usr/bin/gcc -gencode arch=compute_90a,code=sm_90a -O2 "
    "-DNDEBUG -Xcompiler -g0 -Xcompiler -fPIC -objtemp -D HOST=1 -I . -I bazel-out/k8/bin "
    "-isystem external/cutlass/include -Imachete/include -std=c++17 --expt-relaxed-constexpr "
    "-Xptxas=--warn-on-spills -Xptxas -v --frandom-seed=x.o"
).split()

CLANG = (
    "clang++ -x cuda --cuda-path=/base/external/cuda -Wno-unknown-cuda-version "
    "--cuda-gpu-arch=sm_90a -DNDEBUG -DHOST=1 -I . -I /out/k8/bin "
    "-isystem /base/external/cutlass/include -Imachete/include -std=c++17"
).split()

GCC = (
    "/usr/bin/gcc -fPIC -MD -MF x.d -Wall -std=c++17 -iquote . -iquote external/gtest -DX=1".split()
)

KERNEL = "k8/bin/machete/f/impl_1.cu"


def action(mnemonic: str, words: list[str], source: str) -> dict[str, object]:
    """An action as aquery prints it."""
    return {"mnemonic": mnemonic, "arguments": [*words, "-c", source, "-o", "x.o"]}


class CommandTest(unittest.TestCase):
    """One command line."""

    def test_nvcc(self) -> None:
        self.assertEqual(compile_commands.clang_command("CudaCompile", NVCC, ROOTS), CLANG)

    def test_host_compiler(self) -> None:
        self.assertEqual(
            compile_commands.clang_command("CppCompile", GCC, ROOTS),
            "clang++ -std=c++17 -iquote . -iquote /base/external/gtest -DX=1".split(),
        )

    def test_architectures(self) -> None:
        for value, names in (
            ("arch=compute_90a,code=sm_90a", ["sm_90a"]),
            ("arch=compute_90,code=[sm_90,compute_90]", ["sm_90"]),
            ("arch=compute_90,code=compute_90", []),
        ):
            with self.subTest(value):
                self.assertEqual(list(compile_commands.architectures(value)), names)
                joined = list(compile_commands.options([f"-gencode={value}"], {}))
                self.assertEqual(joined, [f"--cuda-gpu-arch={name}" for name in names])

    def test_paths(self) -> None:
        for path, wanted in (
            ("external", "/base/external"),
            ("external/x/y", "/base/external/x/y"),
            ("externals/x", "externals/x"),
            ("machete/external/x", "machete/external/x"),
            (".", "."),
        ):
            self.assertEqual(compile_commands.absolute(path, ROOTS), wanted)


class CommandsTest(unittest.TestCase):
    """The whole file."""

    def setUp(self) -> None:
        """Makes a workspace with a header of device code."""
        self.workspace = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.workspace / "machete/kernel").mkdir(parents=True)
        (self.workspace / "machete/kernel/gemm.cuh").touch()

    def commands(self, *actions: dict[str, object]) -> dict[str, list[str]]:
        """The command of each file."""
        entries = compile_commands.commands(actions, self.workspace, ROOTS)
        self.assertEqual({entry["directory"] for entry in entries} - {str(self.workspace)}, set())
        return {entry["file"]: entry["arguments"] for entry in entries}

    def test_sources_and_headers(self) -> None:
        found = self.commands(
            action("CppCompile", GCC, "machete/runtime/plan.cc"),
            action("CudaCompile", NVCC, f"bazel-out/{KERNEL}"),
        )
        self.assertEqual(
            list(found),
            [f"/out/{KERNEL}", "machete/kernel/gemm.cuh", "machete/runtime/plan.cc"],
        )
        self.assertEqual(
            found["machete/kernel/gemm.cuh"],
            [*CLANG, "-Wno-pragma-once-outside-header", "-c", "machete/kernel/gemm.cuh"],
        )

    def test_one_configuration_counts(self) -> None:
        found = self.commands(
            action("CppCompile", ["gcc", "-DA"], "a.cc"),
            action("CppCompile", ["gcc", "-DB"], "a.cc"),
            action("CppCompile", ["gcc", "-DC"], "bazel-out/k8-ST-1/bin/b.cc"),
            action("CppCompile", ["gcc", "-DD"], "bazel-out/k8/bin/b.cc"),
        )
        self.assertEqual(
            found,
            {
                "a.cc": ["clang++", "-DA", "-c", "a.cc"],
                "/out/k8/bin/b.cc": ["clang++", "-DD", "-c", "/out/k8/bin/b.cc"],
            },
        )

    def test_other_modules_are_left_out(self) -> None:
        found = self.commands(
            action("CppCompile", GCC, "external/gtest/a.cc"),
            action("CudaCompile", NVCC, "bazel-out/k8/bin/external/x/impl_1.cu"),
        )
        self.assertEqual(found, {})


if __name__ == "__main__":
    unittest.main()
