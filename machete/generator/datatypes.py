"""The numeric types a family can name."""

import enum


class DataType(enum.Enum):
    """A numeric type, in its C++ spelling and with what the generator computes from it.

    A member's name is the terse spelling used in the names of families: `u4b8` is an unsigned
    4-bit integer that stands for its value minus 8.
    """

    void = ("kVoid", 0)
    f16 = ("kF16", 16, 0, "F16")
    bf16 = ("kBF16", 16, 0, "BF16")
    f32 = ("kF32", 32, 0, "F32")
    e4m3 = ("kE4M3", 8, 0, "E4M3")
    e5m2 = ("kE5M2", 8, 0, "E5M2")
    e2m1 = ("kE2M1", 4)
    ue8m0 = ("kUE8M0", 8)
    s8 = ("kS8", 8, 0, "S8")
    s4 = ("kS4", 4)
    u4 = ("kU4", 4)
    u8 = ("kU8", 8)
    u4b8 = ("kU4B8", 4, 8)
    u8b128 = ("kU8B128", 8, 128)
    s32 = ("kS32", 32, 0, "S32")

    def __init__(self, enumerator: str, bits: int, bias: int = 0, mma: str | None = None) -> None:
        """Names the C++ enumerator, the size, and what the stored integer exceeds its value by.

        `mma` is the type's tag in the names of CUTLASS's wgmma atoms, where it has one.
        """
        self.cpp = f"DataType::{enumerator}"
        self.bits = bits
        self.bias = bias
        self.mma = mma

    @property
    def bytes(self) -> int:
        """The size of one element of a type that fills whole bytes."""
        return self.bits // 8
