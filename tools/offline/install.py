"""Installs Bazel from Debian's archive into the user's cache, once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import debian
import prefix
from report import InstallError, megabytes, say

# Written last; a prefix without it is remade.
STAMP = ".complete"


def cache_folder() -> Path:
    """Where all that this installer makes is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if not os.path.isabs(base):
        raise InstallError(f"XDG_CACHE_HOME or HOME is {base!r}, not an absolute path")
    return Path(base, "machete")


def prefix_folder() -> Path:
    """Keyed by the recipe's own text: another recipe installs beside, never over."""
    digest = hashlib.sha256(platform.machine().encode())
    for module in (debian.__file__, prefix.__file__, __file__):
        digest.update(Path(module).read_bytes())
    return cache_folder() / f"bazel-{digest.hexdigest()[:12]}"


def install() -> Path:
    """Returns the prefix of the installed Bazel, after installing it if need be."""
    final = prefix_folder()
    if (final / STAMP).exists():
        return final
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with locked(final.with_suffix(".lock")):
            if not (final / STAMP).exists():
                _install(final)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InstallError(f"no disk space left in {final.parent}") from None
        raise InstallError(f"cannot write to the cache: {error}") from None
    return final


def _install(final: Path) -> None:
    started = time.monotonic()
    say(f"installing Bazel from Debian's archive into {final}")
    say("this happens once, needs no root and changes nothing else on this machine")
    # What a killed run left behind.
    for leftover in [final, *final.parent.glob(f"{final.name}.work-*")]:
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{final.name}.work-", dir=final.parent) as name:
        work = Path(name)
        archive, packages, version = debian.select(work)
        check_space(packages, final.parent)
        debs = archive.download(packages, work / "debs")
        say(f"unpacking {len(debs)} packages")
        prefix.prepare(debs, work / "root", final, version)
        (work / "root").rename(final)
        say("starting it once")
        prefix.check(final, version, work)
    listing = "".join(f"{package.name} {package.version}\n" for package in packages)
    part = final / f"{STAMP}.part"
    part.write_text(listing)
    part.rename(final / STAMP)
    say(f"Bazel {version} is installed; it took {time.monotonic() - started:.0f} s")


def check_space(packages: list[debian.Package], folder: Path) -> None:
    """Refuses to begin what the disk cannot hold."""
    needed = sum(package.size + package.installed_size for package in packages)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InstallError(
            f"not enough disk space in {folder}: {megabytes(free)} are free, "
            f"{megabytes(needed)} are needed; XDG_CACHE_HOME names another place"
        )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process installs the same prefix. A killed process holds no lock."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another installation of the same Bazel")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
