"""Packing on the host against a plain reading of the layout, and back from the packed bytes.

The reference follows the description in machete/kernel/layout.h and shares no code with it. Data
are new in every run; bazel test --test_env=PREPACK_TEST_SEED=7 repeats one.
"""

import dataclasses
import itertools
import math
import os
import random
import struct
import subprocess
import unittest
from collections.abc import Callable, Iterator

SEED = int(os.environ.get("PREPACK_TEST_SEED") or random.SystemRandom().randrange(2**32))

# As machete/types.h counts them.
VOID, F16, BF16, F32, U4B8, U8B128 = 0, 1, 2, 3, 12, 13

PANEL = 256  # features of four blocks that lie next to each other
BLOCK_N = 64
BLOCK_K = 128
SLICE = 16
ROW_BYTES = 8


@dataclasses.dataclass(frozen=True)
class Float16:
    """A 16-bit type, and how its values are written."""

    name: str
    number: int
    mantissa_bits: int
    smallest_normal: int  # exponents
    smallest: int

    def value(self, bits: int) -> float:
        """The number that the bits stand for."""
        if self.number == BF16:
            return struct.unpack("<f", struct.pack("<I", bits << 16))[0]
        return struct.unpack("<e", struct.pack("<H", bits))[0]

    def bits(self, value: float) -> int:
        """The bits of a number; what a subnormal cannot hold is cut off."""
        if abs(value) < 2.0**self.smallest_normal:
            unit = 2.0**self.smallest
            value = math.copysign(math.floor(abs(value) / unit) * unit, value)
        if self.number == BF16:
            (bits,) = struct.unpack("<I", struct.pack("<f", value))
            assert bits & 0xFFFF == 0, f"{value} is no bf16"
            return bits >> 16
        (bits,) = struct.unpack("<H", struct.pack("<e", value))
        assert self.value(bits) == value, f"{value} is no f16"
        return bits


TYPES = (
    Float16("bf16", BF16, 7, -126, -133),
    Float16("f16", F16, 10, -14, -24),
)


@dataclasses.dataclass(frozen=True)
class Codes:
    """A type of weights."""

    name: str
    number: int
    bits: int
    shift: dict[str, int]
    """By activations: where a code alone in a float begins, in the lower rows of a slice."""
    upper_shift: int
    """How much further up in the upper rows."""
    largest_scale: dict[str, int]
    """By activations: the power of two that the scales of a feature are brought below."""

    @property
    def bias(self) -> int:
        """The code of weight zero."""
        return 1 << self.bits - 1

    @property
    def slice_bytes(self) -> int:
        """Of a slice's codes."""
        return SLICE * BLOCK_K * self.bits // 8


CODES = (
    Codes("u4b8", U4B8, 4, {"bf16": 0, "f16": 2}, 4, {"bf16": -7, "f16": -7}),
    Codes("u8b128", U8B128, 8, {"bf16": 0, "f16": 0}, 0, {"bf16": -7, "f16": -8}),
)


@dataclasses.dataclass(frozen=True)
class Layer:
    """Weights to be packed."""

    type: Float16
    code: Codes
    n: int
    k: int
    group_size: int
    codes: list[list[int]]  # [n][k]
    scales: list[list[int]]  # [k / group_size][n], bits

    def __str__(self) -> str:
        """Names a failure and how to repeat it."""
        return (
            f"{self.type.name}, {self.code.name}, n {self.n}, k {self.k},"
            f" groups of {self.group_size}, seed {SEED}"
        )

    @property
    def groups_per_block(self) -> int:
        """Along K."""
        return 2 if self.group_size == 64 and self.k > 64 else 1

    @property
    def slice_bytes(self) -> int:
        """Of codes and scales."""
        return self.code.slice_bytes + self.groups_per_block * SLICE * 2

    def shift(self, row: int) -> int:
        """Where a code begins once it is alone in a float."""
        upper = row % SLICE >= 8
        return self.code.shift[self.type.name] + (self.code.upper_shift if upper else 0)

    def code_unit(self, row: int) -> float:
        """What code 1 is worth as a float."""
        return 2.0 ** (self.type.smallest + self.shift(row))

    def input_bytes(self) -> bytes:
        """Codes and scales as prepack_B takes them."""
        codes = bytes(itertools.chain(*self.codes))
        if self.code.bits == 4:
            codes = bytes(
                low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True)
            )
        return codes + b"".join(struct.pack(f"<{self.n}H", *group) for group in self.scales)


