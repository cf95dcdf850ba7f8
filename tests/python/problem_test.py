"""What the package says of problems, and packing on the host. Needs no GPU."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import unittest

import numpy as np

import machete

DESC = machete.ProblemDesc(a="bf16", b="u4b8", n=64, k=256, group_size=128)

NARROW = [
    machete.ProblemDesc(
        a=a,
        b="u4b8",
        n=64,
        k=256,
        group_size=128,
        b_group_scale=scale,
        b_channel_scale="f32",
        a_token_scale="f32",
        out="bf16",
    )
    for a in ("e4m3", "s8")
    for scale in ("bf16", a)
]
"""Activations of 8 bits, with scales of groups that are applied to sums and to weights."""


class ProblemTest(unittest.TestCase):
    """Problems and what kernels there are for them."""

    def test_text_comes_back(self) -> None:
        for desc in (
            DESC,
            machete.ProblemDesc(
                a="e4m3",
                b="u4b8",
                n=8,
                k=16,
                group_size=16,
                b_group_scale="void",
                b_channel_scale="f32",
                a_token_scale="f32",
                out="bf16",
            ),
        ):
            self.assertEqual(machete.ProblemDesc.parse(desc.text), desc)

    def test_defaults_are_the_type_of_a(self) -> None:
        desc = machete.ProblemDesc(a="f16", b="u8b128", n=64, k=256, group_size=128)
        self.assertEqual((desc.b_group_scale, desc.out), ("f16", "f16"))

    def test_can_implement(self) -> None:
        self.assertTrue(machete.can_implement(DESC))
        status = machete.can_implement(
            machete.ProblemDesc(a="s8", b="e5m2", n=8, k=16, group_size=16)
        )
        self.assertFalse(status)
        self.assertRegex(status.message, r"^types\.b = e5m2; allowed: u4b8$")
        status = machete.can_implement(DESC, "fast")
        self.assertFalse(status)
        self.assertRegex(status.message, "^schedule = fast is none of ")

    def test_schedules(self) -> None:
        for desc in (DESC, *NARROW):
            names = machete.supported_schedules(desc)
            self.assertIn("128x128_1x1x1_Coop_Tma_StreamK", names)
            for name in names:
                self.assertTrue(machete.can_implement(desc, name))

    def test_types_of_scales_with_activations_of_8_bits(self) -> None:
        for desc in NARROW:
            self.assertEqual(machete.ProblemDesc.parse(desc.text), desc)
            self.assertTrue(machete.can_implement(desc))
            none = dataclasses.replace(desc, b_group_scale=None)
            self.assertEqual(none.b_group_scale, "bf16")
            other = dataclasses.replace(desc, b_group_scale="s8" if desc.a == "e4m3" else "e4m3")
            status = machete.can_implement(other)
            self.assertFalse(status)
            self.assertRegex(
                status.message,
                r"^types\.b_group_scale = \w+; allowed: void, bf16, f16, the type of a$",
            )

    def test_values_that_are_none(self) -> None:
        for changes, words in (
            ({"a": "bfloat16"}, "^a = bfloat16; allowed: void, f16, bf16, f32, "),
            ({"n": 64.0}, "^n = 64.0; allowed: integers of 64 bits$"),
            ({"k": 2**64}, f"^k = {2**64}; allowed: integers of 64 bits$"),
        ):
            fields = {"a": "bf16", "b": "u4b8", "n": 64, "k": 256, "group_size": 128, **changes}
            with self.assertRaisesRegex(ValueError, words):
                machete.can_implement(machete.ProblemDesc(**fields))

    def test_plan_of_what_is_not_there(self) -> None:
        with self.assertRaisesRegex(ValueError, "^schedule = fast is none of "):
            machete.Plan(DESC, schedule="fast")

    def test_imports_no_framework(self) -> None:
        # TVM-FFI imports PyTorch by itself where it is installed.
        program = (
            "import sys; sys.modules['torch'] = None; import machete; print('jax' in sys.modules)"
        )
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(result.stdout, "False\n", result.stderr)


class PackingTest(unittest.TestCase):
    """On the host, from NumPy's arrays."""

    def setUp(self) -> None:
        """Makes a layer."""
        rng = np.random.default_rng(1)
        self.codes = rng.integers(0, 256, (64, 128), dtype=np.uint8)
        # bf16 between 1 and 2.
        self.scales = rng.integers(0x3F80, 0x4000, (2, 64), dtype=np.uint16)
        self.packed = np.zeros(machete.prepacked_size(DESC), dtype=np.uint8)

    def test_packs_every_code(self) -> None:
        weights = machete.Weights(codes=self.codes, group_scales=self.scales)
        machete.prepack_B(DESC, weights, self.packed)
        self.assertEqual(self.packed[:4].tobytes(), b"MCHT")
        before = self.packed.copy()
        self.codes[63, 127] ^= 0x10
        machete.prepack_B(DESC, weights, self.packed)
        self.assertEqual(int((before != self.packed).sum()), 1)

    def test_scales_of_the_activations_own_8_bits(self) -> None:
        for desc in NARROW[1::2]:
            # Of s8, integers; of e4m3, which NumPy has not, their bits: from 2^-6 to 2.
            low, high, dtype = (-15, 17, np.int8) if desc.a == "s8" else (0x08, 0x41, np.uint8)
            scales = np.random.default_rng(2).integers(low, high, (2, 64), dtype=dtype)
            channel_scales = np.linspace(1, 2, 64, dtype=np.float32)
            wanted = channel_scales
            if desc.a == "e4m3":  # and the power of two that brings scales below 2^5
                largest = scales.max(0).astype(np.float64) // 8 - 7
                wanted = channel_scales * 2.0 ** (largest - 4)
            with self.subTest(desc.a):
                made = self.factors(desc, scales, channel_scales)
                np.testing.assert_array_equal(made, wanted.astype(np.float32))
                if desc.a == "s8":  # as bits, too
                    made = self.factors(desc, scales.view(np.uint8), channel_scales)
                    np.testing.assert_array_equal(made, wanted)
                scales[1, 5] = 17 if desc.a == "s8" else 0x7F
                made = self.factors(desc, scales, channel_scales)
                self.assertEqual(np.flatnonzero(np.isnan(made)).tolist(), [5])

    def factors(
        self, desc: machete.ProblemDesc, scales: np.ndarray, channel_scales: np.ndarray
    ) -> np.ndarray:
        """What the packed weights have for each feature, beside codes and scales of groups."""
        weights = machete.Weights(
            codes=self.codes, group_scales=scales, channel_scales=channel_scales
        )
        packed = np.zeros(machete.prepacked_size(desc), dtype=np.uint8)
        machete.prepack_B(desc, weights, packed)
        return packed[128 : 128 + 8 * 64].view(np.float32)[::2]

    def test_scales_of_8_bits_may_not_be_left_out(self) -> None:
        for desc in NARROW[1::2]:
            weights = machete.Weights(codes=self.codes)
            packed = np.zeros(machete.prepacked_size(desc), dtype=np.uint8)
            with self.assertRaisesRegex(ValueError, r"^group_scales = .*; allowed: not null"):
                machete.prepack_B(desc, weights, packed)

    def test_mistakes(self) -> None:
        other = np.zeros((64, 129), np.uint8)
        for change, error, words in (
            ({"codes": other}, ValueError, r"^codes has shape \[64, 129\]; allowed: \[64, 128\]$"),
            ({"codes": other[:, 1:]}, ValueError, "^codes is not contiguous; allowed: row-major"),
            ({"codes": self.scales}, TypeError, "^codes has dtype uint16; allowed: uint8$"),
            (
                {"group_scales": self.scales.astype(np.float32)},
                TypeError,
                "^group_scales has dtype float32; allowed: bfloat16$",
            ),
            (
                {"group_scales": self.scales[:1]},
                ValueError,
                r"^group_scales has shape \[1, 64\]; allowed: \[2, 64\]$",
            ),
            (
                {"packed": self.packed[1:]},
                ValueError,
                r"^packed has shape \[\d+\]; allowed: \[\d+\]$",
            ),
        ):
            given = {"codes": self.codes, "group_scales": self.scales, "packed": self.packed}
            given |= change
            packed = given.pop("packed")
            with self.subTest(words), self.assertRaisesRegex(error, words):
                machete.prepack_B(DESC, machete.Weights(**given), packed)


if __name__ == "__main__":
    unittest.main()
