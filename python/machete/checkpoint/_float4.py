"""MXFP4 and NVFP4: codes e2m1, with scales for groups of 32 and 16 input features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from machete._problem import DataType, ProblemDesc
from machete._product import Weights
from machete.checkpoint._layer import Layer, encoded_bias, find
from machete.checkpoint._numbers import Array
from machete.checkpoint._safetensors import StoredTensor


def mxfp4(
    tensors: Mapping[str, StoredTensor],
    name: str,
    *,
    expert: int | None = None,
    a: DataType = "bf16",
) -> Layer:
    """A layer in MXFP4, as gpt-oss or compressed-tensors have it.

    Args:
        tensors: Of the file: `<name>_blocks`, uint8 [n, k / 32, 16], and `<name>_scales`, uint8
            [n, k / 32], both with experts as the outermost dimension if there are any; or
            `<name>.weight_packed`, uint8 [n, k / 2], and `<name>.weight_scale`, uint8 [n, k / 32].
            Perhaps `<name>_bias` or `<name>.bias`, [n].
        name: The layer's.
        expert: Which one, where the tensors hold several.
        a: "bf16" or "f16".

    Raises:
        KeyError: A tensor is not there.
        ValueError: A tensor's dtype or shape is another.
    """
    if f"{name}_blocks" in tensors:
        codes, scales, bias = f"{name}_blocks", f"{name}_scales", f"{name}_bias"
    else:
        codes, scales, bias = f"{name}.weight_packed", f"{name}.weight_scale", f"{name}.bias"
    stored_codes = _of_expert(find(tensors, codes).check(("U8",)), expert)
    stored_scales = _of_expert(find(tensors, scales).check(("U8", "F8_E8M0")), expert)
    stored_bias = None if bias not in tensors else _of_expert(tensors[bias], expert)
    return _layer(
        stored_codes,
        stored_scales,
        stored_bias,
        group_size=32,
        b_group_scale="ue8m0",
        tensor_scale=1.0,
        a=a,
    )


def nvfp4(tensors: Mapping[str, StoredTensor], name: str, *, a: DataType = "bf16") -> Layer:
    """A layer in NVFP4, as ModelOpt or compressed-tensors have it.

    Args:
        tensors: Of the file, with codes uint8 [n, k / 2] and scales e4m3 [n, k / 16]:
            `<name>.weight`, `<name>.weight_scale` and `<name>.weight_scale_2`, float32, which
            multiplies; or `<name>.weight_packed`, `<name>.weight_scale` and
            `<name>.weight_global_scale`, float32, which divides. Perhaps `<name>.bias`, [n].
        name: The layer's.
        a: "bf16" or "f16".

    Raises:
        KeyError: A tensor is not there.
        ValueError: A tensor's dtype or shape is another.
    """
    divides = f"{name}.weight_packed" in tensors
    codes = find(tensors, f"{name}.weight_packed" if divides else f"{name}.weight")
    tensor_scale = find(
        tensors, f"{name}.weight_global_scale" if divides else f"{name}.weight_scale_2"
    ).check(("F32",), (1,), ())
    value = tensor_scale.array.reshape(())[()]
    return _layer(
        codes.check(("U8",)),
        find(tensors, f"{name}.weight_scale").check(("F8_E4M3",)),
        tensors.get(f"{name}.bias"),
        group_size=16,
        b_group_scale="e4m3",
        tensor_scale=float(np.float32(1) / value if divides else value),
        a=a,
    )


def _of_expert(tensor: StoredTensor, expert: int | None) -> StoredTensor:
    if expert is None:
        return tensor
    if not 0 <= expert < len(tensor.array):
        raise ValueError(f"expert = {expert}; allowed: 0 to {len(tensor.array) - 1}")
    return StoredTensor(f"{tensor.name}[{expert}]", tensor.dtype, tensor.array[expert])


def _layer(
    codes: StoredTensor,
    scales: StoredTensor,
    bias: StoredTensor | None,
    *,
    group_size: int,
    b_group_scale: DataType,
    tensor_scale: float,
    a: DataType,
) -> Layer:
    n = codes.shape[0]
    pairs: Array = codes.array.reshape(n, -1)
    k = 2 * pairs.shape[1]
    blocks = (n, k // group_size, group_size // 2)
    codes.check((codes.dtype,), (n, k // 2), blocks)
    scales.check((scales.dtype,), (n, k // group_size))
    return Layer(
        desc=ProblemDesc(
            a=a, b="e2m1", n=n, k=k, group_size=group_size, b_group_scale=b_group_scale
        ),
        weights=Weights(
            codes=pairs,
            group_scales=np.ascontiguousarray(scales.array.T),
            tensor_scale=tensor_scale,
        ),
        bias=encoded_bias(bias, n, a),
    )
