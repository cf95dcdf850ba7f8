"""AWQ, as AutoAWQ writes it for its "gemm" kernels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from machete._problem import DataType
from machete.checkpoint._layer import FLOATS, Layer, find, integer_layer
from machete.checkpoint._numbers import Array, codes_in_words
from machete.checkpoint._safetensors import StoredTensor

# Where in a word the code of each of eight output features is, counted from its lowest bits.
_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)


def awq(tensors: Mapping[str, StoredTensor], name: str, *, a: DataType | None = None) -> Layer:
    """A layer of an AWQ checkpoint, 4 bits.

    Args:
        tensors: Of the file: `<name>.qweight`, int32 [k, n / 8], and `<name>.qzeros`, int32
            [groups, n / 8], codes along n in AWQ's order; `<name>.scales`, [groups, n]; perhaps
            `<name>.bias`, [n].
        name: The layer's.
        a: "bf16" or "f16"; None is the type of the scales.

    Raises:
        KeyError: A tensor is not there.
        ValueError: A tensor's dtype or shape is another.
    """
    scales = find(tensors, f"{name}.scales").check(FLOATS)
    groups, n = scales.shape
    words = find(tensors, f"{name}.qweight").check(("I32",))
    words.check(("I32",), (words.shape[0], n // 8))
    zeros = find(tensors, f"{name}.qzeros").check(("I32",), (groups, n // 8))
    return integer_layer(
        _codes(words.array).T,
        scales,
        _codes(zeros.array),
        tensors.get(f"{name}.bias"),
        bits=4,
        group_of_feature=None,
        scales_by_group=scales.values(),
        a=a,
    )


def _codes(words: Array) -> NDArray[np.uint8]:
    codes = codes_in_words(words, 4)
    return codes.reshape(len(codes), -1, 8)[..., _PLACES].reshape(codes.shape)
