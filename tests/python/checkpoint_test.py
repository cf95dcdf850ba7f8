"""Checkpoints in the formats that people have, read back against their definitions. Needs no GPU.

The files are written here, by loops over single codes that share nothing with the package; weights
are compared with what the format's definition gives, in float64, without any tolerance.
"""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

import machete.checkpoint
import numpy as np

import machete

N, K = 64, 256
NAME = "model.layers.0.mlp.down_proj"
E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]
DTYPES = {
    np.dtype(np.int32): "I32",
    np.dtype(np.int64): "I64",
    np.dtype(np.uint8): "U8",
    np.dtype(np.float16): "F16",
    np.dtype(np.float32): "F32",
}

Tensors = dict[str, np.ndarray | tuple[str, np.ndarray]]


def write_file(path: Path, tensors: Tensors) -> None:
    """A safetensors file: the header's length, the header, the data. Dtypes that NumPy lacks are
    given beside the array."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        dtype, array = tensor if isinstance(tensor, tuple) else (DTYPES[tensor.dtype], tensor)
        end = len(data) + array.nbytes
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def pack(codes: np.ndarray, bits: int, places: list[int] | None = None) -> np.ndarray:
    """int32 words of codes along the last axis; place i of a word holds its code places[i]."""
    count = 32 // bits
    places = places or list(range(count))
    words = np.zeros((*codes.shape[:-1], codes.shape[-1] // count), dtype=np.uint32)
    for i, place in enumerate(places):
        words |= codes[..., place::count].astype(np.uint32) << np.uint32(i * bits)
    return words.view(np.int32)


def bf16(values: np.ndarray) -> np.ndarray:
    """The bits of numbers that bf16 has."""
    bits = values.astype(np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any()
    return (bits >> 16).astype(np.uint16)


class CheckpointTest(unittest.TestCase):
    """A file of one layer, and the layer that is read from it."""

    def setUp(self) -> None:
        """Fixes random numbers."""
        self.rng = np.random.default_rng(7)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "model.safetensors"

    def open(self, tensors: Tensors) -> object:
        """The tensors, by way of a file, with the layer's name before theirs."""
        write_file(self.path, {f"{NAME}{key}": value for key, value in tensors.items()})
        return machete.checkpoint.open(self.path)

    def assert_layer(self, layer: machete.checkpoint.Layer, wanted: np.ndarray, **desc: object):
        """What a layer stands for, and that it can be packed."""
        for field, value in {"a": "f16", "n": N, "k": K, **desc}.items():
            self.assertEqual(getattr(layer.desc, field), value, field)
        np.testing.assert_array_equal(layer.dequantised(), wanted)
        packed = np.zeros(machete.prepacked_size(layer.desc), dtype=np.uint8)
        machete.prepack_B(layer.desc, layer.weights, packed)
        self.assertEqual(packed[:4].tobytes(), b"MCHT")

    def scales(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(0.004, 0.02, shape).astype(np.float16)


class GptqTest(CheckpointTest):
    """AutoGPTQ's tensors."""

    def layer(self, bits: int, symmetric: bool, group_of_feature: np.ndarray, offset: int = 1):
        """A file's tensors and the weights that they stand for."""
        groups = int(group_of_feature.max()) + 1
        codes = self.rng.integers(0, 1 << bits, (K, N))
        zeros = self.rng.integers(0, 1 << bits, (groups, N))
        zeros[0, 0] = 0  # wraps around
        if symmetric:
            zeros[:] = 1 << bits - 1
        scales = self.scales(groups, N)
        weights = scales.astype(np.float64)[group_of_feature]
        weights = (codes - zeros[group_of_feature]) * weights
        stored_zeros = (zeros - offset) % (1 << bits)
        tensors = {
            ".qweight": np.ascontiguousarray(pack(codes.T, bits).T),
            ".qzeros": pack(stored_zeros, bits),
            ".scales": scales,
            ".g_idx": group_of_feature.astype(np.int32),
        }
        return tensors, weights.T

    def test_every_kind(self) -> None:
        for bits, symmetric, b in (
            (4, True, "u4b8"),
            (4, False, "u4"),
            (8, True, "u8b128"),
            (8, False, "u8"),
        ):
            for group_size in (32, 128, K):
                with self.subTest(b=b, group_size=group_size):
                    tensors, weights = self.layer(bits, symmetric, np.arange(K) // group_size)
                    layer = machete.checkpoint.gptq(self.open(tensors), NAME)
                    self.assert_layer(layer, weights, b=b, group_size=group_size)
                    self.assertIsNone(layer.input_order)
                    zeropoint = "void" if symmetric else "f16"
                    self.assertEqual(layer.desc.b_group_zeropoint, zeropoint)

    def test_act_order(self) -> None:
        group_of_feature = self.rng.permutation(np.arange(K) // 64)
        tensors, weights = self.layer(4, True, group_of_feature)
        layer = machete.checkpoint.gptq(self.open(tensors), NAME)
        self.assert_layer(layer, weights, group_size=64)
        # The product of activations in this order with the packed weights is the model's.
        plain = machete.checkpoint.Layer(desc=layer.desc, weights=layer.weights).dequantised()
        a = self.rng.integers(-8, 8, (3, K)).astype(np.float64)
        difference = a[:, layer.input_order] @ plain.T - a @ weights.T
        self.assertLess(np.abs(difference).max(), 1e-12)
        self.assertGreater(np.abs(a @ plain.T - a @ weights.T).max(), 0.1)

    def test_version_2_and_no_order(self) -> None:
        tensors, weights = self.layer(4, False, np.arange(K) // 128, offset=0)
        del tensors[".g_idx"]
        layer = machete.checkpoint.gptq(self.open(tensors), NAME, checkpoint_format="gptq_v2")
        self.assert_layer(layer, weights, b="u4", group_size=128)

    def test_bias_and_other_activations(self) -> None:
        tensors, weights = self.layer(4, True, np.arange(K) // 128)
        tensors[".bias"] = self.rng.standard_normal(N).astype(np.float16)
        layer = machete.checkpoint.gptq(self.open(tensors), NAME)
        np.testing.assert_array_equal(layer.bias, tensors[".bias"])
        layer = machete.checkpoint.gptq(self.open(tensors), NAME, a="bf16")
        self.assertEqual((layer.desc.a, layer.bias.dtype), ("bf16", np.uint16))
        error = np.abs(layer.dequantised() - weights) / np.maximum(np.abs(weights), 1e-9)
        self.assertLessEqual(error.max(), 2**-8)  # half of bf16's last place
        self.assertGreater(error.max(), 2**-10)

    def test_mistakes(self) -> None:
        tensors, _ = self.layer(4, True, np.arange(K) // 128)
        uneven = np.zeros(K, dtype=np.int32)
        uneven[:100] = 1
        for change, error, words in (
            ({".scales": tensors[".qzeros"]}, ValueError, r"scales has dtype I32; allowed: F16, "),
            (
                {".qzeros": tensors[".qzeros"][:1]},
                ValueError,
                r"qzeros has shape \[1, 8\]; allowed",
            ),
            ({".qweight": tensors[".qweight"][:, :8]}, ValueError, r"qweight has shape \[32, 8\]"),
            ({".g_idx": uneven}, ValueError, "scales has groups of 100 to 156 features; allowed"),
        ):
            changed = {key: np.ascontiguousarray(t) for key, t in {**tensors, **change}.items()}
            with self.subTest(words), self.assertRaisesRegex(error, words):
                machete.checkpoint.gptq(self.open(changed), NAME)
        with self.assertRaisesRegex(KeyError, "other.qweight is not in the checkpoint"):
            machete.checkpoint.gptq(self.open(tensors), "other")
        with self.assertRaisesRegex(
            ValueError, "checkpoint_format = marlin; allowed: gptq, gptq_v2"
        ):
            machete.checkpoint.gptq(self.open(tensors), NAME, checkpoint_format="marlin")
        with self.assertRaisesRegex(ValueError, "a = f32; allowed: bf16, f16"):
            machete.checkpoint.gptq(self.open(tensors), NAME, a="f32")


class AwqTest(CheckpointTest):
    """AutoAWQ's tensors."""

    def test_layer(self) -> None:
        groups = K // 128
        codes = self.rng.integers(0, 16, (K, N))
        zeros = self.rng.integers(0, 16, (groups, N))
        scales = self.scales(groups, N)
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        tensors = {
            ".qweight": pack(codes, 4, order),
            ".qzeros": pack(zeros, 4, order),
            ".scales": scales,
        }
        weights = (codes - zeros.repeat(128, 0)) * scales.astype(np.float64).repeat(128, 0)
        layer = machete.checkpoint.awq(self.open(tensors), NAME)
        self.assert_layer(layer, weights.T, b="u4", group_size=128, b_group_zeropoint="f16")


class CompressedTensorsTest(CheckpointTest):
    """What llm-compressor writes."""

    def test_pack_quantized(self) -> None:
        for bits, asymmetric, b in ((4, False, "u4b8"), (4, True, "u4"), (8, False, "u8b128")):
            for group_size in (64, K):
                groups, half = K // group_size, 1 << bits - 1
                codes = self.rng.integers(-half, half, (N, K))
                zeros = self.rng.integers(-half, half, (N, groups))
                scales = bf16(self.rng.integers(1, 255, (N, groups)) / 2**14)
                tensors = {
                    ".weight_packed": pack(codes + half, bits),
                    ".weight_shape": np.array([N, K]),
                    ".weight_scale": ("BF16", scales),
                }
                if asymmetric:
                    words = pack((zeros + half).T, bits).T
                    tensors[".weight_zero_point"] = np.ascontiguousarray(words)
                else:
                    zeros[:] = 0
                values = (scales.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
                weights = (codes - zeros.repeat(group_size, 1)) * values.repeat(group_size, 1)
                with self.subTest(b=b, group_size=group_size):
                    layer = machete.checkpoint.compressed_tensors(self.open(tensors), NAME)
                    self.assert_layer(layer, weights, a="bf16", b=b, group_size=group_size)

    def test_pack_quantized_act_order(self) -> None:
        group_of_feature = self.rng.permutation(np.arange(K) // 32)
        codes = self.rng.integers(-8, 8, (N, K))
        scales = self.scales(N, K // 32)
        tensors = {
            ".weight_packed": pack(codes + 8, 4),
            ".weight_shape": np.array([N, K]),
            ".weight_scale": scales,
            ".weight_g_idx": group_of_feature.astype(np.int32),
        }
        layer = machete.checkpoint.compressed_tensors(self.open(tensors), NAME)
        weights = codes * scales.astype(np.float64)[:, group_of_feature]
        self.assert_layer(layer, weights, group_size=32)
        self.assertIsNotNone(layer.input_order)

    def test_float_quantized(self) -> None:
        codes = self.rng.integers(0, 256, (N, K)).astype(np.uint8)
        codes[codes & 0x7F == 0x7F] = 0x7E  # 448; the file has no NaN
        codes[0, :254] = [code for code in range(256) if code & 0x7F != 0x7F]
        values = np.zeros((N, K))
        for code in set(codes.flat):
            exponent, mantissa = code >> 3 & 15, code & 7
            value = (mantissa + 8 * (exponent > 0)) * 2.0 ** (max(int(exponent), 1) - 10)
            values[codes == code] = -value if code & 0x80 else value
        channel = self.rng.uniform(0.001, 0.01, (N, 1)).astype(np.float32)
        tensors = {".weight": ("F8_E4M3", codes), ".weight_scale": channel}
        layer = machete.checkpoint.compressed_tensors(self.open(tensors), NAME)
        wanted = values * channel.astype(np.float64)
        self.assert_layer(layer, wanted, a="bf16", b="e4m3", group_size=K, b_channel_scale="f32")
        tensors[".weight_scale"] = channel[0]
        layer = machete.checkpoint.compressed_tensors(self.open(tensors), NAME, a="f16")
        self.assert_layer(layer, values * float(channel[0, 0]), b_channel_scale="void")
        tensors[".weight_scale"] = channel[:2]
        with self.assertRaisesRegex(
            ValueError, r"weight_scale has shape \[2, 1\]; allowed: \[64, 1\]"
        ):
            machete.checkpoint.compressed_tensors(self.open(tensors), NAME)


class Float4Test(CheckpointTest):
    """MXFP4 and NVFP4."""

    def setUp(self) -> None:
        """Makes codes and what they stand for."""
        super().setUp()
        codes = self.rng.integers(0, 16, (N, K)).astype(np.uint8)
        self.values = np.array(E2M1)[codes]
        self.pairs = codes[:, 0::2] + 16 * codes[:, 1::2]

    def test_mxfp4(self) -> None:
        scales = self.rng.integers(117, 130, (N, K // 32)).astype(np.uint8)
        weights = self.values * (2.0 ** (scales.astype(np.float64) - 127)).repeat(32, 1)
        desc = {"a": "bf16", "b": "e2m1", "group_size": 32, "b_group_scale": "ue8m0"}
        blocks = self.pairs.reshape(N, K // 32, 16)
        bias = bf16(self.rng.integers(-8, 8, (N,)) / 4)
        experts = {
            "_blocks": np.stack((blocks * 0, blocks)),
            "_scales": np.stack((scales * 0, scales)),
            "_bias": ("BF16", np.stack((bias * 0, bias))),
        }
        layer = machete.checkpoint.mxfp4(self.open(experts), NAME, expert=1)
        self.assert_layer(layer, weights, **desc)
        np.testing.assert_array_equal(layer.bias, bias)
        with self.assertRaisesRegex(ValueError, "expert = 2; allowed: 0 to 1"):
            machete.checkpoint.mxfp4(self.open(experts), NAME, expert=2)
        packed = self.open({".weight_packed": self.pairs, ".weight_scale": scales})
        self.assert_layer(machete.checkpoint.mxfp4(packed, NAME), weights, **desc)
        self.assert_layer(machete.checkpoint.compressed_tensors(packed, NAME), weights, **desc)

    def test_nvfp4(self) -> None:
        exponents = self.rng.integers(1, 15, (N, K // 16))
        scales = (exponents << 3 | 4).astype(np.uint8)  # 1.5 * 2^(exponent - 7)
        grouped = self.values * (1.5 * 2.0 ** (exponents - 7)).repeat(16, 1)
        desc = {"a": "bf16", "b": "e2m1", "group_size": 16, "b_group_scale": "e4m3"}
        factor = np.float32(0.0123)
        tensors = {".weight_scale": ("F8_E4M3", scales)}
        multiplied = {".weight": self.pairs, ".weight_scale_2": np.array(factor)}
        layer = machete.checkpoint.nvfp4(self.open(tensors | multiplied), NAME)
        self.assert_layer(layer, grouped * float(factor), **desc)
        divided = {".weight_packed": self.pairs, ".weight_global_scale": np.array([1 / factor])}
        for read in (machete.checkpoint.nvfp4, machete.checkpoint.compressed_tensors):
            layer = read(self.open(tensors | divided), NAME)
            self.assert_layer(layer, grouped * float(np.float32(1) / (1 / factor)), **desc)


class FileTest(CheckpointTest):
    """Files by themselves."""

    def test_folder(self) -> None:
        write_file(self.path, {"a": np.arange(6, dtype=np.int32).reshape(2, 3)})
        write_file(self.path.with_name("other.safetensors"), {"b": np.zeros(0, np.float32)})
        tensors = machete.checkpoint.open(self.path.parent)
        self.assertEqual(sorted(tensors), ["a", "b"])
        np.testing.assert_array_equal(tensors["a"].array, [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(tensors["b"].shape, (0,))

    def test_what_is_no_file(self) -> None:
        write_file(self.path, {"a": np.arange(6, dtype=np.int32)})
        whole = self.path.read_bytes()
        for content, words in (
            (whole[:-1], "is cut off within a"),
            (b"\xff" * 100, "is no safetensors file"),
            (b"\x04" + bytes(7) + b"{[}]", "is no safetensors file"),
        ):
            self.path.write_bytes(content)
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                machete.checkpoint.open(self.path)
        self.path.unlink()
        with self.assertRaisesRegex(FileNotFoundError, "has no files"):
            machete.checkpoint.open(self.path.parent)


if __name__ == "__main__":
    unittest.main()
