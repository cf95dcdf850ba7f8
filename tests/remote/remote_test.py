"""A build on a remote execution cluster, and its outputs against those of local builds.

The cluster is a real server and two workers on this machine; cluster.py installs them.
"""

from __future__ import annotations

import collections
import signal
import sys
import tempfile
import unittest
from pathlib import Path

from tests.builds.workspace import Spawn, Workspace, workspace
from tests.remote.cluster import cluster

# One family with one shard, compiled and linked into a program.
PACKAGE = "tests/own_family"
TARGET = f"//{PACKAGE}:own_kernels_test"
MODES = ("fastbuild", "opt", "dbg")
ESTIMATES = "--//machete/remote:estimates"

# Routed as the tests in tests/gpu are, without compiling all kernels as they do.
ROUTED = """
load("@rules_cc//cc:cc_test.bzl", "cc_test")
load("//machete/remote:properties.bzl", "GPU_TEST_EXEC_PROPERTIES")

cc_test(
    name = "routed",
    srcs = ["routed.cc"],
    exec_properties = GPU_TEST_EXEC_PROPERTIES,
)
"""


def build(where: Workspace, *options: str) -> tuple[list[Spawn], dict[str, dict[str, str]]]:
    """What was executed to build the target in each mode, and the products' digests."""
    spawns = []
    for mode in MODES:
        spawns += where.build(f"--compilation_mode={mode}", *options, TARGET)
    return spawns, {mode: where.products(PACKAGE, mode) for mode in MODES}


def summary(spawns: list[Spawn]) -> str:
    """How many actions of each kind ran where."""
    counts = collections.Counter((spawn.mnemonic, spawn.runner) for spawn in spawns)
    return "; ".join(
        f"{count} {mnemonic} {runner}" for (mnemonic, runner), count in sorted(counts.items())
    )


class RemoteTest(unittest.TestCase):
    """One cluster for all, in the order of a user's first day with it."""

    maxDiff = None

    def assert_runner(self, spawns: list[Spawn], runner: str) -> None:
        """Every action ran there, and there was one of each kind."""
        print(summary(spawns), flush=True)
        self.assertEqual([spawn for spawn in spawns if spawn.runner != runner], [])
        self.assertLessEqual(
            {"CheckShards", "CppArchive", "CppCompile", "CppLink", "CudaCompile", "Genrule"},
            {spawn.mnemonic for spawn in spawns},
        )

    def test_remote_build(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        server = self.enterContext(cluster())
        server.start_worker("worker", jobs=2, OSFamily="linux", ISA="x86-64")
        remote = (
            "--config=remote",
            f"--remote_executor={server.executor}",
            # To compare them.
            "--remote_download_outputs=all",
        )

        print("remote: ", end="")
        with workspace(folder / "remote", *remote) as first:
            spawns, outputs = build(first, ESTIMATES)
            self.assert_runner(spawns, "remote")
        for files in outputs.values():
            for name in ("own/dispatch.cu", "libown.shards.a", "own_kernels_test"):
                self.assertIn(name, files)

        print("again, elsewhere: ", end="")
        with workspace(folder / "again", *remote) as second:
            spawns, again = build(second, ESTIMATES)
            self.assert_runner(spawns, "remote cache hit")
            self.assertEqual(again, outputs)
            for spawn in spawns:
                if spawn.mnemonic == "CudaCompile":
                    self.assertEqual(spawn.properties["EstimatedMemory"], "1GB")

            print("a test that needs a GPU: ", end="")
            server.start_worker("gpu", jobs=1, OSFamily="linux", ISA="x86-64", Pool="gpu")
            package = second.root / "tests/routed"
            package.mkdir()
            (package / "BUILD.bazel").write_text(ROUTED)
            (package / "routed.cc").write_text("int main() {}\n")
            spawns = second.build("//tests/routed", command="test")
            print(summary(spawns), flush=True)
            self.assertEqual({spawn.runner for spawn in spawns}, {"remote"})
            for spawn in spawns:
                pool = "gpu" if spawn.mnemonic == "TestRunner" else None
                self.assertEqual(spawn.properties.get("Pool"), pool)

        for strategy in ("sandboxed", "local"):
            print(f"{strategy}: ", end="")
            runner = {"sandboxed": "linux-sandbox", "local": "local"}[strategy]
            with workspace(folder / strategy, f"--spawn_strategy={strategy}") as local:
                spawns, made = build(local)
                self.assert_runner(spawns, runner)
                self.assertEqual(made, outputs)
        count = sum(len(files) for files in outputs.values())
        print(f"{count} files, four times the same", flush=True)


if __name__ == "__main__":
    # A test that is stopped, stops what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    unittest.main()
