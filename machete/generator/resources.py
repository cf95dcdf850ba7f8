"""What a schedule takes of an SM: warpgroups, registers, shared memory.

The kernel computes the same numbers from the same parameters; a static_assert in every generated
shard compares the two.
"""

import dataclasses

from machete.generator.config import KernelSchedule, ScheduleConfig, TileScheduler, TypeConfig
from machete.generator.datatypes import DataType

MAX_SHARED_BYTES = 227 * 1024
"""The most dynamic shared memory that a block can have on sm_90."""

MAX_GROUPS_PER_BLOCK = {16: 4, 8: 1}
"""Groups in a K block whose scales have 16 bits, by bits of an activation: four of 32 or fewer."""

SMALL_SCALE_GROUPS = {DataType.ue8m0: 32, DataType.e4m3: 16}
"""Input features that share a group scale of 8 bits, with activations of 16."""

_WIDE_SCALE_BYTES = 2
"""Of other group scales in the packed weights, whatever they were given in."""

_BLOCK_FEATURES = 64
"""Rows of a wgmma."""
_BLOCK_K = 128
"""K of a block of prepacked weights."""
_MAX_WHOLE_TOKENS = 192
"""Of a tile. With more, a step's activations come in two stages; or, of 8 bits, a step is half as
long, and sums of groups come in parts."""
_NARROW_WIDTHS = {
    (128, 96): (48, 64, 80),
    (128, 128): (112,),
    (128, 160): (144,),
    (128, 256): (176, 208),
    (256, 64): (32, 48),
}
"""Tokens that a tile of such a shape may have instead, each by a loop of the kernel. Not with
activations of 8 bits: with several widths ptxas serialises wgmma of s8, and kernels of e4m3 are up
to 7 % slower."""
_NARROW_STREAMING_WIDTHS = {16: (8,), 32: (16,)}
"""The same by tokens of a streaming kernel's tile, each by a kernel of its own."""
_ACCUMULATOR_BYTES = 4
_BARRIER_BYTES = 16
"""A stage's full and empty mbarrier."""
_HAND_OVER_BYTES = 8 * _BARRIER_BYTES
"""Stream-K without sliced K: barriers of up to seven stages that others' sums come in, and two that
lend these."""
_EXCHANGE_BYTES = _BARRIER_BYTES
"""Of a cluster that splits K: two barriers for the other CTAs' sums."""


@dataclasses.dataclass(frozen=True)
class Geometry:
    """How the consumer warpgroups share a tile."""

    warpgroups: int
    blocks: int
    """Blocks of 64 features that a warpgroup computes."""
    slices: int
    """Warpgroups that take turns along K on the same features."""

    @property
    def features(self) -> int:
        """Output features of the tile."""
        return _BLOCK_FEATURES * self.blocks * self.epilogue_warpgroups

    @property
    def epilogue_warpgroups(self) -> int:
        """Warpgroups that hold a part of the finished tile."""
        return self.warpgroups // self.slices


_GEOMETRIES = {
    KernelSchedule.TmaWarpSpecializedCooperative: (
        Geometry(warpgroups=2, blocks=1, slices=1),
        Geometry(warpgroups=3, blocks=1, slices=1),
        Geometry(warpgroups=2, blocks=2, slices=1),
    ),
    KernelSchedule.TmaWarpSpecializedSlicedK: (Geometry(warpgroups=2, blocks=1, slices=2),),
}


def geometries(kernel_schedule: KernelSchedule) -> dict[int, Geometry]:
    """The tiles that a kernel schedule has code for, by output features."""
    return {geometry.features: geometry for geometry in _GEOMETRIES[kernel_schedule]}


