"""GPTQ, as GPTQModel, AutoGPTQ and their forks write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from machete._problem import DataType
from machete.checkpoint._layer import FLOATS, Layer, find, integer_layer
from machete.checkpoint._numbers import codes_in_words
from machete.checkpoint._safetensors import StoredTensor


def gptq(
    tensors: Mapping[str, StoredTensor],
    name: str,
    *,
    a: DataType | None = None,
    checkpoint_format: Literal["gptq", "gptq_v2"] = "gptq",
) -> Layer:
    """A layer of a GPTQ checkpoint, with 4 or 8 bits, symmetric or not, act-order or not.

    Args:
        tensors: Of the file: `<name>.qweight`, int32 [k * bits / 32, n], codes along k;
            `<name>.qzeros`, int32 [groups, n * bits / 32], codes along n; `<name>.scales`,
            [groups, n]; perhaps `<name>.g_idx`, int32 [k], and `<name>.bias`, [n].
        name: The layer's.
        a: "bf16" or "f16"; None is the type of the scales.
        checkpoint_format: Of the quantisation config: "gptq" stores a zero point less 1, "gptq_v2"
            as it is.

    Raises:
        KeyError: A tensor is not there.
        ValueError: A tensor's dtype or shape is another, or the groups have different sizes.
    """
    offsets = {"gptq": 1, "gptq_v2": 0}
    if checkpoint_format not in offsets:
        raise ValueError(f"checkpoint_format = {checkpoint_format}; allowed: {', '.join(offsets)}")
    words = find(tensors, f"{name}.qweight").check(("I32",))
    zeros = find(tensors, f"{name}.qzeros").check(("I32",))
    scales = find(tensors, f"{name}.scales").check(FLOATS)
    groups, n = scales.shape
    bits = 32 * zeros.shape[-1] // n
    if bits not in (4, 8):
        raise ValueError(f"{zeros.name} has codes of {bits} bits; allowed: 4, 8")
    zeros.check(("I32",), (groups, n * bits // 32))
    words.check(("I32",), (words.shape[0], n))
    codes = codes_in_words(words.array.T, bits)
    feature_groups = tensors.get(f"{name}.g_idx")
    if feature_groups is not None:
        feature_groups.check(("I32",), (codes.shape[1],))
    # Zero points wrap around: 0 less 1 is stored as all ones.
    zeropoints = codes_in_words(zeros.array, bits) + np.uint8(offsets[checkpoint_format])
    return integer_layer(
        codes,
        scales,
        zeropoints & np.uint8((1 << bits) - 1),
        tensors.get(f"{name}.bias"),
        bits=bits,
        group_of_feature=None if feature_groups is None else feature_groups.array,
        scales_by_group=scales.values(),
        a=a,
    )
