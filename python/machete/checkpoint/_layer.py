"""A layer as it comes out of a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from machete._problem import DataType, ProblemDesc
from machete._product import Weights
from machete.checkpoint._numbers import E2M1_VALUES, Array, decode, encode, halves, pairs
from machete.checkpoint._safetensors import StoredTensor

FLOATS = ("F16", "BF16", "F32")
"""What scales and biases are stored as."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """What `prepack_B` and `mm` take, in NumPy's arrays: bf16 as uint16, e4m3 and ue8m0 as uint8.

    Attributes:
        desc: The layer's problem.
        weights: Codes and scales.
        bias: [n] of type `desc.out`, or None.
        input_order: int64 [k], or None: the product takes `a[:, input_order]` in the place of a,
            since the weights were quantised in groups of input features that are not neighbours.
    """

    desc: ProblemDesc
    weights: Weights
    bias: Array | None = None
    input_order: NDArray[np.int64] | None = None

    def dequantised(self) -> NDArray[np.float64]:
        """The weights as they were in the model: [n, k], without regard to `input_order`."""
        desc, weights = self.desc, self.weights
        assert desc.b_group_scale is not None
        grouped = (desc.n, desc.k // desc.group_size, desc.group_size)
        values: Array
        match desc.b:
            case "u4b8":
                values = halves(weights.codes) - 8.0
            case "u4":
                values = halves(weights.codes).astype(np.float64)
            case "u8b128":
                values = weights.codes - 128.0
            case "u8":
                values = weights.codes.astype(np.float64)
            case "e2m1":
                values = E2M1_VALUES[halves(weights.codes)]
            case other:
                values = decode(weights.codes, other)
        values = values.reshape(grouped)
        if weights.group_zeropoints is not None:
            values = values - decode(weights.group_zeropoints, desc.b_group_zeropoint).T[..., None]
        if weights.group_scales is not None:
            values = values * decode(weights.group_scales, desc.b_group_scale).T[..., None]
        values = values.reshape(desc.n, desc.k) * weights.tensor_scale
        if weights.channel_scales is not None:
            values = values * weights.channel_scales[:, None]
        restored = np.empty((desc.n, desc.k))
        restored[:, slice(None) if self.input_order is None else self.input_order] = values
        return restored


def integer_layer(
    codes: Array,
    scales: StoredTensor,
    zeropoints: Array,
    bias: StoredTensor | None,
    *,
    bits: int,
    group_of_feature: Array | None,
    scales_by_group: NDArray[np.float64],
    a: DataType | None,
) -> Layer:
    """A layer of unsigned codes with scales and zero points for groups.

    Args:
        codes: uint8 [n, k].
        scales: As they are stored; their type is the default of `a`.
        zeropoints: uint8 [groups, n].
        bias: [n], or None.
        bits: Of a code, 4 or 8.
        group_of_feature: Integer [k]; None where groups are neighbours.
        scales_by_group: [groups, n].
        a: Type of the activations, or None.
    """
    (n, k), groups = codes.shape, len(zeropoints)
    group_size = k // groups
    order = None
    if group_of_feature is not None and (group_of_feature != np.arange(k) // group_size).any():
        found = np.bincount(group_of_feature, minlength=groups)
        if len(found) != groups or (found != group_size).any():
            raise ValueError(
                f"{scales.name} has groups of {found.min()} to {found.max()} features;"
                f" allowed: {group_size} in each of {groups}"
            )
        order = np.argsort(group_of_feature, kind="stable")
        codes = codes[:, order]
    a = activations(scales, a)
    symmetric = bool((zeropoints == 1 << bits - 1).all())
    b: DataType
    if bits == 4:
        b = "u4b8" if symmetric else "u4"
        codes = pairs(codes)
    else:
        b = "u8b128" if symmetric else "u8"
    return Layer(
        desc=ProblemDesc(
            a=a,
            b=b,
            n=n,
            k=k,
            group_size=group_size,
            b_group_zeropoint="void" if symmetric else a,
        ),
        weights=Weights(
            codes=np.ascontiguousarray(codes),
            group_scales=np.ascontiguousarray(encode(scales_by_group, a)),
            group_zeropoints=None if symmetric else encode(zeropoints.astype(np.float64), a),
        ),
        bias=encoded_bias(bias, n, a),
        input_order=order,
    )


def activations(scales: StoredTensor, a: DataType | None) -> DataType:
    """The type of the activations: `a`, or that of the scales if they have 16 bits."""
    if a is not None:
        return a
    return scales.type if scales.type in ("f16", "bf16") else "bf16"


def encoded_bias(bias: StoredTensor | None, n: int, a: DataType) -> Array | None:
    """[n] of type a, or None."""
    if bias is None:
        return None
    return encode(bias.check(FLOATS, (n,)).values(), a)


def find(tensors: Mapping[str, StoredTensor], name: str) -> StoredTensor:
    """The tensor of a name.

    Raises:
        KeyError: There is none; with the names of its neighbours.
    """
    if name in tensors:
        return tensors[name]
    layer = name.rpartition(".")[0]
    found = ", ".join(sorted(key for key in tensors if key.startswith(layer + "."))) or "none"
    raise KeyError(f"{name} is not in the checkpoint; of {layer} there are: {found}")
