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

# Written by hand from the times of every schedule on 25 layers (N from 1024 to 57344, K from 2048
# to 28672) with 15 values of M each; docs/performance.md says how far it is from the fastest. With
# few tokens the narrowest tile that covers them, along few features because more of those tiles
# fill the GPU; wide layers have features enough for wide tiles. From 128 tokens on, the largest
# tile whose last wave is not mostly idle. The times are of 4-bit weights.
_WEIGHT_ONLY_HEURISTIC = (
    # 66 tiles of 64 features: two CTAs for each on 132 SMs.
    ("M <= 16 and 1408 < N <= 4224", _sliced_k(16, cluster_k=2)),
    ("M <= 16 and N <= 11264", _sliced_k(16)),
    ("M <= 16 and 20480 < N <= 32768", _cooperative(256, 32)),
    ("M <= 16", _cooperative(128, 16)),
    ("M <= 32 and K < 28672 and (N < 10240 or N <= 20480 and K <= 5120)", _sliced_k(32)),
    ("M <= 32", _cooperative(256, 32)),
    ("M <= 96 and N <= 2560", _sliced_k(32)),
    ("M <= 64 and (N > 20480 or K >= 28672 or N > 8448 and K >= 8192)", _cooperative(256, 64)),
    ("M <= 64 and N <= 4224 and K <= 9472", _sliced_k(64)),
    ("M <= 64 and 5632 < N <= 8448", _sliced_k(64)),
    ("M <= 64", _cooperative(128, 64)),
    ("M <= 128 and N <= 4224 and K <= 9472", _sliced_k(64)),
    ("M <= 96 and 16384 < N < 24576", _cooperative(192, 128)),
    ("M <= 128 and N < 24576", _cooperative(128, 128)),
    ("M <= 128", _cooperative(256, 128)),
    ("M <= 256 and N <= 2560", _sliced_k(64)),
    ("M <= 192 and N <= 6592", _cooperative(128, 64)),
    ("M <= 192", _cooperative(256, 64)),
    ("M <= 256 and (N > 24576 or 8448 < N < 11264)", _cooperative(128, 256, cluster_features=2)),
    ("M <= 256", _cooperative(128, 128)),
    ("M <= 320 and N <= 3328", _cooperative(128, 64)),
    ("M <= 320 and N <= 4224", _cooperative(192, 128)),
    ("M <= 320 and K <= 4608", _cooperative(256, 64)),
    ("M <= 320", _cooperative(256, 128)),
    ("M <= 512 and (N <= 4224 or 8448 < N < 12288)", _cooperative(128, 128)),
    ("M <= 512 and N <= 6592", _cooperative(192, 128)),
    ("M <= 512", _cooperative(256, 128)),
    ("M <= 640 and (N <= 3328 or N > 4864 and K <= 7680)", _cooperative(128, 128)),
    ("M <= 640 and N <= 4864", _cooperative(192, 128)),
    ("M <= 1024 and (N <= 2560 or 4224 < N <= 6592)", _cooperative(128, 128)),
    ("M <= 1500 and 1408 < N <= 3328", _cooperative(192, 128)),
    ("N <= 3328", _cooperative(128, 128)),
    (None, _cooperative(256, 128)),
)

# By bits of a weight: what stands in for schedules that do not fit. Three stages of 128 x 256 have
# no room with 8 bits; 256 x 128 shares activations between two CTAs as well.
_STAND_INS = {
    4: {},
    8: {_cooperative(128, 256, cluster_features=2): _cooperative(256, 128, cluster_features=2)},
}


def _weight_only(a: DataType, b: DataType) -> ImplConfig:
    """16-bit activations, weights with a group scale of the same type and nothing else."""
    void = DataType.void
    stand_ins = _STAND_INS[b.bits]
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
        schedules=tuple(stand_ins.get(known, known) for known in _WEIGHT_ONLY_SCHEDULES),
        heuristic=tuple(
            (condition, stand_ins.get(known, known)) for condition, known in _WEIGHT_ONLY_HEURISTIC
        ),
    )


FAMILIES = tuple(
    _weight_only(a, b)
    for a in (DataType.bf16, DataType.f16)
    for b in (DataType.u4b8, DataType.u8b128)
)
