"""Every mistake a catalogue can hold, and the words it is refused with."""

import dataclasses
import unittest
from collections.abc import Sequence
from typing import Any

from examples import COOPERATIVE, FAMILY, SLICED_K, STREAMING, STREAMING_WGMMA, TYPES
from machete.generator.config import (
    EpilogueSchedule,
    FastestOf,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    default_types,
)
from machete.generator.constraints import check_families
from machete.generator.costs import COST_TERMS
from machete.generator.datatypes import DataType
from machete.generator.errors import GeneratorError


def _refusal(families: Sequence[ImplConfig]) -> str:
    try:
        check_families(families)
    except GeneratorError as error:
        return str(error)
    return "accepted"


def _with_types(**changes: Any) -> ImplConfig:
    return dataclasses.replace(FAMILY, types=dataclasses.replace(TYPES, **changes))


def _with_schedule(original: ScheduleConfig = COOPERATIVE, **changes: Any) -> ImplConfig:
    schedule = dataclasses.replace(original, **changes)
    return ImplConfig(TYPES, (schedule,), ((None, schedule),))


def _with_scaled_groups(family: ImplConfig) -> ImplConfig:
    return _with_narrow_types(family, DataType.e4m3, DataType.bf16)


def _with_narrow_types(family: ImplConfig, a: DataType, group_scale: DataType) -> ImplConfig:
    types = dataclasses.replace(default_types(a, DataType.u4b8), b_group_scale=group_scale)
    return dataclasses.replace(family, types=types)


def _with_heuristic(*branches: tuple[str | None, Any]) -> ImplConfig:
    return dataclasses.replace(FAMILY, heuristic=branches)


_COSTS = (1.0,) * len(COST_TERMS)
_SPARING_COSTS = tuple(2.5 if term == "spared_steps" else 1.0 for term in COST_TERMS)
_WIDER = dataclasses.replace(COOPERATIVE, tile_shape_mn=(256, 128))

_COOP = KernelSchedule.TmaWarpSpecializedCooperative
_SLICED = KernelSchedule.TmaWarpSpecializedSlicedK
_PERSISTENT = TileScheduler.Persistent

_TYPE_MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"a": DataType.e5m2},
        "family e5m2_u4b8_gsbf16_outbf16, types: a = e5m2; allowed: bf16, f16, e4m3, s8",
    ),
    (
        {"a": "bf16"},
        "types: a = 'bf16'; allowed: bf16, f16, e4m3, s8",
    ),
    (
        {"b": DataType.s4},
        "family bf16_s4, types: b = s4; allowed with a = bf16: u4b8, u4, u8b128, u8, e4m3, e2m1",
    ),
    (
        {"b": DataType.u4},
        "family bf16_u4_zpvoid, types: b_group_zeropoint = void; "
        "allowed with a = bf16, b = u4: bf16",
    ),
    (
        {"b": DataType.u8, "b_group_zeropoint": DataType.u8},
        "family bf16_u8_zpu8, types: b_group_zeropoint = u8; allowed with a = bf16, b = u8: bf16",
    ),
    (
        {"b": DataType.e2m1},
        "family bf16_e2m1_gs, types: b_group_scale = bf16; "
        "allowed with a = bf16, b = e2m1: ue8m0, e4m3",
    ),
    (
        {"b": DataType.e4m3, "b_group_scale": DataType.e4m3},
        "types: b_group_scale = e4m3; allowed with a = bf16, b = e4m3: bf16",
    ),
    (
        {"a": DataType.e4m3, "b": DataType.u8b128},
        "types: b = u8b128; allowed with a = e4m3: u4b8",
    ),
    (
        {"a": DataType.s8},
        "types: accumulator = f32; allowed with a = s8, b = u4b8: s32",
    ),
    (
        {"a": DataType.e4m3, "b_group_scale": DataType.s8},
        "types: b_group_scale = s8; allowed with a = e4m3, b = u4b8: bf16, f16, e4m3, void",
    ),
    (
        {"a": DataType.s8, "b_group_scale": DataType.e4m3},
        "types: b_group_scale = e4m3; allowed with a = s8, b = u4b8: bf16, f16, s8, void",
    ),
    (
        {"a": DataType.e4m3, "out": DataType.e4m3},
        "types: out = e4m3; allowed with a = e4m3, b = u4b8: bf16, f16, f32",
    ),
    (
        {"b_group_scale": DataType.f16},
        "family bf16_u4b8_gsf16, types: b_group_scale = f16; allowed with a = bf16, b = u4b8: bf16",
    ),
    (
        {"b_group_zeropoint": DataType.bf16},
        "family bf16_u4b8_zp, types: b_group_zeropoint = bf16; "
        "allowed with a = bf16, b = u4b8: void",
    ),
    (
        {"b_channel_scale": DataType.bf16},
        "types: b_channel_scale = bf16; allowed with a = bf16, b = u4b8: f32, void",
    ),
    (
        {"a_token_scale": DataType.ue8m0},
        "types: a_token_scale = ue8m0; allowed with a = bf16, b = u4b8: f32, void",
    ),
    (
        {"out": DataType.f16},
        "types: out = f16; allowed with a = bf16, b = u4b8: bf16, f32",
    ),
    (
        {"accumulator": DataType.f16},
        "types: accumulator = f16; allowed with a = bf16, b = u4b8: f32",
    ),
]

