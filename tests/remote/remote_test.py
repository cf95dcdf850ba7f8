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

from tests.builds.workspace import Spawn, workspace
from tests.remote.cluster import cluster

# One family with one shard, compiled and linked into a program.
PACKAGE = "tests/own_family"
# Optimised: the debug information of other CUDA objects differs between a worker and this machine.
TARGETS = ("--compilation_mode=opt", f"//{PACKAGE}:own_kernels_test")

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
            self.assert_runner(first.build(*TARGETS, "--//machete/remote:estimates"), "remote")
            outputs = first.products(PACKAGE, mode="opt")
        for name in ("own/dispatch.cu", "libown.shards.a", "own_kernels_test"):
            self.assertIn(name, outputs)

        print("again, elsewhere: ", end="")
        with workspace(folder / "again", *remote) as second:
            again = second.build(*TARGETS, "--//machete/remote:estimates")
            self.assert_runner(again, "remote cache hit")
            self.assertEqual(second.products(PACKAGE, mode="opt"), outputs)
            for spawn in again:
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
                self.assert_runner(local.build(*TARGETS), runner)
                self.assertEqual(local.products(PACKAGE, mode="opt"), outputs)
        print(f"{len(outputs)} files, four times the same", flush=True)


if __name__ == "__main__":
    # A test that is stopped, stops what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    unittest.main()
