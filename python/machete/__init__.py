"""Matrix products with quantised weights for NVIDIA Hopper GPUs.

Weights are packed once; a product then takes any number of tokens m.

    import machete
    import torch

    desc = machete.ProblemDesc(a="bf16", b="u4b8", n=8192, k=4096, group_size=128)
    packed = torch.empty(machete.prepacked_size(desc), dtype=torch.uint8, device="cuda")
    machete.prepack_B(desc, machete.Weights(codes=codes, group_scales=scales), packed)
    out = machete.mm(desc, a, packed)

`ProblemDesc` says what is computed. Tensors are those of any library that has DLPack.
`machete.torch` has operators and modules for PyTorch, `machete.jax` functions for JAX,
`machete.checkpoint` reads layers from files; this module imports none of them.
"""

from machete._problem import (
    DATA_TYPES,
    DataType,
    ProblemDesc,
    Status,
    can_implement,
    supported_schedules,
)
from machete._product import (
    Plan,
    Tensor,
    Weights,
    check_prepacked,
    mm,
    prepack_B,
    prepacked_size,
)

__all__ = [
    "DATA_TYPES",
    "DataType",
    "Plan",
    "ProblemDesc",
    "Status",
    "Tensor",
    "Weights",
    "can_implement",
    "check_prepacked",
    "mm",
    "prepack_B",
    "prepacked_size",
    "supported_schedules",
]
