"""Names of schedules, of combinations of types, and the types' own facts."""

import dataclasses
import itertools
import unittest
from collections.abc import Iterable
from typing import Any

import examples
from machete.generator.config import (
    EpilogueSchedule,
    KernelSchedule,
    PrepackTypeConfig,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
    generate_sch_sig,
    generate_type_option_name,
    generate_type_signature,
    prepack_types,
)
from machete.generator.datatypes import DataType


def _single_changes(types: TypeConfig) -> list[TypeConfig]:
    return [
        dataclasses.replace(types, **{field.name: value})
        for field in dataclasses.fields(types)
        for value in DataType
    ]


class NamesTest(unittest.TestCase):
    """What a name says, and that no two things share one."""

    def test_schedule(self) -> None:
        self.assertEqual(generate_sch_sig(examples.COOPERATIVE), "128x128_1x1x1_Coop_Tma_StreamK")
        self.assertEqual(generate_sch_sig(examples.SLICED_K), "64x16_1x1x1_SlicedK_Tma_StreamK")
        self.assertEqual(
            generate_sch_sig(examples.STREAMING), "224x16_1x1x2_Stream_NoSmem_Persistent"
        )

    def test_every_field_of_a_schedule_takes_part(self) -> None:
        values: list[Iterable[Any]] = [
            [(64, 16), (128, 16), (64, 128)],
            [(1, 1, 1), (2, 1, 1), (1, 1, 2)],
            KernelSchedule,
            EpilogueSchedule,
            TileScheduler,
        ]
        schedules = [ScheduleConfig(*fields) for fields in itertools.product(*values)]
        names = {generate_sch_sig(schedule) for schedule in schedules}
        self.assertEqual(len(names), len(schedules))

    def test_type_signature(self) -> None:
        self.assertEqual(
            generate_type_signature(examples.TYPES), "bf16_u4b8_bf16_void_f32_f32_bf16_f32"
        )

    def test_type_option_name(self) -> None:
        void, f16, f32 = DataType.void, DataType.f16, DataType.f32
        cases = [
            ({}, "bf16_u4b8"),
            ({"b_group_zeropoint": DataType.bf16}, "bf16_u4b8_zp"),
            ({"b": DataType.u4, "b_group_zeropoint": DataType.bf16}, "bf16_u4"),
            ({"b": DataType.u4, "b_group_zeropoint": f16}, "bf16_u4_zpf16"),
            ({"b": DataType.u8}, "bf16_u8_zpvoid"),
            ({"b": DataType.e4m3}, "bf16_e4m3"),
            ({"b": DataType.e2m1, "b_group_scale": DataType.ue8m0}, "bf16_e2m1"),
            ({"b": DataType.e2m1, "b_group_scale": DataType.e4m3}, "bf16_e2m1_gse4m3"),
            ({"a": DataType.e4m3}, "e4m3_u4b8"),
            ({"a": DataType.e4m3, "b_group_scale": DataType.e4m3}, "e4m3_u4b8_gs"),
            ({"a": DataType.e4m3, "b_group_scale": void}, "e4m3_u4b8_gsvoid"),
            ({"a": DataType.s8, "accumulator": DataType.s32}, "s8_u4b8"),
            ({"a": DataType.s8}, "s8_u4b8_accf32"),
            ({"b_group_scale": f16}, "bf16_u4b8_gsf16"),
            ({"b_group_scale": void, "b_channel_scale": void}, "bf16_u4b8_gsvoid_csvoid"),
            ({"a_token_scale": void, "out": f32}, "bf16_u4b8_tsvoid_outf32"),
            ({"accumulator": f16}, "bf16_u4b8_accf16"),
        ]
        for change, name in cases:
            with self.subTest(name):
                types = dataclasses.replace(examples.TYPES, **change)
                self.assertEqual(generate_type_option_name(types), name)

    def test_every_field_of_the_types_takes_part(self) -> None:
        # All pairs of changes: two that cancel out in a name would show.
        combinations = {
            types for once in _single_changes(examples.TYPES) for types in _single_changes(once)
        }
        for name in (generate_type_signature, generate_type_option_name):
            self.assertEqual(len(set(map(name, combinations))), len(combinations))

    def test_prepacking_depends_on_a_part_of_the_types(self) -> None:
        self.assertEqual(
            prepack_types(examples.TYPES),
            PrepackTypeConfig(DataType.bf16, 4, DataType.bf16, DataType.f32),
        )

    def test_data_types(self) -> None:
        self.assertEqual(DataType.bf16.cpp, "DataType::kBF16")
        self.assertEqual((DataType.u4b8.bits, DataType.u4b8.bias), (4, 8))
        self.assertEqual((DataType.u8b128.bytes, DataType.u8b128.bias), (1, 128))
        self.assertEqual(len({type_.cpp for type_ in DataType}), len(DataType))


if __name__ == "__main__":
    unittest.main()
