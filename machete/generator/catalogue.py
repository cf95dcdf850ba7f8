"""The catalogue: every family Machete is built with, its schedules and its heuristic.

To add a schedule, state it here and name it in the heuristic; to add a family, add an ImplConfig
whose types the table in constraints.py allows. Then `bazel run //machete:update_catalogue`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from machete.generator.config import (
    EpilogueSchedule,
    FastestOf,
    ImplConfig,
    KernelSchedule,
    ScheduleConfig,
    TileScheduler,
    TypeConfig,
    default_types,
    generate_type_option_name,
)
from machete.generator.costs import Costs, fastest_of, read_costs
from machete.generator.datatypes import DataType
from machete.generator.resources import promotes, widths


def _streaming(tokens: int) -> ScheduleConfig:
    by_warps = tokens <= 16
    return ScheduleConfig(
        tile_shape_mn=(224 if by_warps else 256, tokens),
        cluster_shape_mnk=(1, 1, 2),
        kernel_schedule=KernelSchedule.TmaWarpSpecializedStreaming
        if by_warps
        else KernelSchedule.TmaWarpSpecializedStreamingWgmma,
        epilogue_schedule=EpilogueSchedule.NoSmemWarpSpecialized,
        tile_scheduler=TileScheduler.Persistent,
    )


def _cooperative(
    features: int, tokens: int, cluster_features: int = 1, cluster_k: int = 1
) -> ScheduleConfig:
    return ScheduleConfig(
        tile_shape_mn=(features, tokens),
        cluster_shape_mnk=(cluster_features, 1, cluster_k),
        kernel_schedule=KernelSchedule.TmaWarpSpecializedCooperative,
        epilogue_schedule=EpilogueSchedule.TmaWarpSpecialized,
        tile_scheduler=_scheduler(cluster_k),
    )


def _sliced_k(tokens: int, cluster_k: int = 1) -> ScheduleConfig:
    return ScheduleConfig(
        tile_shape_mn=(64, tokens),
        cluster_shape_mnk=(1, 1, cluster_k),
        kernel_schedule=KernelSchedule.TmaWarpSpecializedSlicedK,
        epilogue_schedule=EpilogueSchedule.TmaWarpSpecialized,
        tile_scheduler=_scheduler(cluster_k),
    )


def _scheduler(cluster_k: int) -> TileScheduler:
    # CTAs of a cluster that split K meet in shared memory: nothing is left for stream-K to share.
    return TileScheduler.StreamK if cluster_k == 1 else TileScheduler.Persistent


_WIDE = _cooperative(256, 64)

# Twelve at most; docs/tuning.md says how they were chosen.
_WEIGHT_ONLY_SCHEDULES = (
    _streaming(16),
    _streaming(32),
    _sliced_k(32),
    _sliced_k(64),
    _sliced_k(64, cluster_k=2),
    _cooperative(128, 96),
    _cooperative(128, 128),
    _cooperative(128, 128, cluster_k=2),
    _cooperative(128, 160),
    _cooperative(128, 256, cluster_features=2),
    _cooperative(192, 128),
    _WIDE,
)


_PAIRS = 66
"""Of CTAs of a streaming kernel on an H100, which share out the features."""


def _for_few_tokens(
    types: TypeConfig, schedules: Sequence[ScheduleConfig]
) -> Iterator[tuple[str, ScheduleConfig]]:
    """What is fastest with few tokens, in order of precedence; docs/tuning.md has times."""
    by_mma, by_wgmma, *wider = (s for s in schedules if s.kernel_schedule.is_streaming)
    few, more = (f"M <= {s.tile_shape_mn[1]}" for s in (by_mma, by_wgmma))
    if types.a is DataType.e4m3:
        # Hopper has no mma.sync for it: the compiler converts to f16. It is better all the same
        # where half or more of the pairs' second 64 features do not exist.
        yield f"{few} and {64 * _PAIRS} < N <= {96 * _PAIRS}", by_mma
        yield f"{more} and ({_full_warpgroups(types)})", by_wgmma
        yield few, by_mma
    else:
        if types.a.bits == 16 and types.b.bits == 4:
            # Instructions count, beside half as many bytes as of other weights.
            least = (144 if types.b is DataType.e2m1 else 96) * _PAIRS
            narrow = [widths(types, schedule)[0] for schedule in (by_mma, by_wgmma)]
            yield f"{narrow[0]} < M <= {narrow[1]} and N > {least}", by_wgmma
        yield few, by_mma
        if _WIDE in schedules:
            yield f"{more} and ({_many_slices(types)})", _WIDE
        yield f"{more} and ({_full_warpgroups(types)})", by_wgmma
    for schedule in wider:
        # More than nine slices of 16 features for each of the pairs, up to twelve; or more than
        # eight for each of their CTAs, which then have all of K, up to fourteen.
        yield (
            f"M <= {schedule.tile_shape_mn[1]} and ({144 * _PAIRS} < N <= {192 * _PAIRS}"
            f" or {256 * _PAIRS} < N <= {448 * _PAIRS} and K <= 6144)",
            schedule,
        )


def _full_warpgroups(types: TypeConfig) -> str:
    """Where most of the features that streaming warpgroups multiply exist: 64 at a time.

    What others cost is less than what tiles lose where K is short, but not with weights of e2m1,
    which take more instructions.
    """
    floats = types.b is DataType.e2m1
    least = (144 if floats else 80) * _PAIRS
    where_k_is_short = f"2048 <= N <= {64 * _PAIRS}" if floats or types.a.bits == 8 else "N >= 2048"
    return f"N > {least} or {48 * _PAIRS} < N <= {64 * _PAIRS} or {where_k_is_short} and K <= 6144"


def _many_slices(types: TypeConfig) -> str:
    """Where streaming CTAs would have so many of 16 features that tiles are faster.

    More than 18; with weights that take longer to dequantise or to arrive more than 12. Or more
    than 8, up to 9, which three warpgroups multiply like 12, if K is long and their bytes are few.
    """
    least = (576 if types.b in (DataType.u4b8, DataType.u4) else 384) * _PAIRS
    nine = f" or {256 * _PAIRS} < N <= {288 * _PAIRS} and K > 6144" if types.b.bits == 4 else ""
    return f"N > {least}{nine}"


def _heuristic(
    types: TypeConfig, schedules: Sequence[ScheduleConfig], costs: Costs
) -> Sequence[tuple[str | None, ScheduleConfig | FastestOf]]:
    """By conditions for few tokens, else by costs."""
    return (*_for_few_tokens(types, schedules), (None, fastest_of(schedules, costs)))


# Fitted to the times of every schedule on many layers; docs/tuning.md says how, and how well.
def _costs(family: str) -> Costs:
    return read_costs(Path(__file__).with_name(f"{family}_costs.csv"))


def _weight_only(a: DataType, b: DataType, group_scale: DataType | None = None) -> ImplConfig:
    """16-bit activations; group scales of the same type unless stated otherwise."""
    types = dataclasses.replace(default_types(a, b), b_group_scale=group_scale or a)
    # Measured with bf16, and with one of the weights of 8 bits, which memory bounds alike.
    measured = dataclasses.replace(
        default_types(DataType.bf16, DataType.u8b128 if b.bits == 8 else b),
        b_group_scale=group_scale or DataType.bf16,
    )
    costs = _costs(generate_type_option_name(measured))
    heuristic = _heuristic(types, _WEIGHT_ONLY_SCHEDULES, costs)
    return ImplConfig(types, _WEIGHT_ONLY_SCHEDULES, heuristic)


_GROUPED_TILES = (
    _sliced_k(32),
    _sliced_k(64),
    _sliced_k(64, cluster_k=2),
    _cooperative(128, 128),
    _cooperative(128, 128, cluster_k=2),
    _cooperative(128, 160),
    _cooperative(128, 192),
    _cooperative(128, 256),
)
_CHANNEL_TILES = (*_GROUPED_TILES, _cooperative(256, 128))


def _streaming_tokens(types: TypeConfig) -> tuple[int, ...]:
    """Of activations of 8 bits: by mma.sync, then by wgmma."""
    if types.a is DataType.s8:
        return (16, 32)
    # Where sums are not scaled apart the compiler runs out of registers for 16 tokens.
    return (16, 32, 64) if promotes(types) else (8, 32, 64)


def _small_activations(a: DataType, group_scale: DataType) -> ImplConfig:
    """Activations of 8 bits, with group scales or with scales of the features and tokens alone."""
    types = dataclasses.replace(default_types(a, DataType.u4b8), b_group_scale=group_scale)
    tiles = _GROUPED_TILES if promotes(types) else _CHANNEL_TILES
    schedules = (*map(_streaming, _streaming_tokens(types)), *tiles)
    # Measured with bf16: sums are scaled alike by all scales of 16 bits.
    measured = DataType.bf16 if promotes(types) else group_scale
    costs = _costs(generate_type_option_name(dataclasses.replace(types, b_group_scale=measured)))
    return ImplConfig(types, schedules, _heuristic(types, schedules, costs))


FAMILIES = tuple(
    _weight_only(a, *weights)
    for a in (DataType.bf16, DataType.f16)
    for weights in (
        (DataType.u4b8,),
        (DataType.u4,),
        (DataType.u8b128,),
        (DataType.u8,),
        (DataType.e4m3,),
        (DataType.e2m1, DataType.ue8m0),
        (DataType.e2m1, DataType.e4m3),
    )
) + tuple(
    _small_activations(a, group_scale)
    for a in (DataType.e4m3, DataType.s8)
    for group_scale in (DataType.bf16, a, DataType.void)
)
