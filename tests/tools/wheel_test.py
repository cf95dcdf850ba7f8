"""Fetching and unpacking wheels for the stand-in of rules_python."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import wheel

# Stands for pip: says what it was asked, and fails as pip does.
FAILING_PIP = """\
import sys
print("Collecting jinja2")
print("ERROR: a first reason")
print("ERROR: No matching distribution found for jinja2==3.1.6")
sys.exit(1)
"""

# Stands for pip: downloads what the lock names.
WORKING_PIP = """\
import pathlib, sys
assert "--require-hashes" in sys.argv
folder = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
lock = pathlib.Path(sys.argv[sys.argv.index("--requirement") + 1]).read_text()
(folder / (lock.split("==")[0] + "-1-py3-none-any.whl")).touch()
"""


class WheelTest(unittest.TestCase):
    """Has a folder."""

    def setUp(self) -> None:
        """Makes it."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def use_pip(self, text: str) -> None:
        """Puts a package named pip before all others."""
        package = self.folder / "path/pip"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(text)
        environment = {"PYTHONPATH": str(package.parent)}
        self.enterContext(mock.patch.dict(os.environ, environment))

    def test_download(self):
        self.use_pip(WORKING_PIP)
        found = wheel.download("jinja2==3.1.6 --hash=sha256:0", self.folder)
        self.assertEqual(found.name, "jinja2-1-py3-none-any.whl")

    def test_failing_download_is_one_sentence(self):
        self.use_pip(FAILING_PIP)
        with self.assertRaises(SystemExit) as caught:
            wheel.download("jinja2==3.1.6 --hash=sha256:0", self.folder)
        self.assertRegex(
            str(caught.exception),
            r"^pip cannot fetch jinja2==3.1.6 for \S+ \(no network\?\): No matching distribution "
            "found for jinja2==3.1.6$",
        )

    def test_unpack_merges_what_the_wheel_keeps_apart(self):
        path = self.folder / "x-1-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/__init__.py", "")
            archive.writestr("x-1.data/purelib/x/pure.py", "")
            archive.writestr("x-1.data/platlib/x/plat.py", "")
            archive.writestr("x-1.data/scripts/x", "")
        target = self.folder / "site-packages"
        wheel.unpack(path, target)
        self.assertEqual(
            sorted(file.name for file in (target / "x").iterdir()),
            ["__init__.py", "plat.py", "pure.py"],
        )

    @unittest.skipUnless(importlib.util.find_spec("pip"), "pip brings the reader of markers")
    def test_requires(self):
        metadata = """\
Name: x
Requires-Dist: MarkupSafe>=2.0
Requires-Dist: zope.interface
Requires-Dist: Babel>=2.7; extra == 'i18n'
Requires-Dist: colorama; platform_system == 'Windows'
"""
        self.assertEqual(wheel.requires(metadata), ["markupsafe", "zope_interface"])

    def test_python_without_pip_takes_the_installers(self):
        beside = self.folder / "usr/share/python-wheels/pip-25-py3-none-any.whl"
        beside.parent.mkdir(parents=True)
        beside.touch()
        environment = {"MACHETE_OFFLINE_PREFIX": str(self.folder)}
        with (
            mock.patch.dict(os.environ, environment),
            mock.patch("importlib.util.find_spec", return_value=None),
            mock.patch("sys.path", []) as path,
        ):
            wheel.find_pip()
            self.assertEqual(path, [str(beside)])
            self.assertEqual(os.environ["PYTHONPATH"], str(beside))

    def test_no_pip_at_all(self):
        with (
            mock.patch.dict(os.environ, {"MACHETE_OFFLINE_PREFIX": str(self.folder)}),
            mock.patch("importlib.util.find_spec", return_value=None),
            self.assertRaisesRegex(SystemExit, "has no pip; MACHETE_PYTHON names another Python"),
        ):
            wheel.find_pip()


if __name__ == "__main__":
    unittest.main()
