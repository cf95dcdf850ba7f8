"""bench.py's options, and what it says where it cannot run."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import bench

import build


class CommandLineTest(unittest.TestCase):
    """Needs neither PyTorch nor a GPU."""

    def refused(self, *arguments: str) -> str:
        """What it says of the arguments."""
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit) as exit_:
            bench.make_parser().parse_args(arguments)
        self.assertEqual(exit_.exception.code, 2)
        return stderr.getvalue().splitlines()[-1]

    def test_defaults(self) -> None:
        options = bench.make_parser().parse_args([])
        self.assertEqual(len(options.layers), 8)
        self.assertEqual(options.layers[0], (6144, 4096))
        self.assertEqual(options.tokens[:3], [1, 16, 32])
        self.assertEqual((options.a, options.groups, options.peers), (["bf16"], [128], ["cublas"]))

    def test_lists(self) -> None:
        options = bench.make_parser().parse_args(
            ["--layers", "8x16,24x32", "--groups=-1,64", "--peers", ""]
        )
        self.assertEqual(options.layers, [(8, 16), (24, 32)])
        self.assertEqual((options.groups, options.peers), ([-1, 64], []))

    def test_refused_values_are_named(self) -> None:
        for arguments, message in (
            (["--layers", "8x16,8"], "argument --layers: '8'; allowed: NxK, such as 4096x14336"),
            (["--layers", "0x16"], "argument --layers: '0x16'; allowed: NxK"),
            (["--tokens", "1,-2"], "argument --tokens: '-2'; allowed: an integer from 1 on"),
            (["--tokens", ""], "argument --tokens: ''; allowed: an integer from 1 on"),
            (["--groups", "0"], "argument --groups: '0'; allowed: -1, which stands for K, or"),
            (["--a", "f32"], "argument --a: 'f32'; allowed: bf16, f16, e4m3, s8"),
            (["--b", "e2m1"], "argument --b: 'e2m1'; allowed: u4b8, u4, u8b128, u8, e4m3, mxfp4"),
            (["--pdl", "yes"], "argument --pdl: invalid choice: 'yes'"),
            (["--library", "/no/file"], "argument --library: '/no/file'; allowed: a file that"),
            (["--csv", "/no/file"], "argument --csv: '/no/file'; allowed: a file in a folder"),
        ):
            with self.subTest(arguments):
                self.assertIn(message, self.refused(*arguments))

    def test_without_pytorch(self) -> None:
        stderr = io.StringIO()
        with (
            mock.patch.dict(sys.modules, {"torch": None}),
            contextlib.redirect_stderr(stderr),
        ):
            self.assertEqual(bench.main([]), 2)
        self.assertIn("has no torch", stderr.getvalue())


class LibrariesTest(unittest.TestCase):
    """Which libraries are loaded, and which of them are built."""

    def setUp(self) -> None:
        """Makes two files, and a build that only remembers what it was asked for."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("liba.so", "wide.py"):
            (self.folder / name).touch()
        self.enterContext(mock.patch.object(build, "find_tools"))
        self.build = self.enterContext(mock.patch.object(build, "build"))

    def paths(self, *arguments: str) -> tuple[list[str], list[str]]:
        """Names of the libraries to load, and of those that were built."""
        options = bench.make_parser().parse_args(["--build", str(self.folder), *arguments])
        paths = bench.paths_of_libraries(options)
        return [path.name for path in paths], [call.args[1].name for call in self.build.mock_calls]

    def test_own_library_is_built(self) -> None:
        self.assertEqual(self.paths(), (["libmachete_bench.so"],) * 2)

    def test_finished_library_is_loaded(self) -> None:
        self.assertEqual(self.paths("--library", f"{self.folder}/liba.so"), (["liba.so"], []))

    def test_catalogue_is_built_beside_a_library(self) -> None:
        self.assertEqual(
            self.paths(
                "--library", f"{self.folder}/liba.so", "--catalogue", f"{self.folder}/wide.py"
            ),
            (["liba.so", "libwide.so"], ["libwide.so"]),
        )

    def test_two_of_a_name(self) -> None:
        twice = [f"{self.folder}/liba.so"] * 2
        with self.assertRaisesRegex(bench.BenchError, "a, a: allowed: files with names of their"):
            self.paths("--library", *twice)
        self.build.assert_not_called()


if __name__ == "__main__":
    unittest.main()
