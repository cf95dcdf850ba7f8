"""A small valid family, for tests to alter."""

import dataclasses
from typing import Any

from machete.generator.config import (
    EpilogueSchedule,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
    generate_sch_sig,
)
from machete.generator.datatypes import DataType

TYPES = TypeConfig(
    a=DataType.bf16,
    b=DataType.u4b8,
    b_group_scale=DataType.bf16,
    b_group_zeropoint=DataType.void,
    b_channel_scale=DataType.f32,
    a_token_scale=DataType.f32,
    out=DataType.bf16,
    accumulator=DataType.f32,
)

COOPERATIVE = ScheduleConfig(
    tile_shape_mn=(128, 128),
    cluster_shape_mnk=(1, 1, 1),
    kernel_schedule=KernelSchedule.TmaWarpSpecializedCooperative,
    epilogue_schedule=EpilogueSchedule.TmaWarpSpecialized,
    tile_scheduler=TileScheduler.StreamK,
)

SLICED_K = dataclasses.replace(
    COOPERATIVE,
    tile_shape_mn=(64, 16),
    kernel_schedule=KernelSchedule.TmaWarpSpecializedSlicedK,
)

STREAMING = ScheduleConfig(
    tile_shape_mn=(224, 16),
    cluster_shape_mnk=(1, 1, 2),
    kernel_schedule=KernelSchedule.TmaWarpSpecializedStreaming,
    epilogue_schedule=EpilogueSchedule.NoSmemWarpSpecialized,
    tile_scheduler=TileScheduler.Persistent,
)

STREAMING_WGMMA = dataclasses.replace(
    STREAMING,
    tile_shape_mn=(256, 32),
    kernel_schedule=KernelSchedule.TmaWarpSpecializedStreamingWgmma,
)

FAMILY = ImplConfig(
    types=TYPES,
    schedules=(SLICED_K, COOPERATIVE),
    heuristic=(("M <= 16", SLICED_K), (None, COOPERATIVE)),
)


def describe(family: ImplConfig) -> dict[str, Any]:
    """Describes a family in the way that described.py reads it."""
    types = dataclasses.fields(family.types)
    return {
        "types": {field.name: getattr(family.types, field.name).name for field in types},
        "schedules": [
            {
                "tile": list(schedule.tile_shape_mn),
                "cluster": list(schedule.cluster_shape_mnk),
                "kernel": schedule.kernel_schedule.name,
                "epilogue": schedule.epilogue_schedule.name,
                "scheduler": schedule.tile_scheduler.name,
            }
            for schedule in family.schedules
        ],
        "heuristic": [
            [condition, generate_sch_sig(schedule)] for condition, schedule in family.heuristic
        ],
    }
