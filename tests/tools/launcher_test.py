"""tools/bazel and the command `bazel`: which Bazel they run, and what they say if there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(os.environ["TOOLS_BAZEL"]).resolve().parent

# What the launcher itself runs.
PROGRAMS = ("bash", "cat", "env", "readlink", "sha256sum")


def make_program(path: Path, text: str) -> Path:
    """Writes a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)
    return path


def make_checkout(folder: Path) -> Path:
    """Copies the launcher, with an installer that only says how it was called."""
    launcher = folder / "tools/bazel"
    launcher.parent.mkdir(parents=True)
    shutil.copy(TOOLS / "bazel", launcher)
    offline = launcher.parent / "offline"
    (offline / "modules/rules_cuda").mkdir(parents=True)
    shutil.copy(TOOLS / "offline/bazel.sh", offline)
    (offline / "launch.py").write_text("import sys; print('installer', *sys.argv[1:])\n")
    (folder / "MODULE.bazel").touch()
    return launcher


class LauncherTest(unittest.TestCase):
    """A checkout, a home and a PATH of the test's own."""

    def setUp(self) -> None:
        """Makes them."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.launcher = make_checkout(self.folder / "checkout")
        self.cache = self.folder / "cache/machete"
        programs = self.folder / "programs"
        programs.mkdir()
        for name in PROGRAMS:
            (programs / name).symlink_to(shutil.which(name))
        self.environment = {
            "HOME": str(self.folder),
            "MACHETE_PYTHON": sys.executable,
            "PATH": str(programs),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }

    def put_on_path(self, folder: Path) -> None:
        """Puts a folder at the head of PATH."""
        self.environment["PATH"] = f"{folder}:{self.environment['PATH']}"

    def start(self, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess:
        """Runs a command to its end."""
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )

    def output(self, *arguments: str) -> str:
        """What the launcher prints."""
        return self.start(self.launcher, *arguments).stdout.strip()

    def state(self) -> Path:
        """The folder that the launcher hands to the installer."""
        return Path(self.output().split()[1])

    def test_bazel_real_goes_before_all(self):
        real = make_program(self.folder / "real", 'echo real "$@"')
        self.environment["BAZEL_REAL"] = str(real)
        self.environment["MACHETE_BAZEL"] = "offline"
        self.assertEqual(self.output("build", "a b"), "real build a b")

    def test_bazel_on_path(self):
        make_program(self.folder / "bin/bazel", 'echo "on PATH: $# $2"')
        self.put_on_path(self.folder / "bin")
        self.assertEqual(self.output("build", "a b"), "on PATH: 2 a b")

    def test_bazelisk_on_path(self):
        make_program(self.folder / "bin/bazelisk", "echo bazelisk")
        self.put_on_path(self.folder / "bin")
        self.assertEqual(self.output(), "bazelisk")

    def test_offline_is_asked_for(self):
        make_program(self.folder / "bin/bazel", "echo on PATH")
        self.put_on_path(self.folder / "bin")
        self.environment["MACHETE_BAZEL"] = "offline"
        self.assertRegex(self.output("test"), r"^installer .*/offline-[0-9a-f]{12} test$")

    def test_installer_where_path_has_no_bazel(self):
        self.assertEqual(self.state().parent, self.cache)

    def test_does_not_take_itself_for_bazel(self):
        (self.folder / "bin").mkdir()
        (self.folder / "bin/bazel").symlink_to(self.launcher)
        self.put_on_path(self.folder / "bin")
        self.assertRegex(self.start("bazel", "info").stdout, "^installer .* info$")

    def test_does_not_take_its_own_command_for_bazel(self):
        (self.cache / "bin").mkdir(parents=True)
        shutil.copy(self.launcher.parent / "offline/bazel.sh", self.cache / "bin/bazel")
        self.put_on_path(self.cache / "bin")
        later = self.folder / "bin"
        make_program(later / "bazel", "echo the real one")
        self.environment["PATH"] += f":{later}"
        self.assertEqual(
            self.start("bazel", cwd=self.launcher.parent).stdout.strip(), "the real one"
        )

    def test_a_command_that_calls_back_ends_in_the_installer(self):
        make_program(self.folder / "bin/bazel", f'exec {self.launcher} "$@"')
        self.put_on_path(self.folder / "bin")
        self.assertRegex(self.output("info"), "^installer .* info$")

    def test_second_start_needs_no_python(self):
        stamp = self.folder / "stamp"
        stamp.touch()
        program = make_program(self.folder / "installed", 'echo "installed: $1 $2"')
        state = self.state()
        state.mkdir(parents=True)
        (state / "start").write_text(f"{stamp}\n{program}\n--startup=a b\n")
        self.environment["MACHETE_PYTHON"] = "/nonexistent"
        self.assertEqual(self.output("build"), "installed: --startup=a b build")

    def test_removed_installation_is_noticed(self):
        state = self.state()
        state.mkdir(parents=True)
        (state / "start").write_text(f"{self.folder}/no-stamp\n/nonexistent\n")
        self.assertRegex(self.output("build"), "^installer .* build$")

    def test_state_follows_the_files_it_is_made_from(self):
        first = self.state()
        (self.launcher.parent / "offline/debian.py").write_text("# changed\n")
        second = self.state()
        (self.launcher.parent / "offline/modules/another").mkdir()
        self.assertEqual(len({first, second, self.state()}), 3)

    def test_missing_python_is_named(self):
        self.environment["MACHETE_PYTHON"] = "no-such-python"
        result = self.start(self.launcher, "build")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(
            result.stdout, r"^tools/bazel: error: Python 3.11 or newer .* no-such-python .*\n$"
        )

    def test_command_finds_the_workspace_above(self):
        inner = self.folder / "checkout/machete/kernel"
        inner.mkdir(parents=True)
        result = self.start(self.launcher.parent / "offline/bazel.sh", "info", cwd=inner)
        self.assertRegex(result.stdout, "^installer .* info$")

    def test_command_outside_of_a_workspace(self):
        result = self.start(self.launcher.parent / "offline/bazel.sh", "info")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(
            result.stdout,
            f"bazel: no MODULE.bazel with a tools/bazel beside it in {self.folder} or above\n",
        )


if __name__ == "__main__":
    unittest.main()
