"""Layers to multiply with, and what their products are in float64."""

from __future__ import annotations

import dataclasses

import machete.torch
import torch

import machete

# Relative Frobenius error of a product whose weights and result are rounded once to the type.
TOLERANCES = {"bf16": 3e-3, "f16": 4e-4}
BITS = {"u4b8": 4, "u8b128": 8}


@dataclasses.dataclass
class Layer:
    """Random weights, as given and packed."""

    desc: machete.ProblemDesc
    codes: torch.Tensor
    group_scales: torch.Tensor
    packed: torch.Tensor

    @property
    def dtype(self) -> torch.dtype:
        """Of activations and results."""
        return machete.torch.DTYPES[self.desc.a]

    def weights(self) -> torch.Tensor:
        """[n, k] in float64."""
        codes, bits = self.codes, BITS[self.desc.b]
        if bits == 4:
            codes = torch.stack((codes & 15, codes >> 4), dim=-1)
        weights = codes.double().view(self.desc.n, -1, self.desc.group_size) - (1 << bits - 1)
        return (weights * self.group_scales.t().double().unsqueeze(-1)).view(self.desc.n, -1)

    def activations(self, m: int) -> torch.Tensor:
        """[m, k], random."""
        return torch.randn(m, self.desc.k, device=self.codes.device).to(self.dtype)

    def error(self, a: torch.Tensor, out: torch.Tensor) -> float:
        """Relative Frobenius error over the tolerance: 1 is the most that is right."""
        wanted = a.double() @ self.weights().t()
        error = torch.linalg.norm(out.double() - wanted) / torch.linalg.norm(wanted)
        return float(error) / TOLERANCES[self.desc.a]


def make_layer(
    a: machete.DataType = "bf16",
    b: machete.DataType = "u4b8",
    *,
    n: int = 512,
    k: int = 1024,
    group_size: int = 128,
    device: str = "cuda",
) -> Layer:
    """A layer with random weights."""
    desc = machete.ProblemDesc(a=a, b=b, n=n, k=k, group_size=group_size)
    codes = torch.randint(0, 256, (n, k * BITS[b] // 8), dtype=torch.uint8, device=device)
    scales = (torch.rand(k // group_size, n, device=device) + 0.5) * 0.01
    scales = scales.to(machete.torch.DTYPES[a])
    return Layer(desc, codes, scales, machete.torch.prepack_B(desc, codes, scales))
