"""Rendered files: which change with what, and how they are written."""

import dataclasses
import os
import re
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from examples import COOPERATIVE, FAMILY, SLICED_K, STREAMING, STREAMING_WGMMA
from machete.generator.catalogue import FAMILIES
from machete.generator.config import FastestOf, ImplConfig
from machete.generator.costs import COST_TERMS
from machete.generator.datatypes import DataType
from machete.generator.render import family_files, render_family, write_files


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {file for file in before.keys() | after.keys() if before.get(file) != after.get(file)}


class RenderTest(unittest.TestCase):
    """The content of the files."""

    def test_files(self) -> None:
        files = [
            "dispatch.cu",
            "impl_128x128_1x1x1_Coop_Tma_StreamK.cu",
            "impl_64x16_1x1x1_SlicedK_Tma_StreamK.cu",
            "prepack.cu",
        ]
        self.assertEqual(family_files(FAMILY), files)
        self.assertEqual(sorted(render_family(FAMILY)), files)

    def test_no_anonymous_namespaces(self) -> None:
        """They are named by the source's absolute path, which the objects then depend on."""
        for text in render_family(FAMILY).values():
            self.assertNotRegex(text, r"namespace\s*{")

    def test_a_new_schedule_changes_its_shard_and_the_dispatch(self) -> None:
        wider = dataclasses.replace(COOPERATIVE, tile_shape_mn=(256, 128))
        family = dataclasses.replace(
            FAMILY,
            schedules=(wider, *FAMILY.schedules),
            heuristic=(("N >= 32768", wider), *FAMILY.heuristic),
        )
        self.assertEqual(
            _changed(render_family(FAMILY), render_family(family)),
            {"dispatch.cu", "impl_256x128_1x1x1_Coop_Tma_StreamK.cu"},
        )

    def test_a_new_heuristic_changes_the_dispatch(self) -> None:
        family = dataclasses.replace(FAMILY, heuristic=((None, SLICED_K),))
        self.assertEqual(_changed(render_family(FAMILY), render_family(family)), {"dispatch.cu"})

    def test_the_order_of_schedules_does_not_matter(self) -> None:
        family = dataclasses.replace(FAMILY, schedules=FAMILY.schedules[::-1])
        self.assertEqual(render_family(FAMILY), render_family(family))

    def test_the_heuristic_is_written_from_its_meaning(self) -> None:
        family = dataclasses.replace(
            FAMILY, heuristic=(("16 >= M or  8<N", SLICED_K), (None, COOPERATIVE))
        )
        self.assertIn("\n  if (M <= 16 || N > 8) return ", render_family(family)["dispatch.cu"])

    def test_the_fastest_is_chosen_among_candidates(self) -> None:
        costs = [tuple(float(10 * s + i) for i in range(len(COST_TERMS))) for s in (1, 2)]
        fastest = FastestOf(((SLICED_K, costs[0]), (COOPERATIVE, costs[1])))
        family = dataclasses.replace(
            FAMILY, heuristic=(("M <= 8", SLICED_K), ("N > 8", fastest), (None, fastest))
        )
        dispatch = render_family(family)["dispatch.cu"]
        # Indices in the table of schedules, which is sorted by name.
        self.assertIn("{ 1, { 10.0, 11.0, ", dispatch)
        self.assertIn("{ 0, { 20.0, 21.0, ", dispatch)
        call = "return find_fastest(kSchedules, resident_clusters, kCandidates"
        self.assertIn("\n  if (M <= 8) return 1;  // 64x16_", dispatch)
        self.assertIn(f"\n  if (N > 8) {call}1, M, N, K);\n  {call}2, M, N, K);\n}}", dispatch)

    def test_text(self) -> None:
        for family in FAMILIES:
            for file, text in render_family(family).items():
                with self.subTest(file):
                    self.assertTrue(
                        text.startswith(
                            "// Written by machete.generator from the catalogue: do not edit.\n"
                        )
                    )
                    self.assertTrue(text.endswith("\n") and not text.endswith("\n\n"))
                    self.assertNotRegex(text, r"[ \t]\n|\{\{|\{%|\n\n\n")

    def test_the_wgmma_follows_types_and_tile(self) -> None:
        f16 = dataclasses.replace(
            FAMILY.types, a=DataType.f16, b_group_scale=DataType.f16, out=DataType.f16
        )
        shards = render_family(ImplConfig(f16, FAMILY.schedules, FAMILY.heuristic))
        self.assertIn(
            "cute::SM90::GMMA::MMA_64x16x16_F32F16F16_RS<",
            shards["impl_64x16_1x1x1_SlicedK_Tma_StreamK.cu"],
        )

    def test_a_wgmma_in_a_header_apart(self) -> None:
        common = dataclasses.replace(COOPERATIVE, tile_shape_mn=(256, 128))
        shards = render_family(
            dataclasses.replace(FAMILY, schedules=(*FAMILY.schedules, common)),
        )
        asks = [name for name, text in shards.items() if "EXTENDED_MMA" in text]
        self.assertEqual(asks, ["impl_128x128_1x1x1_Coop_Tma_StreamK.cu"])

    def test_a_wgmma_for_every_width_or_part(self) -> None:
        wide = dataclasses.replace(COOPERATIVE, tile_shape_mn=(128, 256))
        scaled_apart = dataclasses.replace(
            FAMILY.types,
            a=DataType.e4m3,
            b_channel_scale=DataType.f32,
            a_token_scale=DataType.f32,
        )
        for types, sizes in ((FAMILY.types, [176, 208, 256]), (scaled_apart, [128])):
            shards = render_family(ImplConfig(types, (wide,), ((None, wide),)))
            found = re.findall(r"MMA_64x(\d+)x", shards["impl_128x256_1x1x1_Coop_Tma_StreamK.cu"])
            with self.subTest(sizes):
                self.assertEqual([int(tokens) for tokens in found], sizes)

    def test_a_shard_includes_its_kernel_alone(self) -> None:
        family = dataclasses.replace(
            FAMILY, schedules=(*FAMILY.schedules, STREAMING, STREAMING_WGMMA)
        )
        shards = render_family(family)
        for shard, kernel in (
            ("impl_128x128_1x1x1_Coop_Tma_StreamK.cu", "gemm"),
            ("impl_64x16_1x1x1_SlicedK_Tma_StreamK.cu", "gemm"),
            ("impl_224x16_1x1x2_Stream_NoSmem_Persistent.cu", "streaming_mma"),
            ("impl_256x32_1x1x2_StreamWgmma_NoSmem_Persistent.cu", "streaming_wgmma"),
        ):
            with self.subTest(shard):
                includes = re.findall('#include "(.*)"', shards[shard])
                self.assertEqual(includes, [f"machete/kernel/{kernel}_entry.cuh"])

    def test_a_streaming_shard_says_no_more_than_its_kernel_reads(self) -> None:
        family = ImplConfig(FAMILY.types, (STREAMING,), ((None, STREAMING),))
        shard = render_family(family)["impl_224x16_1x1x2_Stream_NoSmem_Persistent.cu"]
        _, _, schedule = shard.partition("struct Schedule_")
        self.assertEqual(
            re.findall(r"constexpr \w+ (\w+) = (\w+);", schedule),
            [("kTileN", "224"), ("kTileM", "16")],
        )
        self.assertIn("kWidths[] = {8, 16};", shard)
        self.assertNotIn("GMMA", shard)

    def test_a_streaming_shard_names_the_wgmma_of_its_tokens(self) -> None:
        family = ImplConfig(FAMILY.types, (STREAMING_WGMMA,), ((None, STREAMING_WGMMA),))
        shard = render_family(family)["impl_256x32_1x1x2_StreamWgmma_NoSmem_Persistent.cu"]
        self.assertIn("cute::SM90::GMMA::MMA_64x32x16_F32BF16BF16_RS<", shard)
        self.assertNotIn("kStages", shard)

    def test_all_families_take_less_than_a_second(self) -> None:
        start = time.process_time()
        for family in FAMILIES:
            render_family(family)
        self.assertLess(time.process_time() - start, 1)