def make_layer(
    rng: random.Random,
    type_: Float16,
    code: Codes,
    shape: tuple[int, int, int],
    scale: Callable[[random.Random, Float16, int], int],
) -> Layer:
    """Random codes, and scales for each feature by `scale`."""
    n, k, group_size = shape
    codes = [[byte >> 8 - code.bits for byte in rng.randbytes(k)] for _ in range(n)]
    scales = [[scale(rng, type_, feature) for feature in range(n)] for _ in range(k // group_size)]
    return Layer(type_, code, n, k, group_size, codes, scales)


def plain_scale(rng: random.Random, type_: Float16, feature: int) -> int:
    """As trained layers have them: a feature's scales lie within a few powers of two."""
    del feature
    mantissa = rng.getrandbits(type_.mantissa_bits) / 2**type_.mantissa_bits
    sign = rng.choice((1, -1))
    return type_.bits(sign * math.ldexp(1 + mantissa, rng.randint(-10, -2)))


def wild_scale(rng: random.Random, type_: Float16, feature: int) -> int:
    """All that is allowed: zeros, subnormals, and the largest and smallest of both signs."""
    sign = rng.getrandbits(1) << 15
    if feature % 7 == 3:  # a row of zeros
        return sign
    smallest = 1 << type_.mantissa_bits
    largest = type_.bits(2.0**112 if type_.number == BF16 else 2.0**15)
    below = {
        0: lambda: 0,
        1: lambda: rng.randrange(1, smallest),  # subnormal
        2: lambda: rng.randrange(smallest, 3 * smallest),  # tiny
        3: lambda: rng.randrange(largest - smallest, largest + smallest),
        4: lambda: rng.randrange(largest + smallest),
    }
    # Some features have small scales only.
    kind = rng.choice((0, 1, 2)) if feature % 7 == 5 else rng.randrange(5)
    return sign | below[kind]()


def row_exponent(layer: Layer, feature: int) -> int:
    """Which power of two is taken out of a feature's scales."""
    if feature >= layer.n:
        return 0
    largest = max(abs(layer.type.value(group[feature])) for group in layer.scales)
    return math.frexp(largest)[1] - layer.code.largest_scale[layer.type.name] if largest else 0


def layout_tag(layer: Layer) -> int:
    """FNV-1a over 32-bit halves of the version, four types, n, k and the groups of a block."""
    tag = 2166136261
    for word in (
        (1, layer.type.number, layer.code.number, layer.type.number, VOID)
        + (layer.n, layer.k, layer.groups_per_block)
    ):  # fmt: skip
        for half in (word & 0xFFFFFFFF, word >> 32):
            tag = (tag ^ half) * 16777619 & 0xFFFFFFFF
    return tag


def fragment(layer: Layer, first_row: int, first_k: int, lane: int) -> list[tuple[int, int]]:
    """A lane's codes of 16 x 16 weights: those of even and odd k for each register."""
    pairs = []
    for register in range(4):
        row = first_row + lane // 4 + 8 * (register & 1)
        k = first_k + 2 * (lane % 4) + 8 * (register >> 1)
        inside = row < layer.n and k < layer.k
        even, odd = layer.codes[row][k : k + 2] if inside else (layer.code.bias,) * 2
        pairs.append((even, odd))
    return pairs


def fragment_bytes(layer: Layer, pairs: list[tuple[int, int]]) -> bytes:
    """A fragment as it is packed."""
    if layer.code.bits == 8:
        return bytes(itertools.chain(*pairs))
    word = 0
    for register, (even, odd) in enumerate(pairs):
        word |= even << 4 * register | odd << 4 * (register + 4)
    shift = layer.code.shift[layer.type.name]
    return struct.pack("<I", (word << shift | word >> 32 - shift) & 0xFFFFFFFF)


def pack_slice(layer: Layer, first_row: int, first_k: int) -> bytes:
    """The codes and scales of 16 features and 128 input features."""
    type_ = layer.type
    vectors = []
    vector_k = 256 // layer.code.bits  # input features of 16 bytes a lane
    for k in range(first_k, first_k + BLOCK_K, vector_k):
        for lane in range(32):
            for step in range(k, k + vector_k, 16):
                vectors.append(fragment_bytes(layer, fragment(layer, first_row, step, lane)))
    scales = []
    for block_group in range(layer.groups_per_block):
        k = first_k + block_group * (BLOCK_K // layer.groups_per_block)
        for r in range(8):
            for row in (first_row + r, first_row + r + 8):
                bits = 0
                if row < layer.n and k < layer.k:
                    scale = type_.value(layer.scales[k // layer.group_size][row])
                    # In two steps: both are exact, and neither leaves the range of a double.
                    scale = math.ldexp(scale, -row_exponent(layer, row))
                    bits = type_.bits(scale / layer.code_unit(row))
                scales.append(bits)
    return b"".join(vectors) + struct.pack(f"<{len(scales)}H", *scales)


def pack(layer: Layer) -> bytes:
    """What prepack_B_host should make of a layer."""
    number = layer.type.number
    types = bytes((number, layer.code.number, number, VOID, VOID, VOID, number, F32))
    parts = [
        b"MCHT",
        struct.pack("<I", 1),
        types,
        struct.pack("<qqq", layer.n, layer.k, layer.group_size),
        bytes(128 - 40),
    ]
    padded_n = math.ceil(layer.n / PANEL) * PANEL
    for row in range(padded_n):
        parts.append(struct.pack("<fI", 2.0 ** row_exponent(layer, row), layout_tag(layer)))
    for panel in range(0, padded_n, PANEL):
        for first_k in range(0, layer.k, BLOCK_K):
            for first_row in range(panel, panel + PANEL, SLICE):
                parts.append(pack_slice(layer, first_row, first_k))
    return b"".join(parts)


def slice_offset(layer: Layer, row: int, k: int) -> int:
    """Where the slice of a weight begins."""
    padded_n = math.ceil(layer.n / PANEL) * PANEL
    k_blocks = math.ceil(layer.k / BLOCK_K)
    panel_bytes = k_blocks * (PANEL // SLICE) * layer.slice_bytes
    return (
        128
        + padded_n * ROW_BYTES
        + row // PANEL * panel_bytes
        + k // BLOCK_K * (PANEL // SLICE) * layer.slice_bytes
        + row % PANEL // SLICE * layer.slice_bytes
    )


def unpack_code(layer: Layer, packed: bytes, offset: int, row: int, k: int) -> float:
    """A code as the kernels get it: alone in the low bits of a float, here over the code's unit.

    The offset is the slice's.
    """
    lane = row % 8 * 4 + k % 8 // 2
    upper = row % SLICE >= 8
    if layer.code.bits == 8:
        offset += k % BLOCK_K // 32 * 512 + lane * 16 + k % 32 // 16 * 8
        offset += k % 16 // 8 * 4 + upper * 2 + k % 2
        alone = packed[offset]
    else:
        offset += k % BLOCK_K // 64 * 512 + lane * 16 + k % 64 // 16 * 4
        (word,) = struct.unpack_from("<I", packed, offset)
        if k % 16 >= 8:  # the kernels rotate
            word = word >> 8 | word << 24
        alone = word >> 16 * (k % 2) & 0xF << layer.shift(row)
    return layer.type.value(alone) / layer.code_unit(row)


def unpack_scale(layer: Layer, packed: bytes, row: int, k: int) -> tuple[float, float]:
    """A group's scale, and how much of it may have been cut off."""
    group = k % BLOCK_K // 64 if layer.groups_per_block == 2 else 0
    offset = slice_offset(layer, row, k) + layer.code.slice_bytes
    offset += group * SLICE * 2 + row % 8 * 4 + row % SLICE // 8 * 2
    (bits,) = struct.unpack_from("<H", packed, offset)
    factor, _ = struct.unpack_from("<fI", packed, 128 + row * ROW_BYTES)
    unit = layer.code_unit(row) * factor
    stored = layer.type.value(bits)
    cut = 2.0**layer.type.smallest if abs(stored) < 2.0**layer.type.smallest_normal else 0.0
    return stored * unit, cut * unit


def prepack(*arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Runs prepack_B_host."""
    command = [os.environ["PREPACK"], *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=False)


SHAPES = (
    # n, k, group size
    (8, 16, 16),
    (8, 128, 64),
    (64, 64, 64),
    (64, 128, 128),
    (64, 384, 128),
    (200, 192, 64),
    (200, 192, 192),
    (256, 128, 64),
    (256, 256, 128),
    (320, 16, 16),
    (320, 192, 64),
    (320, 272, 272),
)


class PrepackTest(unittest.TestCase):
    """Every test takes layers of all families."""

    def setUp(self) -> None:
        print(f"seed {SEED}", flush=True)

    def layers(
        self, scale: Callable[[random.Random, Float16, int], int]
    ) -> Iterator[tuple[Layer, bytes]]:
        """Layers of all shapes, and what the library makes of them."""
        rng = random.Random(SEED)
        for type_, code, shape in itertools.product(TYPES, CODES, SHAPES):
            layer = make_layer(rng, type_, code, shape, scale)
            arguments = (type_.name, code.name, layer.n, layer.k, layer.group_size)
            result = prepack(*arguments, data=layer.input_bytes())
            self.assertEqual(result.returncode, 0, result.stderr.decode())
            yield layer, result.stdout

    def assert_same_bytes(self, layer: Layer, packed: bytes) -> None:
        wanted = pack(layer)
        self.assertEqual(len(packed), len(wanted), str(layer))
        if packed == wanted:
            return
        at = next(i for i in range(len(wanted)) if packed[i] != wanted[i])
        wrong = sum(a != b for a, b in zip(packed, wanted, strict=True))
        self.fail(f"{layer}: byte {at} is {packed[at]:#x}, not {wanted[at]:#x}; {wrong} differ")

    def test_bytes_of_plain_layers(self) -> None:
        for layer, packed in self.layers(plain_scale):
            self.assert_same_bytes(layer, packed)

    def test_bytes_of_wild_scales(self) -> None:
        for layer, packed in self.layers(wild_scale):
            self.assert_same_bytes(layer, packed)

    def test_plain_layers_come_back_exactly(self) -> None:
        for layer, packed in self.layers(plain_scale):
            for row in range(layer.n):
                for k in range(layer.k):
                    scale = layer.type.value(layer.scales[k // layer.group_size][row])
                    if k % 64 == 0:
                        offset = slice_offset(layer, row, k)
                        unpacked, _ = unpack_scale(layer, packed, row, k)
                        self.assertEqual(unpacked, scale, f"{layer}: row {row}, k {k}")
                    code = unpack_code(layer, packed, offset, row, k)
                    weight = (code - layer.code.bias) * unpacked
                    wanted = (layer.codes[row][k] - layer.code.bias) * scale
                    if weight != wanted:
                        self.fail(f"{layer}: row {row}, k {k}: {weight}, not {wanted}")

    def test_wild_scales_come_back_but_for_what_is_negligible(self) -> None:
        exact = cut_off = 0
        for layer, packed in self.layers(wild_scale):
            for row in range(layer.n):
                largest = max(abs(layer.type.value(group[row])) for group in layer.scales)
                for group, scales in enumerate(layer.scales):
                    scale = layer.type.value(scales[row])
                    unpacked, cut = unpack_scale(layer, packed, row, group * layer.group_size)
                    where = f"{layer}: row {row}, group {group}: {unpacked}, not {scale}"
                    # Towards zero, and by less than a unit of the smallest number.
                    self.assertLessEqual(abs(unpacked), abs(scale), where)
                    if scale and cut:
                        self.assertLess(abs(scale - unpacked), cut, where)
                        # The last bit lies far below the feature's largest scale.
                        self.assertLessEqual(cut, largest * 2.0**-34, where)
                    else:
                        self.assertEqual(unpacked, scale, where)
                    self.assertEqual(math.copysign(1, unpacked), math.copysign(1, scale), where)
                    exact += unpacked == scale
                    cut_off += unpacked != scale
        self.assertGreater(exact, 1000)
        self.assertGreater(cut_off, 0)

    def test_refuses_what_it_cannot_pack(self) -> None:
        result = prepack("bf16", "u4b8", 12, 128, 128)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"n = 12; allowed: positive multiples of 8", result.stderr)
        self.assertEqual(result.stdout, b"")


if __name__ == "__main__":
    unittest.main()
