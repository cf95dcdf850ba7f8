"""Operators and modules for PyTorch: eager, compiled, and in CUDA graphs.

    linear = machete.torch.Linear.from_linear(linear)

`torch.ops.machete.mm` and `torch.ops.machete.prepack_B` take a problem as `ProblemDesc.text`, which
graphs can hold. They have no gradients. What `mm` refuses is a ValueError, also where `machete.mm`
has a TypeError: PyTorch carries no other from C++; NotImplementedError is a RuntimeError.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch
from torch import library

from machete import _native
from machete._problem import DataType, ProblemDesc
from machete._product import Weights
from machete.checkpoint import Layer

DTYPES: dict[DataType, torch.dtype] = {
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "e4m3": torch.float8_e4m3fn,
    "s8": torch.int8,
}
"""What the types of activations and results are called by PyTorch."""

library.define(
    "machete::mm",
    "(Tensor a, Tensor packed, str problem, Tensor? token_scales=None, Tensor? bias=None)"
    " -> Tensor",
)
library.define(
    "machete::prepack_B",
    "(Tensor codes, Tensor? group_scales, str problem, Tensor? group_zeropoints=None,"
    " Tensor? channel_scales=None, float tensor_scale=1.0) -> Tensor",
)


@functools.cache
def _result(problem: str) -> tuple[int, torch.dtype]:
    desc = ProblemDesc.parse(problem)
    assert desc.out is not None
    return desc.n, DTYPES[desc.out]


def _mm(
    a: torch.Tensor,
    packed: torch.Tensor,
    problem: str,
    token_scales: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    out: torch.Tensor
    try:
        out = _native.mm(problem, a, packed, token_scales, bias)
    except ValueError:  # perhaps rows that the kernels cannot read
        a = a.clone(memory_format=torch.contiguous_format)
        out = _native.mm(problem, a, packed, token_scales, bias)
    return out


def _mm_fake(
    a: torch.Tensor,
    packed: torch.Tensor,
    problem: str,
    token_scales: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    n, dtype = _result(problem)
    k = ProblemDesc.parse(problem).k
    torch._check(a.dim() == 2, lambda: f"a has {a.dim()} dimensions; allowed: 2")
    torch._check(a.shape[1] == k, lambda: f"a has shape {list(a.shape)}; allowed: [m, {k}]")
    return a.new_empty((a.shape[0], n), dtype=dtype)


def _prepack_B(
    codes: torch.Tensor,
    group_scales: torch.Tensor | None,
    problem: str,
    group_zeropoints: torch.Tensor | None = None,
    channel_scales: torch.Tensor | None = None,
    tensor_scale: float = 1.0,
) -> torch.Tensor:
    packed = torch.empty(_native.prepacked_size(problem), dtype=torch.uint8, device=codes.device)
    _native.prepack_B(
        problem, tensor_scale, codes, group_scales, group_zeropoints, channel_scales, packed
    )
    return packed


def _prepack_B_fake(
    codes: torch.Tensor, group_scales: torch.Tensor | None, problem: str, *_: object
) -> torch.Tensor:
    return codes.new_empty(_native.prepacked_size(problem), dtype=torch.uint8)


# From PyTorch 2.10 on the operator's kernel is in C++, and _mm is for those before.
if not _native.register_torch_mm():
    library.impl("machete::mm", "cuda", _mm)
library.impl("machete::prepack_B", ("cuda", "cpu"), _prepack_B)
library.register_fake("machete::mm", _mm_fake)
library.register_fake("machete::prepack_B", _prepack_B_fake)

_mm_operator = torch.ops.machete.mm.default


def prepack_B(desc: ProblemDesc, weights: Weights) -> torch.Tensor:
    """Packs weights, as `machete.prepack_B`, into a new tensor on their device.

    Returns:
        uint8 [prepacked_size(desc)].
    """
    packed: torch.Tensor = torch.ops.machete.prepack_B(
        weights.codes,
        weights.group_scales,
        desc.text,
        weights.group_zeropoints,
        weights.channel_scales,
        weights.tensor_scale,
    )
    return packed


def mm(
    desc: ProblemDesc,
    a: torch.Tensor,
    packed: torch.Tensor,
    *,
    token_scales: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """The product, as `machete.mm`. Activations whose rows the kernels cannot read are copied."""
    out: torch.Tensor = _mm_operator(a, packed, desc.text, token_scales, bias)
    return out


def quantise(
    weight: torch.Tensor,
    *,
    b: DataType = "u4b8",
    group_size: int = 128,
    a: DataType | None = None,
) -> Weights:
    """Rounds weights to the nearest code, with the least scales that reach each group's extremes.

    Args:
        weight: [n, k], floating point.
        b: "u4b8" or "u8b128".
        group_size: Divides k.
        a: "e4m3" or "s8", for activations of this type and weights u4b8: groups then have scales of
            this type, and each output feature one in fp32.

    Returns:
        Codes and scales of the groups, the latter of the weight's dtype unless `a` says otherwise.
    """
    bits = {"u4b8": 4, "u8b128": 8}.get(b)
    if bits is None:
        raise ValueError(f"b = {b}; allowed: u4b8, u8b128")
    n, k = weight.shape
    if k % group_size:
        raise ValueError(f"group_size = {group_size}; allowed: divisors of k = {k}")
    bias = 1 << bits - 1
    groups = weight.float().view(n, -1, group_size)
    least = torch.maximum(groups.amax(-1) / (bias - 1), groups.amin(-1) / -bias)
    channel_scales = None
    if a is None:
        scales = least.to(weight.dtype)
        steps = scales.float()
    else:
        if b != "u4b8" or a not in ("e4m3", "s8"):
            raise ValueError(f"a = {a}; allowed with b = u4b8: None, e4m3, s8; else: None")
        scales, channel_scales = _relative_scales(least, a)
        steps = scales.float() * channel_scales.unsqueeze(-1)
    # A group of zeros has no scale to speak of.
    divisors = torch.where(steps == 0, 1, steps).unsqueeze(-1)
    codes = (groups / divisors).round().clamp(-bias, bias - 1).add(bias).to(torch.uint8).view(n, k)
    if bits == 4:
        codes = codes[:, 0::2] | codes[:, 1::2] << 4
    return Weights(codes=codes, group_scales=scales.t().contiguous(), channel_scales=channel_scales)


def _relative_scales(least: torch.Tensor, a: DataType) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales of groups and of features, with products no smaller than the given ones, [n, groups].

    Those of a feature's groups go up to 16, which is as much as those of s8 may be.
    """
    features = least.amax(-1, keepdim=True) / 16
    features = torch.where(features == 0, 1, features)
    relative = (least / features).clamp(max=16)
    if a == "s8":
        scales = relative.ceil().clamp(min=1).to(torch.int8)
    else:
        scales = relative.to(DTYPES[a])
        # The next one, where rounding took it below.
        scales = (scales.view(torch.uint8) + (scales.float() < relative)).view(DTYPES[a])
    return scales, features.squeeze(-1)