_SCHEDULE_MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"tile_shape_mn": (128, 512)},
        "family bf16_u4b8, schedule 128x512_1x1x1_Coop_Tma_StreamK: "
        "tile_shape_mn tokens = 512; "
        "allowed with kernel_schedule = TmaWarpSpecializedCooperative: 16, 32, 64, ",
    ),
    (
        {"tile_shape_mn": (64, 128)},
        "family bf16_u4b8, schedule 64x128_1x1x1_Coop_Tma_StreamK: tile_shape_mn features = 64; "
        "allowed with kernel_schedule = TmaWarpSpecializedCooperative: 128, 192, 256",
    ),
    (
        {"kernel_schedule": _SLICED},
        "tile_shape_mn features = 128; "
        "allowed with kernel_schedule = TmaWarpSpecializedSlicedK: 64",
    ),
    (
        {"tile_shape_mn": (128,)},
        "tile_shape_mn = 128; allowed: tuples of 2 integers",
    ),
    (
        {"cluster_shape_mnk": [1, 1, 1]},
        "cluster_shape_mnk = [1, 1, 1]; allowed: tuples of 3 integers",
    ),
    (
        {"cluster_shape_mnk": 1},
        "cluster_shape_mnk = 1; allowed: tuples of 3 integers",
    ),
    (
        {"kernel_schedule": "KernelTmaWarpSpecializedPingpong"},
        "kernel_schedule = 'KernelTmaWarpSpecializedPingpong'; "
        "allowed: TmaWarpSpecializedCooperative, TmaWarpSpecializedSlicedK, "
        "TmaWarpSpecializedStreaming, TmaWarpSpecializedStreamingWgmma",
    ),
    (
        {"epilogue_schedule": None},
        "epilogue_schedule = None; allowed: TmaWarpSpecialized, NoSmemWarpSpecialized",
    ),
    (
        {"epilogue_schedule": EpilogueSchedule.NoSmemWarpSpecialized},
        "epilogue_schedule = NoSmemWarpSpecialized; "
        "allowed with kernel_schedule = TmaWarpSpecializedCooperative: TmaWarpSpecialized",
    ),
    (
        {"tile_scheduler": _COOP},
        "tile_scheduler = TmaWarpSpecializedCooperative; allowed: Persistent, StreamK",
    ),
    (
        {"cluster_shape_mnk": (1, 2, 1)},
        "schedule 128x128_1x2x1_Coop_Tma_StreamK: cluster_shape_mnk = 1x2x1; "
        "allowed with kernel_schedule = TmaWarpSpecializedCooperative: "
        "1x1x1, 1x1x2, 1x1x4, 2x1x1",
    ),
    (
        {
            "tile_shape_mn": (64, 16),
            "cluster_shape_mnk": (2, 1, 1),
            "kernel_schedule": _SLICED,
        },
        "schedule 64x16_2x1x1_SlicedK_Tma_StreamK: cluster_shape_mnk = 2x1x1; "
        "allowed with kernel_schedule = TmaWarpSpecializedSlicedK: 1x1x1, 1x1x2, 1x1x4",
    ),
    (
        {"cluster_shape_mnk": (1, 1, 2)},
        "tile_scheduler = StreamK; allowed with cluster_shape_mnk = 1x1x2: Persistent",
    ),
    (
        {"tile_shape_mn": (256, 192)},
        "accumulator registers a thread = 192; "
        "allowed with 256 features, cluster_shape_mnk = 1x1x1: 128",
    ),
    (
        {"tile_shape_mn": (192, 192)},
        "accumulator registers a thread = 96; "
        "allowed with 192 features, cluster_shape_mnk = 1x1x1: 64",
    ),
    (
        {"tile_shape_mn": (192, 64)},
        "tile_shape_mn = 192x64: the compiler spills its registers; "
        "allowed: tiles that it does not spill for",
    ),
    (
        {"tile_shape_mn": (64, 256), "kernel_schedule": _SLICED},
        "pipeline stages = 1; allowed: 3 or more (3 take 420912 bytes of shared memory, "
        "the rest 69632, a block has 232448)",
    ),
    (
        {
            "tile_shape_mn": (256, 32),
            "cluster_shape_mnk": (1, 1, 4),
            "tile_scheduler": _PERSISTENT,
        },
        "tile_shape_mn tokens = 32; allowed with cluster_shape_mnk = 1x1x4: multiples of 64",
    ),
]

