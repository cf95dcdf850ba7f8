"""A catalogue of one's own: the types of bf16_u4b8 with a single kernel."""

from machete.generator.config import (
    EpilogueSchedule,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
)
from machete.generator.datatypes import DataType

_SCHEDULE = ScheduleConfig(
    tile_shape_mn=(128, 32),
    cluster_shape_mnk=(1, 1, 1),
    kernel_schedule=KernelSchedule.TmaWarpSpecializedCooperative,
    epilogue_schedule=EpilogueSchedule.TmaWarpSpecialized,
    tile_scheduler=TileScheduler.Persistent,
)

FAMILIES = [
    ImplConfig(
        types=TypeConfig(
            a=DataType.bf16,
            b=DataType.u4b8,
            b_group_scale=DataType.bf16,
            b_group_zeropoint=DataType.void,
            b_channel_scale=DataType.f32,
            a_token_scale=DataType.f32,
            out=DataType.bf16,
            accumulator=DataType.f32,
        ),
        schedules=[_SCHEDULE],
        heuristic=[(None, _SCHEDULE)],
    )
]
