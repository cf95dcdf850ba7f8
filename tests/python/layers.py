"""Layers to multiply with, and what their products are in float64."""

from __future__ import annotations

import dataclasses

import machete.torch
import torch

import machete

# Relative Frobenius error of a product whose weights and result are rounded once to the type.
TOLERANCES = {"bf16": 3e-3, "f16": 4e-4}

WEIGHTS: tuple[tuple[machete.DataType, machete.DataType | None, tuple[int, ...]], ...] = (
    ("u4b8", None, (32, 64, 128, 1024)),
    ("u4", None, (32, 128, 1024)),
    ("u8b128", None, (64, 128, 1024)),
    ("u8", None, (128, 1024)),
    ("e4m3", None, (128, 1024)),
    ("e2m1", "ue8m0", (32,)),
    ("e2m1", "e4m3", (16,)),
)
"""Types of codes and of groups' scales, where that is not the type of a; group sizes."""

NARROW: tuple[tuple[machete.DataType, machete.DataType, int], ...] = (
    ("e4m3", "bf16", 128),
    ("e4m3", "e4m3", 128),
    ("e4m3", "void", 1024),
    ("s8", "bf16", 128),
    ("s8", "s8", 128),
    ("s8", "void", 1024),
)
"""Activations of 8 bits, whose weights are u4b8: their type, that of groups' scales, group size."""

_BITS = {"u4b8": 4, "u4": 4, "e2m1": 4, "u8b128": 8, "u8": 8, "e4m3": 8}
_BIAS = {"u4b8": 8, "u8b128": 128}
_E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]


@dataclasses.dataclass
class Layer:
    """Random weights, as given and packed."""

    desc: machete.ProblemDesc
    weights: machete.Weights
    packed: torch.Tensor

    @property
    def dtype(self) -> torch.dtype:
        """Of results, and of activations of 16 bits."""
        return machete.torch.DTYPES[self.desc.out]

    def dequantised(self) -> torch.Tensor:
        """[n, k] in float64."""
        codes = self.weights.codes
        if _BITS[self.desc.b] == 4:
            codes = torch.stack((codes & 15, codes >> 4), dim=-1).view(self.desc.n, -1)
        if self.desc.b == "e2m1":
            values = torch.tensor(_E2M1, dtype=torch.float64, device=codes.device)[codes.long()]
        elif self.desc.b == "e4m3":
            values = codes.view(torch.float8_e4m3fn).double()
        else:
            values = codes.double() - _BIAS.get(self.desc.b, 0)
        values = values.view(self.desc.n, -1, self.desc.group_size)
        if self.weights.group_zeropoints is not None:
            values = values - self.weights.group_zeropoints.t().double().unsqueeze(-1)
        scales = self.weights.group_scales
        if scales is None:
            scales = torch.ones(1, self.desc.n, device=codes.device)
        elif scales.dtype == torch.uint8 and self.desc.b_group_scale == "ue8m0":
            scales = torch.exp2(scales.double() - 127)
        elif scales.dtype == torch.uint8:
            scales = scales.view(torch.float8_e4m3fn)
        values = (values * scales.t().double().unsqueeze(-1)).view(self.desc.n, -1)
        if self.desc.a == self.desc.b_group_scale == "e4m3":
            # Rounded, with the feature's largest scale from 16 to less than 32.
            _, exponents = torch.frexp(scales.double().abs().amax(0))
            power = torch.exp2(exponents.double() - 5).unsqueeze(-1)
            values = (values / power).float().to(torch.float8_e4m3fn).double() * power
        if self.weights.channel_scales is not None:
            values = values * self.weights.channel_scales.double().unsqueeze(-1)
        return values * self.weights.tensor_scale

    def activations(self, m: int) -> torch.Tensor:
        """[m, k], random."""
        a = torch.randn(m, self.desc.k, device=self.packed.device)
        if self.desc.a == "s8":
            a = (a * 32).round().clamp(-128, 127)
        return a.to(machete.torch.DTYPES[self.desc.a])

    def error(
        self,
        a: torch.Tensor,
        out: torch.Tensor,
        token_scales: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
    ) -> float:
        """Relative Frobenius error over the tolerance: 1 is the most that is right."""
        wanted = a.double() @ self.dequantised().t()
        if token_scales is not None:
            wanted *= token_scales.double().unsqueeze(-1)
        if bias is not None:
            wanted += bias.double()
        error = torch.linalg.norm(out.double() - wanted) / torch.linalg.norm(wanted)
        return float(error) / TOLERANCES[self.desc.out]


def make_layer(
    a: machete.DataType = "bf16",
    b: machete.DataType = "u4b8",
    *,
    n: int = 512,
    k: int = 1024,
    group_size: int = 128,
    b_group_scale: machete.DataType | None = None,
    channel_and_token_scales: bool = False,
    out: machete.DataType | None = None,
) -> Layer:
    """A layer with random weights, on the GPU."""
    dtype = machete.torch.DTYPES[out or a]
    has_zeros = b in ("u4", "u8")
    scale = "f32" if channel_and_token_scales else "void"
    desc = machete.ProblemDesc(
        a=a,
        b=b,
        n=n,
        k=k,
        group_size=group_size,
        b_group_scale=b_group_scale,
        b_group_zeropoint=a if has_zeros else "void",
        b_channel_scale=scale,
        a_token_scale=scale,
        out=out,
    )
    groups = (k // group_size, n)
    codes = torch.randint(0, 256, (n, k * _BITS[b] // 8), dtype=torch.uint8, device="cuda")
    if b == "e4m3":
        codes[codes & 0x7F == 0x7F] = 0  # no NaN
    if b_group_scale == "void":
        scales = None
    elif b_group_scale == "ue8m0":
        scales = torch.randint(117, 124, groups, dtype=torch.uint8, device="cuda")
    elif b_group_scale == "e4m3":
        scales = torch.randint(0x20, 0x48, groups, dtype=torch.uint8, device="cuda")
    elif b_group_scale == "s8":
        scales = torch.randint(-15, 17, groups, dtype=torch.int8, device="cuda")
    else:
        scales = ((torch.rand(groups, device="cuda") + 0.5) * 0.01).to(dtype)
    weights = machete.Weights(
        codes=codes,
        group_scales=scales,
        group_zeropoints=torch.randint(0, 1 << _BITS[b], groups, device="cuda").to(dtype)
        if has_zeros
        else None,
        channel_scales=torch.rand(n, device="cuda") + 0.5 if channel_and_token_scales else None,
        tensor_scale=0.02 if b_group_scale in ("e4m3", "s8") else 1.0,
    )
    return Layer(desc, weights, machete.torch.prepack_B(desc, weights))
