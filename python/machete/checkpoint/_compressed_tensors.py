"""The formats of compressed-tensors for weights alone, as llm-compressor writes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from machete._problem import DataType, ProblemDesc
from machete._product import Weights
from machete.checkpoint._float4 import mxfp4, nvfp4
from machete.checkpoint._layer import (
    FLOATS,
    Layer,
    activations,
    encoded_bias,
    find,
    integer_layer,
)
from machete.checkpoint._numbers import codes_in_words
from machete.checkpoint._safetensors import StoredTensor


def compressed_tensors(
    tensors: Mapping[str, StoredTensor], name: str, *, a: DataType | None = None
) -> Layer:
    """A layer of a checkpoint of compressed-tensors.

    What there is of the layer tells the format:

    - pack-quantized, 4 or 8 bits: `<name>.weight_packed`, int32 [n, k * bits / 32], codes along k;
      `<name>.weight_shape`, [n, k]; `<name>.weight_scale`, [n, groups]; perhaps
      `<name>.weight_zero_point`, int32 [n * bits / 32, groups], and `<name>.weight_g_idx`, [k];
    - float-quantized: `<name>.weight`, e4m3 [n, k]; `<name>.weight_scale`, [n, 1] or [1];
    - nvfp4-pack-quantized and mxfp4-pack-quantized: as `nvfp4` and `mxfp4` say.

    Args:
        tensors: Of the file.
        name: The layer's; perhaps with `<name>.bias`, [n].
        a: "bf16" or "f16"; None is the type of the scales if they have 16 bits, else bf16.

    Raises:
        KeyError: A tensor is not there.
        ValueError: A tensor's dtype or shape is another, or the groups have different sizes.
    """
    if f"{name}.weight" in tensors:
        return _float_quantized(tensors, name, a)
    if find(tensors, f"{name}.weight_packed").dtype == "I32":
        return _pack_quantized(tensors, name, a)
    if f"{name}.weight_global_scale" in tensors:
        return nvfp4(tensors, name, a=a or "bf16")
    return mxfp4(tensors, name, a=a or "bf16")


def _pack_quantized(tensors: Mapping[str, StoredTensor], name: str, a: DataType | None) -> Layer:
    n, k = map(int, find(tensors, f"{name}.weight_shape").check(("I64", "I32"), (2,)).array)
    words = find(tensors, f"{name}.weight_packed")
    bits = next((bits for bits in (4, 8) if words.shape == (n, -(-k * bits // 32))), None)
    if bits is None:
        shapes = ((n, -(-k * bits // 32)) for bits in (4, 8))
        words.check(("I32",), *shapes)
    assert bits is not None
    scales = find(tensors, f"{name}.weight_scale").check(FLOATS)
    groups = scales.shape[-1]
    scales.check(FLOATS, (n, groups))
    zeropoints = np.full((groups, n), 1 << bits - 1, dtype=np.uint8)
    zeros = tensors.get(f"{name}.weight_zero_point")
    if zeros is not None:
        zeros.check(("I32",), (-(-n * bits // 32), groups))
        zeropoints = codes_in_words(zeros.array.T, bits)[:, :n]
    feature_groups = tensors.get(f"{name}.weight_g_idx")
    if feature_groups is not None:
        feature_groups.check(("I32", "I64"), (k,))
    return integer_layer(
        codes_in_words(words.array, bits)[:, :k],
        scales,
        zeropoints,
        tensors.get(f"{name}.bias"),
        bits=bits,
        group_of_feature=None if feature_groups is None else feature_groups.array,
        scales_by_group=scales.values().T,
        a=a,
    )


def _float_quantized(tensors: Mapping[str, StoredTensor], name: str, a: DataType | None) -> Layer:
    codes = find(tensors, f"{name}.weight").check(("F8_E4M3",))
    n, k = codes.shape
    scales = find(tensors, f"{name}.weight_scale").check(FLOATS, (n, 1), (1,), ())
    a = activations(scales, a)
    of_channels = scales.shape == (n, 1)
    values = scales.values().astype(np.float32).reshape(-1)
    return Layer(
        desc=ProblemDesc(
            a=a,
            b="e4m3",
            n=n,
            k=k,
            group_size=k,
            b_channel_scale="f32" if of_channels else "void",
        ),
        weights=Weights(
            codes=codes.array,
            channel_scales=values if of_channels else None,
            tensor_scale=1.0 if of_channels else float(values[0]),
        ),
        bias=encoded_bias(tensors.get(f"{name}.bias"), n, a),
    )
