"""Families and schedules as data, and their names.

The kernels compute D[M,N] = A[M,K] W[K,N] for M tokens, N output features and K input features,
transposed: D^T[N,M] = W^T[N,K] A^T[K,M], because only the first operand of Hopper's wgmma can come
from registers, and that is where the weights are dequantised. In the CUTLASS-like fields below the
"m" of a shape therefore counts output features and its "n" counts tokens.
"""

import dataclasses
import enum
from collections.abc import Sequence

from machete.generator.datatypes import DataType


class KernelSchedule(enum.Enum):
    """How the warpgroups of a CTA share a tile."""

    TmaWarpSpecializedCooperative = ("Coop", "kCooperative")
    """Consumer warpgroups share out the tile's features."""
    TmaWarpSpecializedSlicedK = ("SlicedK", "kSlicedK")
    """Two warpgroups take alternate K blocks of one 64-feature tile and add up in shared memory."""
    TmaWarpSpecializedStreaming = ("Stream", "kStreaming", "streaming_mma")
    """Features are shared out evenly, in passes of a tile at most; single warps and mma.sync."""
    TmaWarpSpecializedStreamingWgmma = ("StreamWgmma", "kStreamingWgmma", "streaming_wgmma")
    """The same with warpgroups and wgmma, for more tokens."""

    def __init__(self, tag: str, enumerator: str, kernel: str = "gemm") -> None:
        """Names the part of a signature, the C++ enumerator and the kernel's entry header."""
        self.tag = tag
        self.cpp = f"KernelSchedule::{enumerator}"
        self.kernel = kernel

    @property
    def is_streaming(self) -> bool:
        """Whether the problem decides how a CTA uses its shared memory, not the tile."""
        return self.kernel != "gemm"


class EpilogueSchedule(enum.Enum):
    """How a finished tile leaves the SM."""

    TmaWarpSpecialized = "Tma"
    """Through shared memory, with TMA stores."""
    NoSmemWarpSpecialized = "NoSmem"
    """Straight from registers."""

    def __init__(self, tag: str) -> None:
        """Names the part of a signature."""
        self.tag = tag


class TileScheduler(enum.Enum):
    """Which CTA computes what."""

    Persistent = ("Persistent", "kPersistent")
    """Whole tiles only."""
    StreamK = ("StreamK", "kStreamK")
    """The CTAs share the last partial wave by K when the run-time cost model says so."""

    def __init__(self, tag: str, enumerator: str) -> None:
        """Names the part of a signature and the C++ enumerator."""
        self.tag = tag
        self.cpp = f"TileScheduler::{enumerator}"


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """One kernel of a family."""

    tile_shape_mn: tuple[int, int]
    """A CTA's tile: output features, tokens."""
    cluster_shape_mnk: tuple[int, int, int]
    """CTAs of a cluster along the output features, the tokens and K."""
    kernel_schedule: KernelSchedule
    epilogue_schedule: EpilogueSchedule
    tile_scheduler: TileScheduler


@dataclasses.dataclass(frozen=True)
class FastestOf:
    """A choice of a heuristic: the schedule that the run-time cost model takes for the fastest."""

    costs: tuple[tuple[ScheduleConfig, tuple[float, ...]], ...]
    """Schedules, and what each costs in microseconds, for each of costs.COST_TERMS."""


@dataclasses.dataclass(frozen=True)
class TypeConfig:
    """The types of everything the kernels of a family read, compute in and write.

    `void` says that an operand is not supported; an operand that is supported may still be absent
    from a call.
    """

    a: DataType
    """Activations."""
    b: DataType
    """Weights."""
    b_group_scale: DataType
    b_group_zeropoint: DataType
    b_channel_scale: DataType
    a_token_scale: DataType
    out: DataType
    accumulator: DataType


@dataclasses.dataclass(frozen=True)
class PrepackTypeConfig:
    """What the prepacked layout of the weights depends on."""

    a: DataType
    b_num_bits: int
    convert: DataType
    """The type that the weights are dequantised to."""
    accumulator: DataType


@dataclasses.dataclass(frozen=True)
class ImplConfig:
    """A family: one combination of types, its kernels, and which of them serves a problem."""

    types: TypeConfig
    schedules: Sequence[ScheduleConfig]
    heuristic: Sequence[tuple[str | None, ScheduleConfig | FastestOf]]
    """(condition, choice), the first that holds counts; the last condition is None."""


def prepack_types(types: TypeConfig) -> PrepackTypeConfig:
    """Derives what prepacking needs to know; the wgmma's operands must be of one type."""
    return PrepackTypeConfig(types.a, types.b.bits, types.a, types.accumulator)


def generate_sch_sig(schedule: ScheduleConfig) -> str:
    """Names a schedule: every field takes part, so that two schedules never share a name."""
    tile, cluster = (
        "x".join(map(str, shape)) for shape in (schedule.tile_shape_mn, schedule.cluster_shape_mnk)
    )
    kernel, epilogue = schedule.kernel_schedule.tag, schedule.epilogue_schedule.tag
    return f"{tile}_{cluster}_{kernel}_{epilogue}_{schedule.tile_scheduler.tag}"


def generate_type_signature(types: TypeConfig) -> str:
    """Names a combination of types by all of them, in the order of the fields."""
    return "_".join(getattr(types, field.name).name for field in dataclasses.fields(types))


def generate_type_option_name(types: TypeConfig) -> str:
    """Names a combination of types as people do: `bf16_u4b8`.

    What differs from the default of the activations and weights is added as a suffix, so that the
    name is as unique as the signature: `bf16_e2m1` has scales of its default type, as MXFP4 has,
    `bf16_e2m1_gse4m3` those of NVFP4. It is the family's C++ namespace, folder and Bazel target.
    """
    defaults = default_types(types.a, types.b)
    parts = [types.a.name, types.b.name]
    for field, tag in _OPTION_TAGS.items():
        value = getattr(types, field)
        if value != getattr(defaults, field):
            parts.append(tag if value == types.a else tag + value.name)
    return "_".join(parts)


_OPTION_TAGS = {
    "b_group_scale": "gs",
    "b_group_zeropoint": "zp",
    "b_channel_scale": "cs",
    "a_token_scale": "ts",
    "out": "out",
    "accumulator": "acc",
}


def default_types(a: DataType, b: DataType) -> TypeConfig:
    """The types a family has unless its name says otherwise."""
    out = DataType.bf16 if a in (DataType.e4m3, DataType.s8) else a
    return TypeConfig(
        a=a,
        b=b,
        b_group_scale=DataType.ue8m0 if b is DataType.e2m1 else out,
        b_group_zeropoint=a if b in (DataType.u4, DataType.u8) else DataType.void,
        b_channel_scale=DataType.f32,
        a_token_scale=DataType.f32,
        out=out,
        accumulator=DataType.s32 if a is DataType.s8 else DataType.f32,
    )
