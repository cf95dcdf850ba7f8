"""Numbers that NumPy has no types for, and codes within words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from machete._problem import DataType

Array = NDArray[Any]

_E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=np.float64)
E2M1_VALUES = np.concatenate((_E2M1, -_E2M1))
"""By code."""


def _e4m3_values() -> NDArray[np.float64]:
    codes = np.arange(128)
    exponent, mantissa = codes >> 3, codes & 7
    values = np.where(
        exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    )
    values[127] = np.nan
    return np.concatenate((values, -values))


E4M3_VALUES = _e4m3_values()
"""By code."""


def decode(bits: Array, type: DataType) -> NDArray[np.float64]:
    """The numbers that bits stand for.

    Args:
        bits: Of numbers of this type, in elements of as many bits.
        type: Floating point of at least 8 bits.
    """
    match type:
        case "f32":
            return bits.view(np.float32).astype(np.float64)
        case "f16":
            return bits.view(np.float16).astype(np.float64)
        case "bf16":
            return (
                (bits.view(np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
            )
        case "e4m3":
            return E4M3_VALUES[bits.view(np.uint8)]
        case "ue8m0":
            exponents = bits.view(np.uint8)
            return np.where(exponents == 255, np.nan, np.exp2(exponents.astype(np.float64) - 127))
    raise ValueError(f"type = {type}; allowed: f32, f16, bf16, e4m3, ue8m0")


def encode(values: NDArray[np.float64], type: DataType) -> Array:
    """The nearest numbers of a type of 16 bits: float16, or uint16 with the bits of bf16."""
    with np.errstate(over="ignore"):
        if type == "f16":
            encoded: Array = values.astype(np.float16)
        elif type == "bf16":
            # float32 first: what is halfway between two bf16 afterwards was next to it before only
            # in bits that none of the types in checkpoints has.
            bits = values.astype(np.float32).view(np.uint32)
            rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
            encoded = np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)
        else:
            raise ValueError(f"a = {type}; allowed: bf16, f16")
    finite = np.isfinite(values)
    if not np.isfinite(decode(encoded, type)[finite]).all():
        raise ValueError(f"a = {type} cannot hold {np.abs(values[finite]).max()}; allowed: bf16")
    return encoded


def codes_in_words(words: Array, bits: int) -> NDArray[np.uint8]:
    """Codes along the last axis, the lowest bits of each word first.

    Args:
        words: int32 [..., j].
        bits: 4 or 8.

    Returns:
        uint8 [..., j * 32 / bits].
    """
    codes = np.ascontiguousarray(words).view("<u4").view(np.uint8)
    return codes if bits == 8 else halves(codes)


def halves(pairs: Array) -> NDArray[np.uint8]:
    """Codes of 4 bits from two a byte along the last axis, the lower half first."""
    return np.stack((pairs & 15, pairs >> 4), axis=-1).reshape(*pairs.shape[:-1], -1)


def pairs(codes: Array) -> NDArray[np.uint8]:
    """The inverse of `halves`."""
    packed: NDArray[np.uint8] = codes[..., 0::2] | codes[..., 1::2] << 4
    return packed
