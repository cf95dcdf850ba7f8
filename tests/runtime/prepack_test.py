"""Packing on the host against a plain reading of the layout, and back from the packed bytes.

The reference follows the descriptions in machete/kernel/layout.h and encoding.h and shares no code
with them. Data are new in every run; bazel test --test_env=PREPACK_TEST_SEED=7 repeats one.
"""

import dataclasses
import functools
import itertools
import math
import os
import random
import struct
import subprocess
import unittest
from collections.abc import Callable, Iterator, Sequence

SEED = int(os.environ.get("PREPACK_TEST_SEED") or random.SystemRandom().randrange(2**32))

# As machete/types.h counts them.
NUMBERS = {
    name: number
    for number, name in enumerate(
        ("void", "f16", "bf16", "f32", "e4m3", "e5m2", "e2m1", "ue8m0")
        + ("s8", "s4", "u4", "u8", "u4b8", "u8b128", "s32")
    )
}
VERSION = 2

PANEL = 256  # features of four blocks that lie next to each other
BLOCK_K = 128
SLICE = 16
ROW_BYTES = 8
NAN_BITS = 0x7FFFFFFF


@dataclasses.dataclass(frozen=True)
class Float16:
    """A 16-bit type, and how its values are written."""

    name: str
    mantissa_bits: int
    bias: int
    smallest: int  # exponent of the smallest subnormal

    @property
    def smallest_normal(self) -> float:
        """Below it, bits are short."""
        return 2.0 ** (self.smallest + self.mantissa_bits)

    def value(self, bits: int) -> float:
        """The number that the bits stand for."""
        if self.name == "bf16":
            return float(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
        return float(struct.unpack("<e", struct.pack("<H", bits))[0])

    def bits(self, value: float) -> int:
        """The bits of a number; what a subnormal cannot hold is cut off."""
        if abs(value) < self.smallest_normal:
            unit = 2.0**self.smallest
            value = math.copysign(math.floor(abs(value) / unit) * unit, value)
        if self.name == "bf16":
            (bits,) = struct.unpack("<I", struct.pack("<f", value))
            assert bits & 0xFFFF == 0, f"{value} is no bf16"
            return int(bits >> 16)
        (bits,) = struct.unpack("<H", struct.pack("<e", value))
        assert self.value(bits) == value, f"{value} is no f16"
        return int(bits)


BF16 = Float16("bf16", 7, 127, -133)
F16 = Float16("f16", 10, 15, -24)


def e4m3(bits: int) -> float:
    """The number of an e4m3; its NaN as the number that the bits would be."""
    field, mantissa = bits >> 3 & 15, bits & 7
    magnitude = math.ldexp(8 + mantissa, field - 10) if field else math.ldexp(mantissa, -9)
    return -magnitude if bits & 0x80 else magnitude


def s8(bits: int) -> int:
    """The number of an s8."""
    return bits - 256 if bits & 0x80 else bits


def ue8m0(bits: int) -> float:
    """The number of a ue8m0; its NaN as the number that the bits would be."""
    return math.ldexp(1, bits - 127)


def f32(value: float) -> float:
    """Rounds to float32."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


# (mask of each half, rotation to the left) of the parts of each register, out of its word.
BitFields = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How weights of a type are stored for activations of a type."""

    a: str
    type: Float16
    """Of scales of 16 bits, of weights where activations have 16, and of those that are rounded to
    e4m3."""
    b: str
    bits: int
    scale: str
    """The type of group scales."""
    has_zeros: bool
    multiple: int
    """What group sizes are multiples of."""
    shift: int
    """Integers: where a code alone in a half begins, in the lower rows of a slice."""
    upper_shift: int
    """And how much further up in the upper rows."""
    exponent: int
    """A code alone is worth the weight over two to this power, in the lower rows."""
    largest_scale: int
    """The power of two that the scales of a feature are brought below."""
    fields: tuple[BitFields, ...]
    """Of the registers of a word."""
    small_mantissa: int = 0
    """8-bit scales: bits of their fractions as stored."""
    small_offset: int = 0
    """8-bit scales: what the exponent of the 16-bit float has more."""
    lone_exponent: int = 0
    """The bits that a kernel puts above a code."""

    def __str__(self) -> str:
        """Names the family."""
        return f"{self.a}_{self.b}_{self.scale}"

    @property
    def is_narrow(self) -> bool:
        """Whether activations have 8 bits."""
        return self.a in ("e4m3", "s8")

    @property
    def scales_weights(self) -> bool:
        """Whether weights are multiplied by their scales before the product, not sums after it."""
        return not self.is_narrow or self.scale == self.a

    @property
    def register_codes(self) -> int:
        """Codes of a register of a fragment."""
        return 4 if self.is_narrow else 2

    @property
    def lone_codes(self) -> int:
        """Codes that share 32 bits when each is alone: more than these are made of their halves."""
        return 2 if self.a == "e4m3" and self.scales_weights else self.register_codes

    @property
    def zero_type(self) -> str:
        """The type of zero points."""
        return self.a if self.has_zeros else "void"

    @property
    def given_scale_bytes(self) -> int:
        """Of a group scale as it is given."""
        return {"void": 0, "ue8m0": 1, "e4m3": 1, "s8": 1}.get(self.scale, 2)

    @property
    def scale_bytes(self) -> int:
        """Of a group scale as it is stored."""
        return 2 if self.given_scale_bytes and self.is_narrow else self.given_scale_bytes

    @property
    def bias(self) -> int:
        """The code of weight zero, where there are no zero points."""
        return {"u4b8": 8, "u8b128": 128}.get(self.b, 0)

    @property
    def half_groups(self) -> int:
        """Scales stored in 8 bits: groups of 64 input features."""
        return {"ue8m0": 2, "e4m3": 4}[self.scale] if self.scale_bytes == 1 else 0

    def unit(self, row: int) -> float:
        """What weight 1 is worth as a code alone, in a row of a slice; scales make up for it."""
        if not self.scales_weights or self.a == "s8":
            return 1
        return math.ldexp(1, (self.upper_shift if row % SLICE >= 8 else 0) - self.exponent)

    def value(self, code: int) -> float:
        """What a code stands for, before zero points are subtracted."""
        if self.b == "e4m3":
            return e4m3(code)
        if self.b == "e2m1":
            magnitude = (0, 0.5, 1, 1.5, 2, 3, 4, 6)[code & 7]
            return -magnitude if code & 8 else magnitude
        return code - self.bias

    @functools.cached_property
    def alone(self) -> list[list[int]]:
        """The bits of each code alone, in the lower rows of a slice and the upper."""
        codes = range(1 << self.bits)
        if self.a == "s8":
            return 2 * [[code if self.scales_weights else (code ^ 8) << 4 for code in codes]]
        if self.a == "e4m3" and not self.scales_weights:
            return 2 * [[code - 8 if code >= 8 else 0x80 | 7 - code for code in codes]]
        if self.b in ("e4m3", "e2m1"):
            sign = 1 << self.bits - 1
            below = self.type.mantissa_bits - (3 if self.b == "e4m3" else 1)
            return 2 * [
                [(code & sign) << 16 - self.bits | (code & sign - 1) << below for code in codes]
            ]
        shifts = (self.shift, self.shift + self.upper_shift)
        return [[code << shift for code in codes] for shift in shifts]

    def value_of_alone(self, bits: int) -> float:
        """The weight that a kernel makes of a code alone, without its scales, over the unit."""
        if self.a == "s8":
            return bits if self.scales_weights else math.ldexp(s8(bits), self.exponent)
        if not self.scales_weights:
            return math.ldexp(e4m3(bits + (bits >> 7)), self.exponent)
        return self.type.value(self.lone_exponent | bits) - self.type.value(self.lone_exponent)

    def scale_value(self, bits: int) -> float:
        """The number of a group scale; a zero of 8 bits has no sign."""
        if self.given_scale_bytes == 1:
            return {"e4m3": e4m3, "s8": s8, "ue8m0": ue8m0}[self.scale](bits) + 0.0
        return self.type.value(bits)

    def stored_scale(self, value: float) -> int:
        """The 16 bits that a scale is stored in."""
        if self.scale == "s8":
            assert value == int(value)
            return int(value) & 0xFFFF
        return self.type.bits(value)

    def value_of_stored_scale(self, bits: int) -> float:
        """Back from 16 bits."""
        if self.scale == "s8":
            return bits - 65536 if bits & 0x8000 else bits
        return self.type.value(bits)


def nibbles(shift: int) -> tuple[BitFields, ...]:
    """4-bit integers: registers 0 and 1 take one rotation, 2 and 3 another."""
    lower, upper = 0xF << shift, 0xF << shift + 4
    return (((lower, 0),), ((upper, 0),), ((lower, 24),), ((upper, 24),))


BYTES: tuple[BitFields, ...] = (((0xFF, 0),), ((0xFF, 24),))
E4M3_FIELDS: dict[str, tuple[BitFields, ...]] = {
    "bf16": (((0x87F0, 0),), ((0x8080, 4), (0x0770, 8))),
    "f16": (((0xBF80, 0),), ((0x8000, 1), (0x3F80, 7))),
}
E2M1_FIELDS: dict[str, tuple[BitFields, ...]] = {
    "bf16": (
        ((0x8180, 0), (0x0040, 8)),
        ((0x81C0, 2),),
        ((0x81C0, 6),),
        ((0x81C0, 12),),
    ),
    "f16": (
        ((0x8C00, 0), (0x0200, 2)),
        ((0x8400, 2), (0x0A00, 13)),
        ((0x8E00, 6),),
        ((0x8E00, 9),),
    ),
}


def encodings_of(type_: Float16) -> Iterator[Encoding]:
    """All weights for activations of a type of 16 bits."""
    a = type_.name
    is_f16 = a == "f16"
    shift = 2 if is_f16 else 0
    for b, has_zeros in (("u4b8", False), ("u4", True)):
        exponent = -type_.smallest - shift
        yield Encoding(a, type_, b, 4, a, has_zeros, 32, shift, 4, exponent, -7, nibbles(shift))
    for b, has_zeros in (("u8b128", False), ("u8", True)):
        largest = -8 if is_f16 else -7
        yield Encoding(a, type_, b, 8, a, has_zeros, 32, 0, 0, -type_.smallest, largest, BYTES)
    largest = 7 if is_f16 else 0
    yield Encoding(a, type_, "e4m3", 8, a, False, 32, 0, 0, type_.bias - 7, largest, E4M3_FIELDS[a])
    largest = 2 if is_f16 else 0
    for scale, multiple, mantissa, offset in (
        ("ue8m0", 32, 0, 0),
        ("e4m3", 16, 3, 0 if is_f16 else 221),
    ):
        yield Encoding(
            a, type_, "e2m1", 4, scale, False, multiple, 0, 0, type_.bias - 1, largest,
            E2M1_FIELDS[a], mantissa, offset,
        )  # fmt: skip


def narrow_encodings() -> Iterator[Encoding]:
    """All weights for activations of 8 bits."""
    for a, exponent, mask in (("s8", -4, 0xF0F0), ("e4m3", 9, 0x8787)):
        fields = (((mask, 0),), ((mask, 4),))
        for type_, scale in ((BF16, "bf16"), (F16, "f16"), (BF16, "void")):
            yield Encoding(a, type_, "u4b8", 4, scale, False, 128, 0, 0, exponent, 0, fields)
    # Scales that are multiplied into the weights.
    fields = (((0x0F0F, 0),), ((0x0F0F, 28),))
    yield Encoding("s8", F16, "u4b8", 4, "s8", False, 128, 0, 0, 0, 0, fields)
    yield Encoding(
        "e4m3", F16, "u4b8", 4, "e4m3", False, 128, 2, 4, -2, 5, nibbles(2),
        lone_exponent=0x6400,
    )  # fmt: skip


ENCODINGS = (*encodings_of(BF16), *encodings_of(F16), *narrow_encodings())


@dataclasses.dataclass(frozen=True)
class Layer:
    """Weights to be packed."""

    encoding: Encoding
    n: int
    k: int
    group_size: int
    codes: list[list[int]]  # [n][k]
    scales: list[list[int]]  # [k / group_size][n], bits
    zeros: list[list[int]]  # the same, or empty
    channel_scales: list[float]  # [n], or empty
    tensor_scale: float = 1.0

    def __str__(self) -> str:
        """Names a failure and how to repeat it."""
        return f"{self.encoding}, n {self.n}, k {self.k}, groups of {self.group_size}, seed {SEED}"

    @property
    def groups_per_block(self) -> int:
        """Along K."""
        if self.encoding.half_groups:
            return 2 * self.encoding.half_groups
        if self.group_size == self.k or self.group_size % 128 == 0:
            return 1
        return 2 if self.group_size % 64 == 0 else 4

    @property
    def codes_bytes(self) -> int:
        """Of a slice."""
        return SLICE * BLOCK_K * self.encoding.bits // 8

    @property
    def groups_bytes(self) -> int:
        """Of a slice."""
        feature_bytes = self.encoding.scale_bytes + 2 * self.encoding.has_zeros
        return SLICE * self.groups_per_block * feature_bytes

    @functools.cached_property
    def exponents(self) -> list[int]:
        """Which power of two is taken out of each feature's scales."""
        encoding = self.encoding
        if not encoding.scales_weights or encoding.scale == "s8":
            return self.n * [0]
        columns = zip(*self.scales, strict=True) if self.scales else ([None],) * self.n
        made = []
        for column in columns:
            largest = max(1.0 if x is None else abs(encoding.scale_value(x)) for x in column)
            exponent = math.frexp(largest)[1] - encoding.largest_scale if largest else 0
            made.append(max(-126, min(127, exponent)))
        return made

    def zero(self, group: int, row: int) -> int | None:
        """A zero point in 256ths; None for one that is not among the codes."""
        value = self.encoding.type.value(self.zeros[group][row])
        if not 0 <= value < 256:
            return None
        zero = math.floor(value * 256 + 0.5)
        return zero if zero < 1 << self.encoding.bits + 8 else None

    @functools.cached_property
    def small_scales(self) -> list[list[int]]:
        """8-bit scales as they are stored; 0 for those that vanish beside the feature's largest."""
        return [list(map(self._small_scale, group, self.exponents)) for group in self.scales]

    def _small_scale(self, bits: int, row_exponent: int) -> int:
        encoding = self.encoding
        mantissa, exponent = math.frexp(abs(encoding.scale_value(bits)))
        if mantissa == 0 or is_nan_scale(encoding, bits):
            return 0
        field = exponent - 1 - row_exponent + encoding.exponent
        field += encoding.type.bias - encoding.small_offset
        fraction = int((2 * mantissa - 1) * (1 << encoding.small_mantissa))
        return field << encoding.small_mantissa | fraction if field >= 1 else 0

    def code(self, row: int, k: int) -> int:
        """A code as it is packed."""
        if row >= self.n or k >= self.k:
            return self.encoding.bias
        code = self.codes[row][k]
        if self.encoding.half_groups:
            group = k // self.group_size
            if self.small_scales[group][row] == 0:
                return 0
            if self.encoding.scale_value(self.scales[group][row]) < 0:
                return code ^ 8
        return code

    @property
    def tag(self) -> int:
        """FNV-1a over 32-bit halves of what decides how the bytes are read."""
        encoding = self.encoding
        names = (encoding.a, encoding.b, encoding.scale, encoding.zero_type)
        types = [NUMBERS[name] for name in names]
        tag = 2166136261
        for word in (VERSION, *types, self.n, self.k, self.groups_per_block):
            for half in (word & 0xFFFFFFFF, word >> 32):
                tag = (tag ^ half) * 16777619 & 0xFFFFFFFF
        return tag

    def has_nan(self, row: int) -> bool:
        """Whether a weight of the feature is no number."""
        encoding = self.encoding
        groups = range(self.k // self.group_size)
        return (
            (encoding.b == "e4m3" and any(code & 0x7F == 0x7F for code in self.codes[row]))
            or any(is_nan_scale(encoding, group[row]) for group in self.scales)
            or (encoding.has_zeros and any(self.zero(group, row) is None for group in groups))
        )

    def factor(self, row: int) -> bytes:
        """What the epilogue multiplies a feature by."""
        if row >= self.n:
            return struct.pack("<f", 1)
        if self.has_nan(row):
            return struct.pack("<I", NAN_BITS)
        encoding = self.encoding
        exponent = self.exponents[row] if encoding.scales_weights else encoding.exponent
        factor = math.ldexp(1, exponent)
        if self.channel_scales:
            factor = f32(factor * self.channel_scales[row])
        return struct.pack("<f", f32(factor * self.tensor_scale))

    def weight(self, row: int, k: int) -> float:
        """The weight as machete.h defines it, but for channel and tensor scale."""
        group = k // self.group_size
        zero = (self.zero(group, row) or 0) / 256 if self.zeros else 0
        scale = self.encoding.scale_value(self.scales[group][row]) if self.scales else 1
        return (self.encoding.value(self.codes[row][k]) - zero) * scale

    def arguments(self) -> list[object]:
        """Of the program that packs."""
        encoding = self.encoding
        operands = ("s" if self.scales else "") + ("c" if self.channel_scales else "") + "-"
        types = [encoding.a, encoding.b, encoding.scale, encoding.zero_type]
        return [*types, self.n, self.k, self.group_size, operands, self.tensor_scale]

    def input_bytes(self) -> bytes:
        """What the program that packs reads."""
        codes = bytes(itertools.chain(*self.codes))
        if self.encoding.bits == 4:
            codes = bytes(
                low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True)
            )
        kind = "B" if self.encoding.given_scale_bytes == 1 else "H"
        return b"".join(
            [
                codes,
                *(struct.pack(f"<{self.n}{kind}", *group) for group in self.scales),
                *(struct.pack(f"<{self.n}H", *group) for group in self.zeros),
                struct.pack(f"<{len(self.channel_scales)}f", *self.channel_scales),
            ]
        )


def is_nan_scale(encoding: Encoding, bits: int) -> bool:
    """Whether a group scale of 8 bits is NaN, or not all weights times it have 8 bits again."""
    if encoding.scale == "ue8m0":
        return bits == 0xFF
    if encoding.scale == "s8":
        return any(not -128 <= (code - 8) * s8(bits) <= 127 for code in range(16))
    return encoding.scale == "e4m3" and bits & 0x7F == 0x7F


def rotate_left(word: int, bits: int) -> int:
    """In 32 bits."""
    return (word << bits | word >> 32 - bits) & 0xFFFFFFFF


def lane_words(layer: Layer, first_row: int, first_k: int, lane: int) -> list[int]:
    """A lane's codes of 16 features and 64 input features."""
    encoding = layer.encoding
    count, lone = encoding.register_codes, encoding.lone_codes
    registers = 32 // encoding.bits // count  # of a word
    words = []
    for step in range(first_k, first_k + 64, 8 * count):
        for register in range(4):
            row = first_row + lane // 4 + 8 * (register & 1)
            k = step + count * (lane % 4 + 4 * (register >> 1))
            if register % registers == 0:
                words.append(0)
            for first in range(0, count, lone):
                alone = 0
                for i in range(lone):
                    code = encoding.alone[register & 1][layer.code(row, k + first + i)]
                    alone |= code << 32 // lone * i
                for mask, rotation in encoding.fields[register % registers + first]:
                    words[-1] |= rotate_left(alone & mask * 0x10001, -rotation % 32)
    return words


def pack_codes(layer: Layer, first_row: int, first_k: int) -> bytes:
    """The codes of a slice: 16-byte vectors of each lane, for 64 input features after 64."""
    vectors = []
    for k in (first_k, first_k + 64):
        lanes = [lane_words(layer, first_row, k, lane) for lane in range(32)]
        for vector in range(0, len(lanes[0]), 4):
            vectors += [struct.pack("<4I", *words[vector : vector + 4]) for words in lanes]
    return b"".join(vectors)


def pack_groups(layer: Layer, first_row: int, first_k: int) -> bytes:
    """Scales and zero points of a slice."""
    encoding = layer.encoding
    group_k = BLOCK_K // layer.groups_per_block

    def of(row: int, block_group: int) -> tuple[int, int]:
        """A scale and a zero point as they are stored."""
        k = first_k + block_group * group_k
        if row >= layer.n or k >= layer.k:
            return 0, 0
        group = k // layer.group_size
        if encoding.half_groups:
            return layer.small_scales[group][row], 0
        scale = encoding.scale_value(layer.scales[group][row]) if layer.scales else 1.0
        # In two steps: both are exact, and neither leaves the range of a double.
        scale = math.ldexp(scale, -layer.exponents[row])
        zero = layer.zero(group, row) if encoding.has_zeros else 0
        stored = encoding.stored_scale(scale / encoding.unit(row))
        return stored, 0xFFFF if zero is None else zero

    parts = []
    together = encoding.half_groups or 1  # groups of a part
    for first in range(0, layer.groups_per_block if encoding.scale_bytes else 0, together):
        for r in range(8):
            rows = (first_row + r, first_row + r + 8)
            pairs = [of(row, g) for g in range(first, first + together) for row in rows]
            if encoding.half_groups:
                parts.append(bytes(scale for scale, _ in pairs))
                continue
            parts.append(struct.pack("<2H", *(scale for scale, _ in pairs)))
            if encoding.has_zeros:
                parts.append(struct.pack("<2H", *(zero for _, zero in pairs)))
    return b"".join(parts)


def pack(layer: Layer) -> bytes:
    """What prepack_B_host should make of a layer."""
    encoding = layer.encoding
    out = "bf16" if encoding.is_narrow else encoding.a
    sums = "s32" if encoding.a == "s8" else "f32"
    types = (encoding.a, encoding.b, encoding.scale, encoding.zero_type, "f32", "void", out, sums)
    parts = [
        b"MCHT",
        struct.pack("<I", VERSION),
        bytes(NUMBERS[name] for name in types),
        struct.pack("<qqq", layer.n, layer.k, layer.group_size),
        bytes(128 - 40),
    ]
    padded_n = math.ceil(layer.n / PANEL) * PANEL
    tag = struct.pack("<I", layer.tag)
    parts += [layer.factor(row) + tag for row in range(padded_n)]

    def pack_slice(first_row: int, first_k: int) -> bytes:
        return pack_codes(layer, first_row, first_k) + pack_groups(layer, first_row, first_k)

    beyond = pack_slice(padded_n, 0)  # outside of the matrix
    for panel in range(0, padded_n, PANEL):
        for first_k in range(0, layer.k, BLOCK_K):
            for first_row in range(panel, panel + PANEL, SLICE):
                inside = first_row < layer.n
                parts.append(pack_slice(first_row, first_k) if inside else beyond)
    return b"".join(parts)


def slice_offset(layer: Layer, row: int, k: int) -> int:
    """Where the slice of a weight begins."""
    slice_bytes = layer.codes_bytes + layer.groups_bytes
    k_blocks = math.ceil(layer.k / BLOCK_K)
    slices = (row // PANEL * k_blocks + k // BLOCK_K) * (PANEL // SLICE) + row % PANEL // SLICE
    return 128 + math.ceil(layer.n / PANEL) * PANEL * ROW_BYTES + slices * slice_bytes


def unpack_code(layer: Layer, packed: bytes, row: int, k: int) -> float:
    """What a code is worth as the kernels get it: alone in a half or a quarter."""
    encoding = layer.encoding
    count, lone = encoding.register_codes, encoding.lone_codes
    registers = 32 // encoding.bits // count  # of a word
    lane = row % 8 * 4 + k % (4 * count) // count
    register = row % SLICE // 8 + k % (8 * count) // (4 * count) * 2
    # Among the lane's bytes for 64 input features.
    at = (k % 64 // (8 * count) * (4 // registers) + register // registers) * 4
    offset = slice_offset(layer, row, k) + k % BLOCK_K // 64 * layer.codes_bytes // 2
    offset += at // 16 * 512 + lane * 16 + at % 16
    (word,) = struct.unpack_from("<I", packed, offset)
    alone = 0
    for mask, rotation in encoding.fields[register % registers + k % count // lone * lone]:
        alone |= rotate_left(word, rotation) & mask * 0x10001
    bits = 32 // lone
    alone = alone >> bits * (k % lone) & (1 << bits) - 1
    return encoding.value_of_alone(alone) / encoding.unit(row)


def unpack_group(layer: Layer, packed: bytes, row: int, k: int) -> tuple[float, float, float]:
    """A group's scale, how much of it may have been cut off, and its zero point."""
    encoding = layer.encoding
    factor, _ = struct.unpack_from("<fI", packed, 128 + row * ROW_BYTES)
    unit = encoding.unit(row) * factor
    if not encoding.scales_weights:
        unit = math.ldexp(unit, -encoding.exponent)
    if encoding.scale_bytes == 0:
        return unit, 0.0, 0.0
    offset = slice_offset(layer, row, k) + layer.codes_bytes
    upper = row % SLICE // 8
    group = k % BLOCK_K // (BLOCK_K // layer.groups_per_block)
    if encoding.half_groups:
        half, within = divmod(group, encoding.half_groups)
        byte = packed[offset + ((half * 8 + row % 8) * encoding.half_groups + within) * 2 + upper]
        field, fraction = divmod(byte, 1 << encoding.small_mantissa)
        exponent = field + encoding.small_offset - encoding.type.bias
        stored = math.ldexp(1 + fraction / (1 << encoding.small_mantissa), exponent)
        return stored * unit, 0.0, 0.0
    part = 8 if encoding.has_zeros else 4
    offset += (group * 8 + row % 8) * part + 2 * upper
    (bits,) = struct.unpack_from("<H", packed, offset)
    (zero,) = struct.unpack_from("<H", packed, offset + 4) if encoding.has_zeros else (0,)
    stored = encoding.value_of_stored_scale(bits)
    # Scales that are not multiplied are not cut, nor are those that have 16 bits for 8.
    is_cut = abs(stored) < encoding.type.smallest_normal and not encoding.is_narrow
    cut = 2.0**encoding.type.smallest if is_cut else 0.0
    return stored * unit, cut * unit, zero / 256


def plain_scale(rng: random.Random, encoding: Encoding) -> int:
    """As trained layers have them: a feature's scales lie within a few powers of two."""
    if encoding.scale == "ue8m0":
        return rng.randint(115, 125)
    if encoding.scale == "e4m3":
        return rng.choice((0, 0x80)) | rng.randint(0x20, 0x7E)
    if encoding.scale == "s8":
        return rng.randint(-15, 16) & 0xFF
    mantissa = rng.getrandbits(encoding.type.mantissa_bits) / 2**encoding.type.mantissa_bits
    sign = rng.choice((1, -1))
    return encoding.type.bits(sign * math.ldexp(1 + mantissa, rng.randint(-10, -2)))


def wild_scale(rng: random.Random, encoding: Encoding, feature: int) -> int:
    """All that is allowed: zeros, subnormals, and the largest and smallest of both signs."""
    if encoding.given_scale_bytes == 1:
        # NaN is rare, so that most features are numbers.
        bits = rng.getrandbits(8)
        if feature % 7 == 3 or not is_nan_scale(encoding, bits):
            return bits
        return plain_scale(rng, encoding)
    type_ = encoding.type
    sign = rng.getrandbits(1) << 15
    if feature % 7 == 3:  # a row of zeros
        return sign
    smallest = 1 << type_.mantissa_bits
    largest = type_.bits(2.0**112 if type_.name == "bf16" else 2.0**15)
    below: dict[int, Callable[[], int]] = {
        0: lambda: 0,
        1: lambda: rng.randrange(1, smallest),  # subnormal
        2: lambda: rng.randrange(smallest, 3 * smallest),  # tiny
        3: lambda: rng.randrange(largest - smallest, largest + smallest),
        4: lambda: rng.randrange(largest + smallest),
    }
    # Some features have small scales only.
    kind = rng.choice((0, 1, 2)) if feature % 7 == 5 else rng.randrange(5)
    return sign | below[kind]()


def plain_zero(rng: random.Random, encoding: Encoding) -> int:
    """A whole zero point or a fractional one, from the lowest code to the highest."""
    highest = (1 << encoding.bits) - 1
    value = rng.choice((0, highest, rng.randint(0, highest), rng.uniform(0, highest)))
    # To what both types hold, and to 256ths.
    mantissa, exponent = math.frexp(value)
    value = math.ldexp(math.floor(math.ldexp(mantissa, 8)), exponent - 8)
    return encoding.type.bits(math.floor(value * 256) / 256)


def wild_zero(rng: random.Random, encoding: Encoding, feature: int) -> int:
    """Any bits for some features: negative ones, too large ones, infinities and NaN."""
    if feature % 5 == 2:
        return rng.getrandbits(16)
    if feature % 5 == 3:  # smaller than 1/256
        return rng.randrange(encoding.type.bits(2.0**-6))
    return plain_zero(rng, encoding)


def make_layer(
    rng: random.Random, encoding: Encoding, shape: tuple[int, int, int], wild: bool
) -> Layer:
    """A random layer."""
    n, k, group_size = shape
    features, groups = range(n), range(k // group_size)
    codes = [[byte >> 8 - encoding.bits for byte in rng.randbytes(k)] for _ in features]
    # The lowest, the highest.
    codes[0], codes[1] = [0] * k, [(1 << encoding.bits) - 1] * k
    if encoding.b == "e4m3" and not wild:
        codes = [[code ^ 1 if code & 0x7F == 0x7F else code for code in row] for row in codes]
    scales: list[list[int]] = []
    may_lack = encoding.given_scale_bytes == 2 and group_size == k
    if encoding.scale_bytes and not (may_lack and rng.getrandbits(1)):
        scales = [
            [
                wild_scale(rng, encoding, feature) if wild else plain_scale(rng, encoding)
                for feature in features
            ]
            for _ in groups
        ]
    zeros: list[list[int]] = []
    if encoding.has_zeros:
        zeros = [
            [
                wild_zero(rng, encoding, feature) if wild else plain_zero(rng, encoding)
                for feature in features
            ]
            for _ in groups
        ]
    layer = Layer(encoding, n, k, group_size, codes, scales, zeros, [])
    if not wild:
        return layer
    exponents = [rng.choice((0, 0, 0, 126, -126)) for _ in features]
    return dataclasses.replace(
        layer,
        channel_scales=[f32(math.ldexp(rng.uniform(-2, 2), exponent)) for exponent in exponents],
        tensor_scale=f32(rng.uniform(0, 2)),
    )


def prepack(arguments: Sequence[object], data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Runs prepack_B_host."""
    command = [os.environ["PREPACK"], *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=False)


SHAPES = (
    # n, k, group size
    (8, 16, 16),
    (8, 128, 32),
    (24, 128, 16),
    (24, 192, 48),
    (24, 192, 64),
    (40, 192, 96),
    (24, 192, 192),
    (64, 256, 128),
    (264, 144, 144),
)


@functools.cache
def layers(wild: bool) -> list[tuple[Layer, bytes]]:
    """Layers of all families and shapes, and what the library makes of them."""
    rng = random.Random(SEED)
    made = []
    for encoding, shape in itertools.product(ENCODINGS, SHAPES):
        _, k, group_size = shape
        if group_size != k and (group_size % encoding.multiple or not encoding.scale_bytes):
            continue
        layer = make_layer(rng, encoding, shape, wild)
        result = prepack(layer.arguments(), layer.input_bytes())
        assert result.returncode == 0, f"{layer}: {result.stderr.decode()}"
        made.append((layer, result.stdout))
    return made


class PrepackTest(unittest.TestCase):
    """Every test takes layers of all families."""

    def setUp(self) -> None:
        print(f"seed {SEED}", flush=True)

    def assert_same_bytes(self, layer: Layer, packed: bytes) -> None:
        wanted = pack(layer)
        self.assertEqual(len(packed), len(wanted), str(layer))
        if packed == wanted:
            return
        at = next(i for i in range(len(wanted)) if packed[i] != wanted[i])
        wrong = sum(a != b for a, b in zip(packed, wanted, strict=True))
        self.fail(f"{layer}: byte {at} is {packed[at]:#x}, not {wanted[at]:#x}; {wrong} differ")

    def test_a_code_alone_is_worth_its_weight(self) -> None:
        for encoding in ENCODINGS:
            for row, table in zip((0, 8), encoding.alone, strict=True):
                for code, alone in enumerate(table):
                    weight = encoding.value(code) * encoding.unit(row)
                    if encoding.scales_weights:  # an offset is subtracted with the scale
                        weight += encoding.bias * encoding.unit(row)
                    found = encoding.value_of_alone(alone)
                    self.assertEqual(found, weight, f"{encoding}: {code}")

    def test_bytes(self) -> None:
        features = nan = 0
        for layer, packed in layers(wild=True):
            self.assert_same_bytes(layer, packed)
            features += layer.n
            nan += sum(layer.has_nan(row) for row in range(layer.n))
        self.assertGreater(nan, 100)
        self.assertGreater(features, 3 * nan)

    def test_plain_layers_come_back_exactly(self) -> None:
        for layer, packed in layers(wild=False):
            group_k = BLOCK_K // layer.groups_per_block
            bias = layer.encoding.bias if layer.encoding.scales_weights else 0
            for row in range(layer.n):
                for k in range(layer.k):
                    if k % group_k == 0:
                        scale, _, zero = unpack_group(layer, packed, row, k)
                    code = unpack_code(layer, packed, row, k) - bias
                    weight, wanted = (code - zero) * scale, layer.weight(row, k)
                    if weight != wanted:
                        self.fail(f"{layer}: row {row}, k {k}: {weight}, not {wanted}")

    def test_wild_scales_come_back_but_for_what_is_negligible(self) -> None:
        exact = cut_off = 0
        for wild, _ in layers(wild=True):
            if wild.encoding.half_groups or not wild.scales:
                continue
            # Without what else is in the features' factors.
            layer = dataclasses.replace(wild, channel_scales=[], tensor_scale=1.0)
            if layer.zeros:
                layer = dataclasses.replace(layer, zeros=[[0] * layer.n for _ in layer.scales])
            codes = [[0] * layer.k for _ in range(layer.n)]
            layer = dataclasses.replace(layer, codes=codes)
            packed = prepack(layer.arguments(), layer.input_bytes()).stdout
            value = layer.encoding.scale_value
            for row in range(layer.n):
                if layer.has_nan(row):
                    continue
                largest = max(abs(value(group[row])) for group in layer.scales)
                for group, scales in enumerate(layer.scales):
                    scale = value(scales[row])
                    unpacked, cut, _ = unpack_group(layer, packed, row, group * layer.group_size)
                    where = f"{layer}: row {row}, group {group}: {unpacked}, not {scale}"
                    # Towards zero, and by less than a unit of the smallest number.
                    self.assertLessEqual(abs(unpacked), abs(scale), where)
                    if scale and cut:
                        self.assertLess(abs(scale - unpacked), cut, where)
                        # The last bit lies far below the feature's largest scale.
                        self.assertLessEqual(cut, largest * 2.0**-30, where)
                    else:
                        self.assertEqual(unpacked, scale, where)
                    self.assertEqual(math.copysign(1, unpacked), math.copysign(1, scale), where)
                    exact += unpacked == scale
                    cut_off += unpacked != scale
        self.assertGreater(exact, 1000)
        self.assertGreater(cut_off, 0)

    def test_small_scales_vanish_only_far_below_the_largest(self) -> None:
        vanished = 0
        for layer, _ in layers(wild=True):
            if not layer.encoding.half_groups:
                continue
            value = layer.encoding.scale_value
            for row in range(layer.n):
                largest = max(abs(value(group[row])) for group in layer.scales)
                for group, scales in enumerate(layer.scales):
                    scale = abs(value(scales[row]))
                    if scale == 0 or layer.small_scales[group][row]:
                        continue
                    if is_nan_scale(layer.encoding, scales[row]):
                        continue
                    vanished += 1
                    self.assertLess(scale, largest * 2.0**-28, f"{layer}: row {row}")
        self.assertGreater(vanished, 0)

    def test_every_scale_that_is_multiplied_into_weights_of_8_bits(self) -> None:
        for encoding in ENCODINGS:
            if not (encoding.is_narrow and encoding.scales_weights):
                continue
            # A feature for each; the others of the layer are 1.
            one = {"s8": 1, "e4m3": 0x38}[encoding.scale]
            self.assertEqual(encoding.scale_value(one), 1)
            for group in (0, 1):
                scales = [[one] * 256, [one] * 256]
                scales[group] = list(range(256))
                codes = [list(range(16)) * 16 for _ in range(256)]
                layer = Layer(encoding, 256, 256, 128, codes, scales, [], [])
                packed = prepack(layer.arguments(), layer.input_bytes()).stdout
                self.assert_same_bytes(layer, packed)
                made_nan = set()
                for row in range(256):
                    (factor,) = struct.unpack_from("<f", packed, 128 + row * ROW_BYTES)
                    if math.isnan(factor):
                        made_nan.add(row)
                        continue
                    for k in (*range(16), *range(128, 144)):
                        self.assert_becomes_8_bits(layer, packed, row, k)
                number = {
                    "s8": {scale & 0xFF for scale in range(-15, 17)},
                    "e4m3": set(range(256)) - {0x7F, 0xFF},
                }
                self.assertEqual(made_nan, set(range(256)) - number[encoding.scale], str(layer))

    def assert_becomes_8_bits(self, layer: Layer, packed: bytes, row: int, k: int) -> None:
        """That what a kernel computes of a code is the weight, and can be rounded to 8 bits."""
        encoding = layer.encoding
        (factor,) = struct.unpack_from("<f", packed, 128 + row * ROW_BYTES)
        scale, _, _ = unpack_group(layer, packed, row, k)
        scale /= factor * encoding.unit(row)  # as stored
        alone = unpack_code(layer, packed, row, k) * encoding.unit(row)
        wanted = layer.weight(row, k) / factor
        where = f"{layer}: row {row}, k {k}"
        if encoding.a == "s8":
            # 128 more, and without carries from one quarter to the next.
            product = alone * scale + 128 - 8 * scale
            self.assertIn(product, range(256), where)
            self.assertEqual(product - 128, wanted, where)
            return
        one = F16.value(encoding.lone_exponent)
        offset = -(one + encoding.bias * encoding.unit(row)) * scale
        self.assertEqual(F16.value(F16.bits(offset)), offset, where)
        product = (one + alone) * scale + offset
        self.assertEqual(F16.value(F16.bits(product)), product, where)
        self.assertEqual(product, wanted, where)
        self.assertLessEqual(abs(product), e4m3(0x7E), where)

    def test_refuses_what_it_cannot_pack(self) -> None:
        result = prepack(("bf16", "u4b8", "bf16", "void", 12, 128, 128, "s", 1), b"")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"n = 12; allowed: positive multiples of 8", result.stderr)
        self.assertEqual(result.stdout, b"")


if __name__ == "__main__":
    unittest.main()
