"""vLLM's operators: names, arguments, layouts and answers."""

from __future__ import annotations

import dataclasses
import inspect
import unittest

import machete.vllm_compat as ops
import torch

TOLERANCE = 4e-3  # of a relative Frobenius error: vLLM rounds scaled zero points to bf16 as well


@dataclasses.dataclass(frozen=True)
class ScalarType:
    """The number that vLLM has for a type, and what it stands for."""

    id: int
    bits: int
    bias: int


UINT4B8 = ScalarType(1125899907892224, 4, 8)
UINT8B128 = ScalarType(1125899923621888, 8, 128)
UINT4 = ScalarType(1125899906843648, 4, 0)
UINT8 = ScalarType(1125899906844672, 8, 0)


def pack_rows(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """int32 [k * bits / 32, n] of codes [k, n]."""
    k, n = codes.shape
    words = torch.zeros(k * bits // 32, n, dtype=torch.int64, device=codes.device)
    for i in range(32 // bits):
        words |= codes[i :: 32 // bits].long() << (bits * i)
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


class SignatureTest(unittest.TestCase):
    """What code written for vLLM relies on."""

    def test_arguments_and_defaults(self) -> None:
        for function, required, optional in (
            (
                ops.machete_mm,
                ["a", "b_q", "b_type"],
                ["out_type", "b_group_scales", "b_group_zeros", "b_group_size"]
                + ["b_channel_scales", "a_token_scales", "schedule"],
            ),
            (
                ops.machete_prepack_B,
                ["b_q_weight", "a_type", "b_type", "group_scales_type"],
                [],
            ),
            (
                ops.machete_supported_schedules,
                ["a_type", "b_type", "group_scales_type"],
                ["group_zeros_type", "channel_scales_type", "token_scales_type", "out_type"],
            ),
        ):
            parameters = inspect.signature(function).parameters
            self.assertEqual(list(parameters), required + optional)
            for name in optional:
                self.assertIsNone(parameters[name].default)

    def test_schedules(self) -> None:
        names = ops.machete_supported_schedules(torch.bfloat16, UINT4B8, torch.bfloat16)
        self.assertIn("128x128_1x1x1_Coop_Tma_StreamK", names)
        with self.assertRaisesRegex(ValueError, "^b_type = 7; allowed: 1125899907892224 .u4b8., "):
            ops.machete_supported_schedules(torch.bfloat16, ScalarType(7, 0, 0), torch.bfloat16)
        with self.assertRaisesRegex(ValueError, "^a_type = torch.int64; allowed: torch.float16, "):
            ops.machete_supported_schedules(torch.int64, UINT4B8, torch.bfloat16)


class ProductTest(unittest.TestCase):
    """Against float64."""

    n, k = 512, 1024

    def setUp(self) -> None:
        """Fixes random numbers."""
        torch.manual_seed(6)

    def assert_right(self, out: torch.Tensor, a: torch.Tensor, weights: torch.Tensor) -> None:
        wanted = a.double() @ weights
        self.assertEqual((out.dtype, out.shape), (a.dtype, wanted.shape))
        error = torch.linalg.norm(out.double() - wanted) / torch.linalg.norm(wanted)
        self.assertLess(error.item(), TOLERANCE)

    def layer(self, kind: ScalarType, dtype: torch.dtype, group_size: int):
        """Codes as vLLM packs them, scales, scaled zero points, and weights [k, n] in float64."""
        codes = torch.randint(0, 1 << kind.bits, (self.k, self.n), device="cuda")
        scales = (torch.rand(self.k // group_size, self.n, device="cuda") + 0.5) * 0.01
        scales = scales.to(dtype)
        zeros = None
        weights = (codes - kind.bias) * scales.double().repeat_interleave(group_size, 0)
        if not kind.bias:
            points = torch.randint(0, 1 << kind.bits, scales.shape, device="cuda")
            zeros = (-points.float() * scales.float()).to(dtype)
            weights += zeros.double().repeat_interleave(group_size, 0)
        # Column-major, as vLLM wants it.
        words = pack_rows(codes, kind.bits).t().contiguous().t()
        return words, scales, zeros, weights

    def test_every_type(self) -> None:
        for dtype in (torch.bfloat16, torch.float16):
            for kind in (UINT4B8, UINT8B128, UINT4, UINT8):
                for group_size in (128, self.k):
                    words, scales, zeros, weights = self.layer(kind, dtype, group_size)
                    b_q = ops.machete_prepack_B(words, dtype, kind, dtype)
                    self.assertEqual((b_q.shape, b_q.dtype), (words.shape, torch.int32))
                    for m in (1, 33, 257):
                        with self.subTest(dtype=dtype, kind=kind, group_size=group_size, m=m):
                            a = torch.randn(m, self.k, device="cuda").to(dtype)
                            out = ops.machete_mm(
                                a,
                                b_q,
                                kind,
                                b_group_scales=scales,
                                b_group_zeros=zeros,
                                b_group_size=-1 if group_size == self.k else group_size,
                            )
                            self.assert_right(out, a, weights)

    def test_schedules_channel_and_token_scales(self) -> None:
        dtype = torch.bfloat16
        words, scales, _, weights = self.layer(UINT4B8, dtype, 128)
        b_q = ops.machete_prepack_B(words, dtype, UINT4B8, dtype)
        a = torch.randn(65, self.k, device="cuda").to(dtype)
        given = {"b_group_scales": scales, "b_group_size": 128}
        for schedule in ops.machete_supported_schedules(dtype, UINT4B8, dtype):
            out = ops.machete_mm(a, b_q, UINT4B8, schedule=schedule, **given)
            self.assert_right(out, a, weights)
        channels = torch.rand(1, self.n, device="cuda") + 0.5
        tokens = torch.rand(65, 1, device="cuda") + 0.5
        out = ops.machete_mm(
            a, b_q, UINT4B8, b_channel_scales=channels, a_token_scales=tokens, **given
        )
        wanted = (a.double() @ (weights * channels.double())) * tokens.double()
        error = torch.linalg.norm(out.double() - wanted) / torch.linalg.norm(wanted)
        self.assertLess(error.item(), TOLERANCE)

    def test_sees_changes_and_forgets(self) -> None:
        dtype = torch.bfloat16
        words, scales, _, weights = self.layer(UINT4B8, dtype, 128)
        b_q = ops.machete_prepack_B(words, dtype, UINT4B8, dtype)
        a = torch.randn(4, self.k, device="cuda").to(dtype)
        given = {"b_group_scales": scales, "b_group_size": 128}
        self.assert_right(ops.machete_mm(a, b_q, UINT4B8, **given), a, weights)
        scales *= 2
        self.assert_right(ops.machete_mm(a, b_q, UINT4B8, **given), a, weights * 2)
        del words, scales, weights, b_q, given
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        for _ in range(5):
            words, scales, _, weights = self.layer(UINT4B8, dtype, 128)
            b_q = ops.machete_prepack_B(words, dtype, UINT4B8, dtype)
            out = ops.machete_mm(a, b_q, UINT4B8, b_group_scales=scales, b_group_size=128)
            self.assert_right(out, a, weights)
            del words, scales, weights, b_q, out
        # The last one's packed weights stay until the next are packed.
        self.assertLess(torch.cuda.memory_allocated() - before, 2 * self.n * self.k)

    def test_captured_without_a_first_run(self) -> None:
        dtype = torch.bfloat16
        words, scales, _, weights = self.layer(UINT4B8, dtype, 128)
        b_q = ops.machete_prepack_B(words, dtype, UINT4B8, dtype)
        a = torch.randn(4, self.k, device="cuda").to(dtype)
        given = {"b_group_scales": scales, "b_group_size": 128}
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = ops.machete_mm(a, b_q, UINT4B8, **given)
        self.assert_right(ops.machete_mm(a, b_q, UINT4B8, **given), a, weights)
        graph.replay()
        self.assert_right(out, a, weights)

    def test_compiled(self) -> None:
        dtype = torch.bfloat16
        words, scales, _, weights = self.layer(UINT4B8, dtype, 128)
        b_q = ops.machete_prepack_B(words, dtype, UINT4B8, dtype)
        product = torch.ops.machete_vllm.machete_mm
        kind = UINT4B8.id

        @torch.compile(fullgraph=True)
        def twice(a: torch.Tensor) -> torch.Tensor:
            return product(a, b_q, kind, None, scales, None, 128, None, None, None) * 2

        a = torch.randn(8, self.k, device="cuda").to(dtype)
        self.assert_right(twice(a), a, weights * 2)

    def test_mistakes(self) -> None:
        dtype = torch.bfloat16
        words, scales, _, _ = self.layer(UINT4B8, dtype, 128)
        b_q = ops.machete_prepack_B(words, dtype, UINT4B8, dtype)
        a = torch.randn(4, self.k, device="cuda").to(dtype)
        with self.assertRaisesRegex(ValueError, r"^B has shape \[64, 512\] .*allowed: \[128, n\]"):
            ops.machete_mm(a, b_q[:64], UINT4B8)
        with self.assertRaisesRegex(ValueError, "^group_size = 100; allowed: a multiple of 32"):
            ops.machete_mm(a, b_q, UINT4B8, b_group_scales=scales, b_group_size=100)
        with self.assertRaisesRegex(ValueError, r"^group_scales has shape \[8, 512\]; allowed"):
            ops.machete_mm(a, b_q, UINT4B8, b_group_scales=scales, b_group_size=64)
        with self.assertRaisesRegex(ValueError, "^schedule = fast is none of "):
            ops.machete_mm(
                a, b_q, UINT4B8, b_group_scales=scales, b_group_size=128, schedule="fast"
            )


if __name__ == "__main__":
    unittest.main()