_STREAMING_MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"tile_shape_mn": (256, 32)},
        "tile_shape_mn features = 256; allowed with kernel_schedule = TmaWarpSpecializedStreaming: "
        "32, 64, 96, 128, 160, 192, 224",
    ),
    (
        {"tile_shape_mn": (224, 32)},
        "tile_shape_mn tokens = 32; "
        "allowed with kernel_schedule = TmaWarpSpecializedStreaming: 8, 16",
    ),
    (
        {"epilogue_schedule": EpilogueSchedule.TmaWarpSpecialized},
        "epilogue_schedule = TmaWarpSpecialized; "
        "allowed with kernel_schedule = TmaWarpSpecializedStreaming: NoSmemWarpSpecialized",
    ),
    (
        {"cluster_shape_mnk": (1, 1, 1)},
        "schedule 224x16_1x1x1_Stream_NoSmem_Persistent: cluster_shape_mnk = 1x1x1; "
        "allowed with kernel_schedule = TmaWarpSpecializedStreaming: 1x1x2",
    ),
    (
        {"tile_scheduler": TileScheduler.StreamK},
        "tile_scheduler = StreamK; allowed with cluster_shape_mnk = 1x1x2: Persistent",
    ),
]

_STREAMING_WGMMA_MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"tile_shape_mn": (224, 32)},
        "tile_shape_mn features = 224; "
        "allowed with kernel_schedule = TmaWarpSpecializedStreamingWgmma: 64, 128, 192, 256",
    ),
    (
        {"tile_shape_mn": (256, 96)},
        "tile_shape_mn tokens = 96; "
        "allowed with kernel_schedule = TmaWarpSpecializedStreamingWgmma: 32, 64",
    ),
    (
        {"tile_shape_mn": (256, 64)},
        "tile_shape_mn tokens = 64; allowed with a = bf16: up to 32 (more may spill registers)",
    ),
]

