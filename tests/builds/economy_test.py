"""What is compiled again after a change, and that the bytes do not depend on where.

In a copy of the checkout with a small catalogue: two families with a shard each.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path

from tests.builds.workspace import Spawn, Workspace, workspace

KERNELS = "//machete:kernels"
FIRST, SECOND = "bf16_u4b8", "f16_u4b8"
SHARD = "impl_64x32_1x1x1_SlicedK_Tma_StreamK"
OTHER_SHARD = "impl_64x64_1x1x1_SlicedK_Tma_StreamK"

CATALOGUE = "machete/generator/catalogue.py"
IMPL = "templates/impl.cu.j2"

# Goes to the end of the checkout's own catalogue, of which it uses what makes types and schedules.
FAMILIES = """

def _small(a, *schedules):
    types = _weight_only(a, DataType.u4b8).types
    return ImplConfig(types=types, schedules=schedules, heuristic=((None, schedules[0]),))


FAMILIES = (
    _small(DataType.bf16, _sliced_k(32)),
    _small(DataType.f16, _sliced_k(32)),
)
"""


def objects(family: str, *sources: str) -> list[str]:
    """The objects of a family's sources, sorted."""
    return sorted(
        f"{family}.{'shards' if source.startswith('impl_') else 'dispatch'}/{source}.pic.o"
        for source in sources
    )


def compiled(spawns: list[Spawn]) -> list[str]:
    """What was compiled, as `objects` names it."""
    return sorted(spawn.file for spawn in spawns if spawn.mnemonic == "CudaCompile")


def update_shards(where: Workspace) -> None:
    """Does what `bazel run //machete:update_catalogue` does."""
    where.bazel("build", "--disk_cache=", "//machete:catalogue")
    generated = where.bin / "machete/generated_catalogue.bzl"
    (where.root / "machete/private/catalogue.bzl").write_text(generated.read_text())


def make_small(where: Workspace) -> None:
    """Gives a copy of the checkout the small catalogue."""
    catalogue = where.root / CATALOGUE
    catalogue.write_text(catalogue.read_text() + FAMILIES)
    update_shards(where)


class EconomyTest(unittest.TestCase):
    """Each test changes a file of the copy, builds, and changes it back."""

    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        """Builds everything once."""
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # A cache of its own, so that changing back costs little.
        cache = f"--disk_cache={cls.folder}/cache"
        cls.base = cls.enterClassContext(workspace(cls.folder / "base", cache))
        make_small(cls.base)
        cls.first_build = cls.base.build(KERNELS)
        cls.products = cls.base.products("machete")

    def after(self, name: str, change: tuple[str, str]) -> list[Spawn]:
        """What a build executes after a part of a file was replaced by another."""
        path = self.base.root / name
        before = path.read_text()
        self.assertIn(change[0], before)
        path.write_text(before.replace(*change))
        try:
            if name == CATALOGUE:
                update_shards(self.base)
            return [spawn for spawn in self.base.build(KERNELS) if not spawn.cached]
        finally:
            path.write_text(before)
            if name == CATALOGUE:
                update_shards(self.base)
            self.base.build(KERNELS)

    def test_first_build(self):
        sources = ("dispatch", "prepack", SHARD)
        self.assertEqual(
            compiled(self.first_build), objects(FIRST, *sources) + objects(SECOND, *sources)
        )

    def test_nothing_changed(self):
        started = time.monotonic()
        self.assertEqual(self.base.build(KERNELS), [])
        self.assertLess(time.monotonic() - started, 2)

    def test_one_more_schedule(self):
        row = "_small(DataType.bf16, _sliced_k(32)"
        spawns = self.after(CATALOGUE, (row, row + ", _sliced_k(64)"))
        self.assertEqual(compiled(spawns), objects(FIRST, "dispatch", OTHER_SHARD))

    def test_one_family(self):
        row = "_small(DataType.f16, _sliced_k({}))"
        spawns = self.after(CATALOGUE, (row.format(32), row.format(64)))
        self.assertEqual(compiled(spawns), objects(SECOND, "dispatch", OTHER_SHARD))
        # The other is generated again, since the catalogue is one file, and found to be the same.
        others = [spawn for spawn in spawns if f":{FIRST}" in spawn.target]
        self.assertEqual({spawn.mnemonic for spawn in others}, {"Genrule"})

    def test_template_that_renders_the_same(self):
        spawns = self.after(IMPL, ("#include", "{# A note. #}#include"))
        self.assertEqual({spawn.mnemonic for spawn in spawns}, {"Genrule"})

    def test_template_that_renders_other_shards(self):
        spawns = self.after(IMPL, ("#include", "// A note.\n#include"))
        self.assertEqual(compiled(spawns), objects(FIRST, SHARD) + objects(SECOND, SHARD))

    def test_interface(self):
        header = "machete/include/machete/machete.h"
        spawns = self.after(header, ("#pragma once", "#pragma once  // A note."))
        sources = ("dispatch", "prepack")
        self.assertEqual(compiled(spawns), objects(FIRST, *sources) + objects(SECOND, *sources))

    def test_same_bytes_everywhere(self):
        with workspace(self.folder / "elsewhere") as elsewhere:
            make_small(elsewhere)
            for strategy in ("sandboxed", "local"):
                elsewhere.bazel("clean")
                spawns = elsewhere.build(KERNELS, f"--spawn_strategy={strategy}")
                self.assertEqual(compiled(spawns), compiled(self.first_build))
                self.assertEqual(elsewhere.products("machete"), self.products)


if __name__ == "__main__":
    # A test that is stopped, stops what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    unittest.main()
