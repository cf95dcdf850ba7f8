"""Matrix products with quantised weights for NVIDIA Hopper GPUs.

    out[m, n] = a[m, k] @ W[k, n],   W[k, n] = scale[k // group_size, n] * (code[n, k] - bias)

Weights are packed once; a product then takes any number of tokens m.

    import machete
    import torch

    desc = machete.ProblemDesc(a="bf16", b="u4b8", n=8192, k=4096, group_size=128)
    packed = torch.empty(machete.prepacked_size(desc), dtype=torch.uint8, device="cuda")
    machete.prepack_B(desc, codes, group_scales, packed)
    out = machete.mm(desc, a, packed)

Tensors are those of any library that has DLPack. `machete.torch` has operators and modules for
PyTorch, `machete.jax` a function for JAX; this module imports neither.
"""

from machete._problem import (
    DATA_TYPES,
    DataType,
    ProblemDesc,
    Status,
    can_implement,
    supported_schedules,
)
from machete._product import Plan, Tensor, check_prepacked, mm, prepack_B, prepacked_size

__all__ = [
    "DATA_TYPES",
    "DataType",
    "Plan",
    "ProblemDesc",
    "Status",
    "Tensor",
    "can_implement",
    "check_prepacked",
    "mm",
    "prepack_B",
    "prepacked_size",
    "supported_schedules",
]
