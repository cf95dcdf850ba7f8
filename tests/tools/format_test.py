"""tools/format: what it installs, and which files it hands to which tool."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from unittest import mock


def load() -> ModuleType:
    """Imports the program, whose name does not end in .py."""
    loader = SourceFileLoader("formatter", os.environ["TOOLS_FORMAT"])
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("formatter", loader))
    loader.exec_module(module)
    return module


formatter = load()


class FormatTest(unittest.TestCase):
    """A workspace and a cache of the test's own."""

    def setUp(self) -> None:
        """Makes them."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        locks = self.folder / "tools/formatters"
        locks.mkdir(parents=True)
        for name in ("requirements_lock.txt", "package-lock.json", "package.json"):
            (locks / name).touch()
        for name, value in {
            "WORKSPACE": self.folder,
            "PYTHON_LOCK": locks / "requirements_lock.txt",
            "NODE_LOCK": locks / "package-lock.json",
        }.items():
            self.enterContext(mock.patch.object(formatter, name, value))
        environment = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        self.enterContext(mock.patch.dict(os.environ, environment))

    def install(self) -> Path:
        """Installs, with package clients that only make the folder."""

        def make(command: list[str | Path]) -> None:
            if "--target" in command:
                Path(command[command.index("--target") + 1]).mkdir()

        with mock.patch.object(formatter, "run_installer", side_effect=make) as clients:
            tools = formatter.install()
        self.clients = clients.call_count
        return tools

    def test_installs_once_for_each_lock(self):
        first = self.install()
        self.assertEqual(self.clients, 2)
        self.assertEqual(self.install(), first)
        self.assertEqual(self.clients, 0)
        formatter.PYTHON_LOCK.write_text("another")
        self.assertNotEqual(self.install(), first)

    def test_failed_installation_leaves_nothing(self):
        error = formatter.FormatError("no network")
        with (
            mock.patch.object(formatter, "run_installer", side_effect=error),
            self.assertRaisesRegex(formatter.FormatError, "no network"),
        ):
            formatter.install()
        self.assertEqual(list((self.folder / "cache/machete").iterdir()), [])

    def test_missing_client_is_named(self):
        with self.assertRaisesRegex(formatter.FormatError, "^no absent-npm on PATH"):
            formatter.run_installer(["absent-npm", "ci"])

    def test_failing_client_says_why(self):
        script = "echo npm warn x; echo npm error code E404; echo npm error 404; exit 1"
        with self.assertRaisesRegex(formatter.FormatError, ": npm error code E404$"):
            formatter.run_installer(["sh", "-c", script])

    @unittest.skipUnless(shutil.which("git"), "git knows which files are sources")
    def test_golden_files_are_left_alone(self):
        for name in ("a.py", "tests/b.cu", "tests/x/golden/c.cu", "ignored.py", ".gitignore"):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("ignored.py\n")
        subprocess.run(["git", "init", "--quiet", self.folder], check=True)
        self.assertEqual(formatter.sources("*.py", "*.cu"), ["a.py", "tests/b.cu"])

    def test_check_writes_nothing(self):
        with mock.patch.object(formatter, "sources", return_value=["file"]):
            commands = formatter.commands(Path("tools"), check=True)
        written = {"--mode=fix", "--fix", "-i"}
        for command in commands:
            self.assertFalse(written & set(command), command)
            if "format" in command:
                self.assertIn("--diff", command)


if __name__ == "__main__":
    unittest.main()
