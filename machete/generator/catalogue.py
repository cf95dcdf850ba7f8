"""The catalogue: every family Machete is built with, its schedules and its heuristic.

To add a schedule, state it here and name it in the heuristic; to add a family, add an ImplConfig
whose types the table in constraints.py allows. Then `bazel run //machete:update_catalogue`.
"""

from machete.generator.config import (
    EpilogueSchedule,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
)
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

# Found by timing every schedule on eight layers of Llama-3 (docs/performance.md). With few tokens
# the narrowest tile that covers them, along few features because more of those tiles fill the GPU;
# wide layers have features enough for wide tiles. From 128 tokens on, the largest tile whose last
# wave is not mostly idle.
_WEIGHT_ONLY_HEURISTIC = (
    # 66 tiles of 64 features: two CTAs for each on 132 SMs.
    ("M <= 16 and N <= 4224", _sliced_k(16, cluster_k=2)),
    ("M <= 16 and N < 16384", _sliced_k(16)),
    ("M <= 16 and N < 40960", _cooperative(256, 32)),
    ("M <= 16", _cooperative(128, 16)),
    ("M <= 32 and N < 10240 and K < 28672", _sliced_k(32)),
    ("M <= 32", _cooperative(256, 32)),
    ("M <= 64 and (N >= 10240 or K >= 28672)", _cooperative(256, 64)),
    ("M <= 64 and K >= 14336", _cooperative(128, 64)),
    ("M <= 64", _sliced_k(64)),
    ("M <= 128 and N <= 4224 and K <= 4096", _sliced_k(64)),
    ("M <= 128 and N < 24576", _cooperative(128, 128)),
    ("M <= 128", _cooperative(256, 128)),
    ("M <= 256 and N >= 10240", _cooperative(128, 256, cluster_features=2)),
    ("M <= 384 and N < 24576", _cooperative(128, 128)),
    # One wave of 192 features where 256 would leave a third of the GPU idle.
    ("M <= 512 and 5120 < N <= 6336", _cooperative(192, 128)),
    ("M <= 512 and (N <= 6336 or 8448 < N < 16384)", _cooperative(128, 128)),
    ("M <= 1024 and 4224 < N <= 6336", _cooperative(128, 128)),
    (None, _cooperative(256, 128)),
)


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