@dataclasses.dataclass(frozen=True)
class Resources:
    """What one schedule of a family takes; bytes are shared memory."""

    geometry: Geometry
    accumulators: int
    """Registers a thread of a consumer warpgroup accumulates in."""
    parts: int
    """In which a tile's tokens are multiplied."""
    step_stages: int
    """Stages of activations that a step of the loop over K takes."""
    activation_bytes: int
    """Of a stage, with its barriers."""
    weight_bytes: int
    """Of a step."""
    other_bytes: int
    """Beside the pipeline and staging: reduction between slices, barriers for others' sums."""
    stores: int
    """That each warpgroup of the epilogue makes, of a tile."""
    least_store_buffers: int
    """For each of these warpgroups."""
    store_bytes: int
    """A buffer for each."""

    @property
    def fixed_bytes(self) -> int:
        """What the pipeline leaves to others, at least."""
        return self.other_bytes + self.least_store_buffers * self.store_bytes

    @property
    def stages(self) -> int:
        """As many as fit."""
        stages = 0
        while self.fixed_bytes + self.pipeline_bytes(stages + 1) <= MAX_SHARED_BYTES:
            stages += 1
        return stages

    def pipeline_bytes(self, stages: int) -> int:
        """Of so many stages of activations, and those of weights that go with them."""
        weight_stages = stages if self.step_stages == 1 else stages // 2 + 1
        return stages * self.activation_bytes + weight_stages * self.weight_bytes

    @property
    def store_buffers(self) -> int:
        """As many as fit beside the stages: each lets one more store take its time."""
        rest = MAX_SHARED_BYTES - self.fixed_bytes - self.pipeline_bytes(self.stages)
        return min(self.stores, self.least_store_buffers + rest // self.store_bytes)

    @property
    def shared_bytes(self) -> int:
        """All dynamic shared memory of a CTA."""
        staging = self.store_buffers * self.store_bytes
        return self.pipeline_bytes(self.stages) + staging + self.other_bytes


def promotes(types: TypeConfig) -> bool:
    """Whether the sums of a group are scaled apart, before they are added to those of the tile."""
    return types.a.bits == 8 and types.b_group_scale not in (types.a, DataType.void)


def widths(types: TypeConfig, schedule: ScheduleConfig) -> tuple[int, ...]:
    """Tokens that the tiles of a schedule may have, ascending."""
    tokens = schedule.tile_shape_mn[1]
    if schedule.kernel_schedule.is_streaming:
        narrow = _NARROW_STREAMING_WIDTHS.get(tokens, ())
    elif types.a.bytes == 1 or schedule.cluster_shape_mnk[2] > 1:
        narrow = ()  # a cluster that splits K divides the tile's tokens, all of them
    else:
        narrow = _NARROW_WIDTHS.get(schedule.tile_shape_mn, ())
    return (*narrow, tokens)


def _feature_group_bytes(types: TypeConfig) -> int:
    """Scales and zero points of a feature in a K block, at most."""
    scale = types.b_group_scale
    if scale is DataType.void:
        return 0
    if types.a.bits == 16 and scale.bits == 8:
        # one size of group, whose scales a lane reads for 64 input features
        return _BLOCK_K // SMALL_SCALE_GROUPS[scale]
    return (_WIDE_SCALE_BYTES + types.b_group_zeropoint.bytes) * MAX_GROUPS_PER_BLOCK[types.a.bits]


def resources(types: TypeConfig, schedule: ScheduleConfig) -> Resources:
    """Computes what `schedule` takes; its features must be among the kernel schedule's tiles."""
    features, tokens = schedule.tile_shape_mn
    geometry = geometries(schedule.kernel_schedule)[features]

    # A slice multiplies 256 bytes of activations along K a step, in two stages if these have many
    # tokens; or, of 8 bits, 128.
    many = tokens > _MAX_WHOLE_TOKENS
    step_stages = 2 if many and types.a.bytes == 2 and geometry.slices == 1 else 1
    step_k = (128 if many and types.a.bytes == 1 else 256) // types.a.bytes * geometry.slices
    # For want of registers.
    in_parts = many and promotes(types)
    sum_sets = 2 if in_parts and types.a is DataType.s8 else 1
    parts = 2 * sum_sets if in_parts else 1
    activations = tokens * step_k * types.a.bytes // step_stages
    block = _BLOCK_FEATURES * (_BLOCK_K * types.b.bits // 8 + _feature_group_bytes(types))
    weights = features // _BLOCK_FEATURES * (step_k // _BLOCK_K) * block

    # The output leaves in chunks of 32 tokens, or 16; a second buffer hides the store behind the
    # next chunk, but with many tokens it is not worth a stage.
    part = tokens // schedule.cluster_shape_mnk[2]
    chunk = 32 if part % 32 == 0 else 16
    stores = part // chunk * geometry.blocks
    store_bytes = geometry.epilogue_warpgroups * chunk * _BLOCK_FEATURES * 2
    partial_tile = features * tokens * _ACCUMULATOR_BYTES
    shares = schedule.tile_scheduler is TileScheduler.StreamK and geometry.slices == 1

    return Resources(
        geometry=geometry,
        accumulators=(geometry.blocks * tokens + promotes(types) * sum_sets * tokens // parts) // 2,
        parts=parts,
        step_stages=step_stages,
        activation_bytes=activations + _BARRIER_BYTES,
        weight_bytes=weights,
        other_bytes=(geometry.slices - 1) * partial_tile
        + shares * _HAND_OVER_BYTES
        + (schedule.cluster_shape_mnk[2] > 1) * _EXCHANGE_BYTES,
        stores=stores,
        least_store_buffers=min(stores, 1 if tokens > 128 else 2),
        store_bytes=store_bytes,
    )
