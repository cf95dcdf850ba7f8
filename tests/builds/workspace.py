"""Builds in a copy of the checkout, and what they executed.

A nested Bazel with an output base of its own: what it builds depends on nothing built before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The file is a link into the checkout wherever a test that names it runs.
CHECKOUT = Path(os.environ["TOOLS_BAZEL"]).resolve().parent.parent

# No cache and no options of the user; each test adds what it needs.
IGNORED = shutil.ignore_patterns(".git", "bazel-*", "build", "user.bazelrc", "__pycache__")

# A test's own environment, which a Bazel inside would take for its own.
TEST_VARIABLES = ("BUILD_", "JAVA_RUNFILES", "PYTHON", "RUNFILES_", "TEST_", "XML_")


@dataclass(frozen=True)
class Spawn:
    """An executed action, as the execution log has it."""

    mnemonic: str
    target: str
    runner: str
    properties: dict[str, str]
    outputs: dict[str, str]  # digests, by path

    @property
    def cached(self) -> bool:
        """Whether a cache had the outputs."""
        return self.runner.endswith("cache hit")

    @property
    def file(self) -> str:
        """The last two parts of the output's path, such as `bf16_u4b8.shards/impl_128x32.pic.o`."""
        return "/".join(min(self.outputs, default="").split("/")[-2:])


def read_log(path: Path) -> list[Spawn]:
    """Reads an execution log, which is one JSON object after another."""
    text = path.read_text()
    decoder = json.JSONDecoder()
    spawns = []
    at = 0
    while at < len(text):
        entry, at = decoder.raw_decode(text, at)
        while at < len(text) and text[at].isspace():
            at += 1
        properties = entry.get("platform", {}).get("properties", [])
        spawns.append(
            Spawn(
                mnemonic=entry["mnemonic"],
                target=entry.get("targetLabel", ""),
                runner=entry["runner"],
                properties={item["name"]: item.get("value", "") for item in properties},
                outputs={
                    output["path"]: output["digest"]["hash"] for output in entry["actualOutputs"]
                },
            )
        )
    return spawns


class Workspace:
    """A copy of the checkout with an output base; Bazel runs in it, or in a module inside."""

    def __init__(self, folder: Path, *options: str, module: str = ".") -> None:
        self.root = folder / "checkout"
        self.module = self.root / module
        self.output = folder / "output"
        self.bin = self.output / "execroot/_main/bazel-out/k8-fastbuild/bin"
        self._log = folder / "log.json"
        self._options = options
        shutil.copytree(CHECKOUT, self.root, ignore=IGNORED, symlinks=True)
        # Bazelisk would take the newest version in a module that names none.
        self._environment = {"USE_BAZEL_VERSION": (self.root / ".bazelversion").read_text().strip()}
        self._environment |= {
            name: value for name, value in os.environ.items() if not name.startswith(TEST_VARIABLES)
        }

    def bazel(self, command: str, *arguments: str) -> str:
        """Runs a command to its end; its output is part of the error if it fails."""
        result = subprocess.run(
            [CHECKOUT / "tools/bazel", f"--output_base={self.output}", "--max_idle_secs=60"]
            + [command, *arguments],
            cwd=self.module,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode:
            raise AssertionError(f"bazel {command} failed:\n{result.stdout[-8000:]}")
        return result.stdout

    def build(self, *arguments: str, command: str = "build") -> list[Spawn]:
        """Builds, and returns what was executed, or taken from a cache other than Bazel's own."""
        self._log.unlink(missing_ok=True)
        self.bazel(
            command,
            "--disk_cache=",
            *self._options,
            "--experimental_convenience_symlinks=ignore",
            f"--execution_log_json_file={self._log}",
            *arguments,
        )
        return read_log(self._log)

    def products(self, package: str, mode: str = "fastbuild") -> dict[str, str]:
        """The digest of each source, object, archive and program made in a package, by its path."""
        folder = self.bin.parent.with_name(f"k8-{mode}") / "bin" / package
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            # A manifest of runfiles holds absolute paths.
            if path.suffix in ("", ".a", ".cu", ".o") and path.is_file() and path.name != "MANIFEST"
        }

    def close(self) -> None:
        """Stops the server and removes what it made."""
        self.bazel("clean", "--expunge")


@contextlib.contextmanager
def workspace(folder: Path, *options: str, module: str = ".") -> Iterator[Workspace]:
    """A Workspace in a new folder, closed at the end."""
    folder.mkdir()
    made = Workspace(folder, *options, module=module)
    try:
        yield made
    finally:
        made.close()