class WriteTest(unittest.TestCase):
    """The way to the disk."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def _names(self) -> list[str]:
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*"))

    def test_folders_are_made(self) -> None:
        write_files({self.folder / "a" / "b.cu": "é\n"})
        self.assertEqual((self.folder / "a" / "b.cu").read_bytes(), "é\n".encode())
        self.assertEqual(self._names(), ["a", "a/b.cu"])

    def test_equal_files_are_untouched_and_others_replaced(self) -> None:
        same, other = self.folder / "same.cu", self.folder / "other.cu"
        write_files({same: "1\n", other: "1\n"})
        for path in (same, other):
            os.utime(path, (0, 0))
        write_files({same: "1\n", other: "2\n"})
        self.assertEqual(same.stat().st_mtime, 0)
        self.assertNotEqual(other.stat().st_mtime, 0)
        self.assertEqual(other.read_text(), "2\n")

    def test_a_failure_leaves_everything_as_it_was(self) -> None:
        first, second = self.folder / "first.cu", self.folder / "second.cu"
        write_files({first: "1\n", second: "1\n"})
        write_bytes = Path.write_bytes

        def fail_on_second(path: Path, content: bytes) -> int:
            if "second" in path.name:
                write_bytes(path, content[:1])
                raise OSError("disk full")
            return write_bytes(path, content)

        with mock.patch.object(Path, "write_bytes", fail_on_second), self.assertRaises(OSError):
            write_files({first: "2\n", second: "2\n"})
        self.assertEqual((first.read_text(), second.read_text()), ("1\n", "1\n"))
        self.assertEqual(self._names(), ["first.cu", "second.cu"])


if __name__ == "__main__":
    unittest.main()
