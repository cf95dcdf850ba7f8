"""Packing weights, and products with them."""

from __future__ import annotations

import dataclasses
from typing import Any

from machete import _native
from machete._problem import ProblemDesc, can_implement, plan_text

Tensor = Any
"""A tensor of any library that has DLPack: PyTorch, JAX, CuPy, NumPy, TVM."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """What the weights of a layer are made of; `ProblemDesc` says how.

    Types that a library of tensors lacks may come as unsigned integers that hold their bits, such
    as uint16 for bf16.

    Attributes:
        codes: [n, k] row-major, of type `b`. With 4 bits: uint8 [n, k / 2], two codes a byte, the
            lower half first.
        group_scales: [k / group_size, n] row-major, of type `b_group_scale`; those of 16 bits below
            2^113 in magnitude. None is ones, where there is one group and scales have 16 bits. With
            activations and scales of e4m3, weights times scales are rounded to e4m3, so to four
            significant bits. Of s8, they are exact, and scales from -15 to 16 are allowed: a
            feature with another one has NaN in all its outputs.
        group_zeropoints: [k / group_size, n] row-major, of type `b_group_zeropoint`, if that is not
            void. In units of a code, from 0 to less than 2^bits; rounded to 1/256.
        channel_scales: float32 [n]; None is ones.
        tensor_scale: Of all weights.
    """

    codes: Tensor
    group_scales: Tensor = None
    group_zeropoints: Tensor = None
    channel_scales: Tensor = None
    tensor_scale: float = 1.0


def prepacked_size(desc: ProblemDesc) -> int:
    """Bytes of the packed weights.

    Raises:
        ValueError, NotImplementedError: `can_implement(desc)` is false; with its message.
    """
    return int(_native.prepacked_size(desc.text))


def prepack_B(desc: ProblemDesc, weights: Weights, packed: Tensor) -> None:
    """Packs weights into the order in which the kernels read them.

    On a GPU, in the order of the stream that is current there; or on the host, where no GPU is
    needed, into the same bytes.

    Args:
        desc: The problem.
        weights: Contiguous tensors, all on one device.
        packed: uint8 [prepacked_size(desc)] for the result; aligned to 128 bytes on a GPU, to 4 on
            the host.

    Raises:
        TypeError: A tensor's dtype is another.
        ValueError: A tensor's shape, order, alignment or device is another.
        ValueError, NotImplementedError: `can_implement(desc)` is false.
    """
    _native.prepack_B(
        desc.text,
        weights.tensor_scale,
        weights.codes,
        weights.group_scales,
        weights.group_zeropoints,
        weights.channel_scales,
        packed,
    )


def check_prepacked(desc: ProblemDesc, packed: Tensor) -> None:
    """Checks that a buffer on a GPU was packed for a problem, by this version of the layout.

    Waits for the stream that is current there: for load time. `mm` itself answers a foreign buffer
    with NaN in every element.

    Raises:
        ValueError: It was not; with what it was packed for.
    """
    _native.check_prepacked(desc.text, packed)


def mm(
    desc: ProblemDesc,
    a: Tensor,
    packed: Tensor,
    *,
    token_scales: Tensor = None,
    bias: Tensor = None,
    out: Tensor = None,
) -> Tensor:
    """The product of activations and packed weights, on the stream that is current.

    Never waits for the GPU, but for the first call of a CUDA graph's capture. The plan of a problem
    is made by its first call and kept; a stream keeps a workspace.

    Args:
        desc: The problem.
        a: [m, k] on a GPU, of type `desc.a`. Any m, also 0. Rows without gaps, 16-byte aligned, and
            a multiple of 16 bytes apart.
        packed: From `prepack_B`, on the same GPU.
        token_scales: float32 [m]; None is ones.
        bias: [n] of type `desc.out`; None is zeros.
        out: [m, n] of type `desc.out` for the result, laid out like `a`; None makes one, where the
            library of `a` is PyTorch.

    Returns:
        `out`.

    Raises:
        TypeError: A tensor's dtype is another.
        ValueError: A tensor's shape, strides, alignment or device is another.
        NotImplementedError: This build has no kernels for the types, or the GPU is no Hopper.
        RuntimeError: CUDA failed; with its words.
    """
    return _run(desc.text, a, packed, token_scales, bias, out)


class Plan:
    """A problem with a choice of schedule.

    Args:
        desc: The problem.
        schedule: One of `supported_schedules(desc)`; None leaves the choice for each m to the
            family's heuristic, as `mm` does.
        programmatic_dependent_launch: Begin a run while the kernel before it in the stream ends.
            The packed weights are read before that has ended, and everything else after: wait once
            for the packing.

    Raises:
        ValueError: `can_implement(desc, schedule)` is false.
    """

    def __init__(
        self,
        desc: ProblemDesc,
        *,
        schedule: str | None = None,
        programmatic_dependent_launch: bool = False,
    ) -> None:
        self.desc = desc
        status = can_implement(desc, schedule)
        if not status:
            raise ValueError(status.message)
        self._text = plan_text(desc, schedule, programmatic_dependent_launch)

    def schedule(self, m: int, device: int = 0) -> str:
        """Name of the schedule that runs m tokens on a GPU."""
        return str(_native.chosen_schedule(self._text, m, device))

    def run(
        self,
        a: Tensor,
        packed: Tensor,
        *,
        token_scales: Tensor = None,
        bias: Tensor = None,
        out: Tensor = None,
    ) -> Tensor:
        """The product, as `mm` says."""
        return _run(self._text, a, packed, token_scales, bias, out)


def _run(
    text: str, a: Tensor, packed: Tensor, token_scales: Tensor, bias: Tensor, out: Tensor
) -> Tensor:
    if out is None:
        return _native.mm(text, a, packed, token_scales, bias)
    _native.mm_out(text, a, packed, token_scales, bias, out)
    return out
