"""A remote execution cluster on this machine: BuildGrid, and workers of BuildBox.

BuildGrid comes from the package index that pip is configured for, BuildBox from Debian's archive.
Both are installed into the user's cache, once, without root.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import debian
import install
import prefix
from report import InstallError, run, say

REQUIREMENTS = Path(__file__).resolve().with_name("requirements_lock.txt")

PROGRAMS = ("buildbox-casd", "buildbox-run-hosttools", "buildbox-worker")

# Block style alone is what BuildGrid's own tags are documented in. An empty connection string is a
# temporary SQLite file. Bazel opens many calls at a time, and each takes a thread.
SERVER = """\
server:
  - !channel
    address: 127.0.0.1:{port}
    insecure-mode: true
authorization:
  method: none
connections:
  - !sql-connection &sql
    connection-string: ''
storages:
  - !disk-storage &cas
    path: {folder}/cas
caches:
  - !lru-action-cache &cache
    storage: *cas
    max-cached-refs: 4096
    allow-updates: true
    cache-failed-actions: false
schedulers:
  - !sql-scheduler &scheduler
    sql: *sql
    action-cache: *cache
    storage: *cas
    property-set: !dynamic-property-set
      match-property-keys: [ISA, OSFamily, Pool]
      wildcard-property-keys: [EstimatedCPU, EstimatedMemory]
instances:
  - name: ''
    services:
      - !action-cache
        cache: *cache
      - !execution
        scheduler: *scheduler
      - !cas
        storage: *cas
      - !bytestream
        storage: *cas
thread-pool-size: 400
"""

# Console scripts name the interpreter's place, and the folder is renamed.
BGD = "import sys; from buildgrid.server.app import cli; sys.argv[0] = 'bgd'; cli()"


def install_cluster() -> Path:
    """Returns the folder of both, after installing them if need be."""
    digest = hashlib.sha256(sys.version.encode())
    for path in (Path(__file__), REQUIREMENTS):
        digest.update(path.read_bytes())
    final = install.cache_folder() / f"remote-{digest.hexdigest()[:12]}"
    final.parent.mkdir(parents=True, exist_ok=True)
    with install.locked(final.with_suffix(".lock")):
        if final.exists():
            return final
        say(f"installing BuildGrid and BuildBox into {final}")
        with tempfile.TemporaryDirectory(prefix=f"{final.name}.work-", dir=final.parent) as name:
            work = Path(name)
            root = work / "root"
            install_buildbox(work, root, final)
            run(
                [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
                + ["--require-hashes", "--requirement", REQUIREMENTS, "--target", root / "python"]
            )
            root.rename(final)
    return final


def install_buildbox(work: Path, root: Path, final: Path) -> None:
    """Unpacks BuildBox and the libraries it was built with, and binds it to them."""
    reasons = []
    for uri in debian.mirrors():
        for suite in debian.SUITES:
            archive = debian.Archive(work / f"apt-{suite}", uri, suite)
            try:
                archive.update()
                packages = debian.closure(archive.index(), ("buildbox", "patchelf"))
            except InstallError as error:
                reasons.append(f"{suite}: {error}")
                continue
            prefix.unpack(archive.download(packages, work / "debs"), root)
            prefix.retarget_links(root)
            bind(root, final)
            return
    raise InstallError("no BuildBox: " + "; ".join(reasons))


def bind(root: Path, final: Path) -> None:
    """Gives the programs the C library that was unpacked with them."""
    loader = prefix.the(root / "usr/lib", "*/ld-linux-*.so.*", "the C library's loader")
    libraries = loader.parent
    patchelf = [loader, "--library-path", libraries, root / "usr/bin/patchelf"]
    for program in PROGRAMS:
        run(
            patchelf
            + ["--set-interpreter", prefix.moved(loader, root, final)]
            + ["--force-rpath", "--set-rpath", prefix.moved(libraries, root, final)]
            + [root / "usr/bin" / program]
        )


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """The running processes; their logs are in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._installed = install_cluster()
        self._processes: list[subprocess.Popen] = []
        self._server, self._storage = free_port(), free_port()
        self.executor = f"grpc://127.0.0.1:{self._server}"

    def start(self) -> None:
        """Starts the server, and the storage that workers share."""
        configuration = self._folder / "server.yaml"
        configuration.write_text(SERVER.format(port=self._server, folder=self._folder))
        server = [sys.executable, "-c", BGD, "server", "start", configuration]
        self._run("server", server, self._server)
        storage = [
            self._program("buildbox-casd"),
            f"--bind=127.0.0.1:{self._storage}",
            f"--cas-remote=http://127.0.0.1:{self._server}",
            self._folder / "storage",
        ]
        self._run("storage", storage, self._storage)

    def start_worker(self, name: str, jobs: int, **properties: str) -> None:
        """Adds a worker, which takes actions that ask for no more than its properties."""
        command = [
            self._program("buildbox-worker"),
            f"--bots-remote=http://127.0.0.1:{self._server}",
            f"--cas-remote=http://127.0.0.1:{self._storage}",
            "--buildbox-run=buildbox-run-hosttools",
            # Staged by the runner itself, which also makes the folders of outputs.
            "--runner-arg=--disable-localcas",
            f"--concurrent-jobs={jobs}",
        ]
        for key, value in properties.items():
            command += ["--platform", f"{key}={value}"]
        self._run(name, [*command, name])

    def stop(self) -> None:
        """Stops every process, last started first."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _program(self, name: str) -> Path:
        return self._installed / "usr/bin" / name

    def _run(self, name: str, command: list[str | Path], port: int | None = None) -> None:
        log = self._folder / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                # No more than a bare machine has, so that actions find nothing of the caller's.
                env={
                    "HOME": str(self._folder),
                    "PATH": f"{self._installed}/usr/bin:{os.defpath}",
                    "PYTHONPATH": str(self._installed / "python"),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        deadline = time.monotonic() + 60
        while port and not listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)


def listening(port: int) -> bool:
    """Whether something accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A Cluster without workers, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="machete-cluster-"))
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