class Linear(torch.nn.Module):
    """A linear layer with quantised weights; for inference.

    Args:
        desc: The layer's problem.
        packed: From `prepack_B`.
        bias: [n], of type `desc.out`.
        input_order: int64 [k]: which input feature goes with each packed one; None is each its own.
    """

    packed: torch.Tensor
    bias: torch.Tensor | None
    input_order: torch.Tensor | None

    def __init__(
        self,
        desc: ProblemDesc,
        packed: torch.Tensor,
        bias: torch.Tensor | None = None,
        input_order: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.desc = desc
        self._problem = desc.text
        self.register_buffer("packed", packed)
        self.register_buffer("bias", bias)
        self.register_buffer("input_order", input_order)

    @classmethod
    def from_linear(
        cls, linear: torch.nn.Linear, *, b: DataType = "u4b8", group_size: int = 128
    ) -> Linear:
        """Quantises a layer in bf16 or f16, as `quantise` says.

        Args:
            linear: The layer, on any device; it is left as it is.
            b: "u4b8" or "u8b128".
            group_size: Input features that share a scale.
        """
        names = {dtype: name for name, dtype in DTYPES.items() if name in ("f16", "bf16")}
        if linear.weight.dtype not in names:
            raise ValueError(
                f"linear.weight has dtype {linear.weight.dtype}; allowed: bfloat16, float16"
            )
        n, k = linear.weight.shape
        desc = ProblemDesc(a=names[linear.weight.dtype], b=b, n=n, k=k, group_size=group_size)
        weights = quantise(linear.weight.detach(), b=b, group_size=group_size)
        bias = None if linear.bias is None else linear.bias.detach().clone()
        return cls(desc, prepack_B(desc, weights), bias)

    @classmethod
    def from_layer(cls, layer: Layer, device: torch.device | str = "cuda") -> Linear:
        """A layer of a checkpoint.

        Args:
            layer: From `machete.checkpoint`.
            device: Where it is packed, and stays.
        """

        def moved(array: np.ndarray | None) -> torch.Tensor | None:
            return None if array is None else torch.from_numpy(array).to(device)

        weights = layer.weights
        moved_weights = dataclasses.replace(
            weights,
            codes=moved(weights.codes),
            group_scales=moved(weights.group_scales),
            group_zeropoints=moved(weights.group_zeropoints),
            channel_scales=moved(weights.channel_scales),
        )
        bias = moved(layer.bias)
        return cls(
            layer.desc,
            prepack_B(layer.desc, moved_weights),
            None if bias is None else bias.view(DTYPES[layer.desc.a]),
            moved(layer.input_order),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., k] to [..., n]."""
        a = x if x.dim() == 2 else x.reshape(-1, self.desc.k)
        if self.input_order is not None:
            a = a[:, self.input_order]
        out: torch.Tensor = _mm_operator(a, self.packed, self._problem, None, self.bias)
        return out if x.dim() == 2 else out.view(*x.shape[:-1], self.desc.n)

    def extra_repr(self) -> str:
        """What is printed of it."""
        return self._problem
