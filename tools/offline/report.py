"""What the user sees of an installation: messages, progress, errors."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


class InstallError(Exception):
    """A failure whose message is all that the user needs."""


def say(text: str) -> None:
    """Prints a line for the user; standard output is left to Bazel."""
    print(f"tools/bazel: {text}", file=sys.stderr, flush=True)


def run(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Returns a command's output, or raises it as InstallError where the command fails."""
    result = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode:
        tail = "\n".join(result.stdout.strip().splitlines()[-12:])
        program = Path(command[0]).name
        raise InstallError(f"{program} failed with exit status {result.returncode}:\n{tail}")
    return result.stdout


def megabytes(size: float) -> str:
    """A size in bytes, as the messages give it."""
    return f"{size / 1e6:.0f} MB"


class Progress:
    """How far a download is: one line rewritten on a terminal, else a line every tenth."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._shown = -1

    def show(self, done: int) -> None:
        """Shows the bytes that have arrived."""
        percent = min(100, 100 * done // max(1, self._total))
        step = percent if self._terminal else percent // 10 * 10
        if step == self._shown:
            return
        self._shown = step
        text = f"{self._what}: {megabytes(done)} of {megabytes(self._total)} ({percent} %)"
        if not self._terminal:
            say(text)
            return
        print(f"\r\033[Ktools/bazel: {text}", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Shows the whole as arrived, and the time it took."""
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr)
        seconds = time.monotonic() - self._started
        say(f"{self._what}: {megabytes(self._total)} in {seconds:.0f} s")
