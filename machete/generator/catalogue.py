"""The catalogue: every family Machete is built with, its schedules and its heuristic.

To add a schedule, state it here and name it in the heuristic; to add a family, add an ImplConfig
whose types the table in constraints.py allows. Then `bazel run //machete:update_catalogue`.
"""

from pathlib import Path

from machete.generator.config import (
    EpilogueSchedule,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
)
from machete.generator.costs import fastest_of, read_costs
from machete.generator.datatypes import DataType


def _cooperative(features: int, tokens: int, cluster_features: int = 1) -> ScheduleConfig:
    return ScheduleConfig(
        tile_shape_mn=(features, tokens),
        cluster_shape_mnk=(cluster_features, 1, 1),
        kernel_schedule=KernelSchedule.TmaWarpSpecializedCooperative,
        epilogue_schedule=EpilogueSchedule.TmaWarpSpecialized,
        tile_scheduler=TileScheduler.StreamK,
    )


def _sliced_k(tokens: int, cluster_k: int = 1) -> ScheduleConfig:
    # CTAs of a cluster that split K meet in shared memory: nothing is left for stream-K to share.
    return ScheduleConfig(
        tile_shape_mn=(64, tokens),
        cluster_shape_mnk=(1, 1, cluster_k),
        kernel_schedule=KernelSchedule.TmaWarpSpecializedSlicedK,
        epilogue_schedule=EpilogueSchedule.TmaWarpSpecialized,
        tile_scheduler=TileScheduler.StreamK if cluster_k == 1 else TileScheduler.Persistent,
    )


_WEIGHT_ONLY_SCHEDULES = (
    _sliced_k(16),
    _sliced_k(16, cluster_k=2),
    _cooperative(128, 16),
    _sliced_k(32),
    _cooperative(256, 32),
    _sliced_k(64),
    _cooperative(128, 64),
    _cooperative(256, 64),
    _cooperative(128, 128),
    _cooperative(192, 128),
    _cooperative(256, 128),
    _cooperative(128, 256, cluster_features=2),
)

# Fitted to the times of every schedule on many layers; docs/tuning.md says how, and how well.
_WEIGHT_ONLY_COSTS = read_costs(Path(__file__).with_name("u4b8_costs.csv"))
_WEIGHT_ONLY_HEURISTIC = ((None, fastest_of(_WEIGHT_ONLY_SCHEDULES, _WEIGHT_ONLY_COSTS)),)


def _weight_only(a: DataType, b: DataType) -> ImplConfig:
    """16-bit activations, weights with a group scale of the same type and nothing else."""
    void = DataType.void
    return ImplConfig(
        types=TypeConfig(
            a=a,
            b=b,
            b_group_scale=a,
            b_group_zeropoint=void,
            b_channel_scale=void,
            a_token_scale=void,
            out=a,
            accumulator=DataType.f32,
        ),
        schedules=_WEIGHT_ONLY_SCHEDULES,
        heuristic=_WEIGHT_ONLY_HEURISTIC,
    )


FAMILIES = (
    _weight_only(DataType.bf16, DataType.u4b8),
    _weight_only(DataType.f16, DataType.u4b8),
)
