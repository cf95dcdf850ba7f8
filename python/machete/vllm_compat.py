"""vLLM's Machete operators, on these kernels.

    import machete.vllm_compat as ops  # in the place of: from vllm import _custom_ops as ops

    b_q = ops.machete_prepack_B(b_q_weight, a.dtype, scalar_types.uint4b8, scales.dtype)
    out = ops.machete_mm(a, b_q, scalar_types.uint4b8, b_group_scales=scales, b_group_size=128)

The functions have the names, arguments and defaults of vLLM's wrappers; `torch.ops.machete_vllm`
has the operators beneath, which take a scalar type as its id, with the schemas of those of
`torch.ops._C`. Names of schedules are Machete's own, from `machete_supported_schedules`.

Here scales are packed with the codes, and vLLM gives them to each product only: the first product
of weights and scales packs both, in the order of the current stream, and later ones find that again
as long as none of the tensors is freed or changed. So run a layer once before it is captured into a
CUDA graph, which otherwise packs in every replay. A layer takes its codes' memory twice;
`machete.torch` does without.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Protocol

import torch
from torch import library
from torch.multiprocessing.reductions import StorageWeakRef

import machete.torch
from machete._problem import DataType, ProblemDesc, plan_text, supported_schedules
from machete._product import Weights


class ScalarType(Protocol):
    """As in vllm.scalar_type."""

    @property
    def id(self) -> int:
        """Its fields, from the lowest bits on: 8 of the exponent's bits, 8 of the mantissa's, 1 of
        the sign, 32 of the bias, 1 for finite values only, 8 for the kind of NaN."""


def _id(bits: int, bias: int) -> int:
    nan_as_in_ieee_754 = 1
    return bits << 8 | bias << 17 | nan_as_in_ieee_754 << 50


_B_TYPES: dict[int, DataType] = {
    _id(4, 8): "u4b8",
    _id(8, 128): "u8b128",
    _id(4, 0): "u4",
    _id(8, 0): "u8",
}
_BITS: dict[DataType, int] = {"u4b8": 4, "u8b128": 8, "u4": 4, "u8": 8}
_TYPES: dict[torch.dtype, DataType] = {dtype: name for name, dtype in machete.torch.DTYPES.items()}

library.define(
    "machete_vllm::machete_supported_schedules",
    "(ScalarType a_type, int b_type,"
    " ScalarType? maybe_group_scales_type, ScalarType? maybe_group_zeros_type,"
    " ScalarType? maybe_channel_scales_type, ScalarType? maybe_token_scales_type,"
    " ScalarType? maybe_out_type) -> str[]",
)
library.define(
    "machete_vllm::machete_mm",
    "(Tensor A, Tensor B, int b_type, ScalarType? out_type, Tensor? group_scales,"
    " Tensor? group_zeros, int? group_size, Tensor? channel_scales, Tensor? token_scales,"
    " str? schedule) -> Tensor",
)
library.define(
    "machete_vllm::machete_prepack_B",
    "(Tensor B, ScalarType a_type, int b_type, ScalarType? group_scales_type) -> Tensor",
)


def _type(name: str, dtype: torch.dtype | None) -> DataType:
    if dtype is None:
        return "void"
    if dtype not in _TYPES:
        raise ValueError(f"{name} = {dtype}; allowed: {', '.join(map(str, _TYPES))}")
    return _TYPES[dtype]


def _b_type(b_type: int) -> DataType:
    if b_type not in _B_TYPES:
        allowed = ", ".join(f"{number} ({name})" for number, name in _B_TYPES.items())
        raise ValueError(f"b_type = {b_type}; allowed: {allowed}")
    return _B_TYPES[b_type]


@functools.cache
def _desc(
    a_type: torch.dtype,
    b_type: int,
    n: int,
    k: int,
    group_size: int,
    group_scales_type: torch.dtype | None,
    group_zeros_type: torch.dtype | None,
    channel_scales_type: torch.dtype | None,
    token_scales_type: torch.dtype | None,
    out_type: torch.dtype | None,
) -> ProblemDesc:
    return ProblemDesc(
        a=_type("a_type", a_type),
        b=_b_type(b_type),
        n=n,
        k=k,
        group_size=group_size,
        # Without scales, they are ones.
        b_group_scale=_type("group_scales_type", group_scales_type or a_type),
        b_group_zeropoint=_type("group_zeros_type", group_zeros_type),
        b_channel_scale=_type("channel_scales_type", channel_scales_type),
        a_token_scale=_type("token_scales_type", token_scales_type),
        out=_type("out_type", out_type or a_type),
    )


def _supported_schedules(
    a_type: torch.dtype, b_type: int, *other_types: torch.dtype | None
) -> list[str]:
    # Names do not depend on extents.
    return supported_schedules(_desc(a_type, b_type, 128, 128, 128, *other_types))


def _prepack_B(
    B: torch.Tensor, a_type: torch.dtype, b_type: int, group_scales_type: torch.dtype | None
) -> torch.Tensor:
    _b_type(b_type)
    if B.dim() != 2 or B.dtype != torch.int32:
        raise ValueError(
            f"B has shape {list(B.shape)} and dtype {B.dtype}; allowed: two dimensions, int32"
        )
    # Word after word along k, feature after feature: what Machete's own packing takes.
    return B.t().clone(memory_format=torch.contiguous_format).view(B.shape)


@dataclasses.dataclass(frozen=True)
class _Packed:
    sources: tuple[StorageWeakRef, ...]
    tensor: torch.Tensor

    def expired(self) -> bool:
        return any(source.expired() for source in self.sources)


_packed: dict[tuple[object, ...], _Packed] = {}
"""By problem, and by the places and versions of the tensors that were packed."""


def _find_packed(
    desc: ProblemDesc,
    codes: torch.Tensor,
    group_scales: torch.Tensor | None,
    group_zeros: torch.Tensor | None,
    channel_scales: torch.Tensor | None,
) -> torch.Tensor:
    given = (codes, group_scales, group_zeros, channel_scales)
    tensors = [tensor for tensor in given if tensor is not None]
    key = (
        desc.text,
        *((tensor.data_ptr(), tensor.is_inference() or tensor._version) for tensor in tensors),
    )
    found = _packed.get(key)
    if found is not None and not found.expired():
        return found.tensor
    for stale in [key for key, packed in list(_packed.items()) if packed.expired()]:
        _packed.pop(stale, None)
    weights = Weights(
        codes=codes.view(torch.uint8).view(desc.n, -1),
        group_scales=None if group_scales is None else group_scales.contiguous(),
        group_zeropoints=None
        if group_zeros is None or group_scales is None
        else _zero_points(group_zeros, group_scales),
        channel_scales=None if channel_scales is None else channel_scales.flatten(),
    )
    packed = machete.torch.prepack_B(desc, weights)
    # What a graph is to pack is not there before the graph runs.
    if not torch.cuda.is_current_stream_capturing():
        sources = tuple(StorageWeakRef(tensor.untyped_storage()) for tensor in tensors)
        _packed[key] = _Packed(sources, packed)
    return packed


def _zero_points(group_zeros: torch.Tensor, group_scales: torch.Tensor) -> torch.Tensor:
    # vLLM adds to a scaled weight; here what is taken from a code, before it is scaled.
    points = -group_zeros.float() / group_scales.float()
    return points.where(group_scales != 0, 0).to(group_zeros.dtype).contiguous()


def _mm(
    A: torch.Tensor,
    B: torch.Tensor,
    b_type: int,
    out_type: torch.dtype | None,
    group_scales: torch.Tensor | None,
    group_zeros: torch.Tensor | None,
    group_size: int | None,
    channel_scales: torch.Tensor | None,
    token_scales: torch.Tensor | None,
    schedule: str | None,
) -> torch.Tensor:
    k = A.shape[1]
    words = k * _BITS[_b_type(b_type)] // 32
    if B.dim() != 2 or B.shape[0] != words or B.dtype != torch.int32 or not B.is_contiguous():
        raise ValueError(
            f"B has shape {list(B.shape)} and dtype {B.dtype}; allowed: [{words}, n], int32,"
            " contiguous, from machete_prepack_B"
        )
    desc = _desc(
        A.dtype,
        b_type,
        B.shape[1],
        k,
        k if group_size is None or group_size == -1 else group_size,
        *(None if tensor is None else tensor.dtype for tensor in (group_scales, group_zeros)),
        *(None if tensor is None else tensor.dtype for tensor in (channel_scales, token_scales)),
        out_type,
    )
    packed = _find_packed(desc, B, group_scales, group_zeros, channel_scales)
    tokens = None if token_scales is None else token_scales.flatten()
    out: torch.Tensor = torch.ops.machete.mm(A, packed, plan_text(desc, schedule), tokens)
    return out


def _mm_fake(
    A: torch.Tensor, B: torch.Tensor, b_type: int, out_type: torch.dtype | None, *_: object
) -> torch.Tensor:
    return A.new_empty((A.shape[0], B.shape[1]), dtype=out_type)


def _prepack_B_fake(B: torch.Tensor, *_: object) -> torch.Tensor:
    return torch.empty_like(B, memory_format=torch.contiguous_format)


library.impl("machete_vllm::machete_supported_schedules", "default", _supported_schedules)
library.impl("machete_vllm::machete_mm", "cuda", _mm)
library.impl("machete_vllm::machete_prepack_B", "cuda", _prepack_B)
library.register_fake("machete_vllm::machete_mm", _mm_fake)
library.register_fake("machete_vllm::machete_prepack_B", _prepack_B_fake)


def machete_supported_schedules(
    a_type: torch.dtype,
    b_type: ScalarType,
    group_scales_type: torch.dtype | None,
    group_zeros_type: torch.dtype | None = None,
    channel_scales_type: torch.dtype | None = None,
    token_scales_type: torch.dtype | None = None,
    out_type: torch.dtype | None = None,
) -> list[str]:
    """Names of the schedules for the types; none if this build lacks them.

    Raises:
        ValueError: A type is none of those that any kernel takes.
    """
    names: list[str] = torch.ops.machete_vllm.machete_supported_schedules(
        a_type,
        b_type.id,
        group_scales_type,
        group_zeros_type,
        channel_scales_type,
        token_scales_type,
        out_type,
    )
    return names


def machete_prepack_B(
    b_q_weight: torch.Tensor,
    a_type: torch.dtype,
    b_type: ScalarType,
    group_scales_type: torch.dtype | None,
) -> torch.Tensor:
    """Weights as `machete_mm` takes them.

    Args:
        b_q_weight: int32 [k * bits / 32, n], codes along k, the lowest bits first; in any order of
            memory.
        a_type: Of the activations.
        b_type: uint4b8, uint8b128, uint4 or uint8.
        group_scales_type: Of the groups' scales.

    Returns:
        int32 [k * bits / 32, n], contiguous, to be handed on and not to be read.

    Raises:
        ValueError: Shape, dtype or scalar type are others.
    """
    packed: torch.Tensor = torch.ops.machete_vllm.machete_prepack_B(
        b_q_weight, a_type, b_type.id, group_scales_type
    )
    return packed


def machete_mm(
    a: torch.Tensor,
    b_q: torch.Tensor,
    b_type: ScalarType,
    out_type: torch.dtype | None = None,
    b_group_scales: torch.Tensor | None = None,
    b_group_zeros: torch.Tensor | None = None,
    b_group_size: int | None = None,
    b_channel_scales: torch.Tensor | None = None,
    a_token_scales: torch.Tensor | None = None,
    schedule: str | None = None,
) -> torch.Tensor:
    """The product of activations and quantised weights.

        W[k, n] = (code[k, n] * group_scale[k // group_size, n] + group_zero[k // group_size, n])
                  * channel_scale[n]

    Args:
        a: [m, k], bfloat16 or float16.
        b_q: From `machete_prepack_B`.
        b_type: That of `b_q`.
        out_type: Of the result; None is that of a.
        b_group_scales: [k / group_size, n] of the dtype of a; None is ones.
        b_group_zeros: [k / group_size, n] of the dtype of a, for uint4 and uint8:
            -zero_point * group_scale, with zero points from 0 to less than 2^bits; others give NaN.
        b_group_size: None and -1 are k.
        b_channel_scales: float32, n elements.
        a_token_scales: float32, m elements.
        schedule: One of `machete_supported_schedules`; None leaves the choice to the heuristic.

    Returns:
        [m, n] of `out_type`.

    Raises:
        TypeError, ValueError: An argument's dtype, shape or device is another.
        NotImplementedError: There are no kernels for the types.
    """
    out: torch.Tensor = torch.ops.machete_vllm.machete_mm(
        a,
        b_q,
        b_type.id,
        out_type,
        b_group_scales,
        b_group_zeros,
        b_group_size,
        b_channel_scales,
        a_token_scales,
        schedule,
    )
    return out