_HEURISTIC_MISTAKES = [
    (
        (),
        "family bf16_u4b8, heuristic: none; allowed: conditions, then one default (condition None)",
    ),
    (
        (("M <= 16", SLICED_K),),
        "heuristic branch 1 (M <= 16): the last; allowed there: a default (condition None)",
    ),
    (
        ((None, SLICED_K), (None, COOPERATIVE)),
        "heuristic branch 1 (default): a default; allowed: as the last branch only",
    ),
    (
        (("M <= 16 and x > 1", SLICED_K), (None, COOPERATIVE)),
        "heuristic branch 1 (M <= 16 and x > 1): `x` is not allowed; "
        "allowed: comparisons of one of M, N, K with an integer from 0 to 2^63 - 1, "
        "joined by `and`, `or`",
    ),
    (
        ((f"M <= {2**63}", SLICED_K), (None, COOPERATIVE)),
        "heuristic branch 1 (M <= 9223372036854775808): `9223372036854775808` is not allowed; ",
    ),
    (
        (("M <= 16", SLICED_K), ("M <= 8", COOPERATIVE), (None, COOPERATIVE)),
        "heuristic branch 2 (M <= 8): never the first that holds; allowed: reachable ones",
    ),
    (
        ((None, _WIDER),),
        "heuristic branch 1 (default): schedule 256x128_1x1x1_Coop_Tma_StreamK is not one of the "
        "family's; allowed: 64x16_1x1x1_SlicedK_Tma_StreamK, 128x128_1x1x1_Coop_Tma_StreamK",
    ),
    (
        ((None, FastestOf(())),),
        "heuristic branch 1 (default): the fastest of no schedules; allowed: of one or more",
    ),
    (
        ((None, FastestOf(((COOPERATIVE, _COSTS), (_WIDER, _COSTS)))),),
        "heuristic branch 1 (default): schedule 256x128_1x1x1_Coop_Tma_StreamK is not one of the "
        "family's; allowed: 64x16_1x1x1_SlicedK_Tma_StreamK, 128x128_1x1x1_Coop_Tma_StreamK",
    ),
    (
        ((None, FastestOf(((COOPERATIVE, _COSTS), (COOPERATIVE, _COSTS)))),),
        "heuristic branch 1 (default): schedule 128x128_1x1x1_Coop_Tma_StreamK: "
        "stated 2 times; allowed: once",
    ),
    (
        ((None, FastestOf(((COOPERATIVE, (1.0, 2.0)),))),),
        "heuristic branch 1 (default): costs of schedule 128x128_1x1x1_Coop_Tma_StreamK = "
        f"(1.0, 2.0); allowed: {len(COST_TERMS)} numbers, none negative (launch, tiles, ",
    ),
    (
        ((None, FastestOf(((COOPERATIVE, _SPARING_COSTS),))),),
        "heuristic branch 1 (default): costs of schedule 128x128_1x1x1_Coop_Tma_StreamK: "
        "spared_steps = 2.5; allowed: not more than steps + busy_steps = 2.0",
    ),
    (
        ((None, FastestOf(((COOPERATIVE, (-1.0, *_COSTS[1:])),))),),
        "costs of schedule 128x128_1x1x1_Coop_Tma_StreamK = (-1.0, 1.0, ",
    ),
]


class ConstraintsTest(unittest.TestCase):
    """One mistake at a time, then several."""

    def test_types(self) -> None:
        for changes, message in _TYPE_MISTAKES:
            with self.subTest(changes):
                self.assertIn(message, _refusal([_with_types(**changes)]))

    def test_schedules(self) -> None:
        for changes, message in _SCHEDULE_MISTAKES:
            with self.subTest(changes):
                self.assertIn(message, _refusal([_with_schedule(**changes)]))

    def test_streaming_schedules(self) -> None:
        for changes, message in _STREAMING_MISTAKES:
            with self.subTest(changes):
                self.assertIn(message, _refusal([_with_schedule(STREAMING, **changes)]))
        for changes, message in _STREAMING_WGMMA_MISTAKES:
            with self.subTest(changes):
                self.assertIn(message, _refusal([_with_schedule(STREAMING_WGMMA, **changes)]))

    def test_heuristics(self) -> None:
        for branches, message in _HEURISTIC_MISTAKES:
            with self.subTest(branches):
                self.assertIn(message, _refusal([_with_heuristic(*branches)]))

    def test_lists(self) -> None:
        schedules = FAMILY.schedules
        cases = [
            ([], "the catalogue has no families"),
            ([FAMILY, FAMILY], "family bf16_u4b8: stated 2 times; allowed: once"),
            (
                [dataclasses.replace(FAMILY, schedules=())],
                "family bf16_u4b8, schedules: none; allowed: one or more",
            ),
            (
                [dataclasses.replace(FAMILY, schedules=33 * schedules[:1])],
                "family bf16_u4b8, schedules: 33; allowed: up to 32",
            ),
            (
                [dataclasses.replace(FAMILY, schedules=(*schedules, COOPERATIVE))],
                "family bf16_u4b8, schedule 128x128_1x1x1_Coop_Tma_StreamK: "
                "stated 2 times; allowed: once",
            ),
        ]
        for families, message in cases:
            with self.subTest(message):
                self.assertIn(message, _refusal(families))

    def test_all_problems_are_reported_together(self) -> None:
        worst = _with_schedule(tile_shape_mn=(64, 512), cluster_shape_mnk=(4, 4, 4))
        refusal = _refusal([worst, _with_types(out=DataType.f16, accumulator=DataType.f16)])
        self.assertEqual(
            [line.split("; ")[0].rpartition(": ")[2] for line in refusal.splitlines()],
            [
                "tile_shape_mn features = 64",
                "tile_shape_mn tokens = 512",
                "cluster_shape_mnk = 4x4x4",
                "out = f16",
                "accumulator = f16",
            ],
        )

    def test_what_is_right_is_accepted(self) -> None:
        changes: list[dict[str, Any]] = [
            {},
            {"tile_scheduler": _PERSISTENT},
            {"cluster_shape_mnk": (2, 1, 1)},
            {"tile_shape_mn": (192, 96)},
            {"tile_shape_mn": (128, 192)},
            {"tile_shape_mn": (128, 256)},
            {"tile_shape_mn": (128, 256), "cluster_shape_mnk": (2, 1, 1)},
            {
                "tile_shape_mn": (128, 256),
                "cluster_shape_mnk": (1, 1, 4),
                "tile_scheduler": _PERSISTENT,
            },
            {
                "tile_shape_mn": (64, 64),
                "kernel_schedule": _SLICED,
                "cluster_shape_mnk": (1, 1, 4),
                "tile_scheduler": _PERSISTENT,
            },
        ]
        for change in changes:
            with self.subTest(change):
                self.assertEqual(_refusal([_with_schedule(**change)]), "accepted")
        for tile in ((128, 192), (128, 256), (256, 64)):
            with self.subTest(tile):
                family = _with_schedule(tile_shape_mn=tile)
                self.assertEqual(_refusal([_with_scaled_groups(family)]), "accepted")
        for a in (DataType.e4m3, DataType.s8):
            for tile in ((128, 256), (256, 128)):
                with self.subTest(a=a, tile=tile):
                    family = _with_schedule(tile_shape_mn=tile)
                    family = _with_narrow_types(family, a, a)
                    self.assertEqual(_refusal([family]), "accepted")
        for tile in ((32, 8), (224, 8), (224, 16)):
            with self.subTest(tile):
                family = _with_schedule(STREAMING, tile_shape_mn=tile)
                self.assertEqual(_refusal([family]), "accepted")

    def test_groups_that_are_scaled_apart_take_registers(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            (
                {"tile_shape_mn": (256, 128)},
                "accumulator registers a thread = 192; "
                "allowed with 256 features, cluster_shape_mnk = 1x1x1: 128",
            ),
            (
                {"tile_shape_mn": (128, 192), "cluster_shape_mnk": (2, 1, 1)},
                "accumulator registers a thread = 192; "
                "allowed with 128 features, cluster_shape_mnk = 2x1x1: 128",
            ),
            (
                {"tile_shape_mn": (192, 128)},
                "accumulator registers a thread = 128; "
                "allowed with 192 features, cluster_shape_mnk = 1x1x1: 64",
            ),
        ]
        for change, message in cases:
            with self.subTest(message):
                family = _with_scaled_groups(_with_schedule(**change))
                self.assertIn(message, _refusal([family]))


if __name__ == "__main__":
    unittest.main()
