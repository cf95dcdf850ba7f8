"""Operators and modules for PyTorch."""

from __future__ import annotations

import unittest

import machete.checkpoint
import machete.torch
import numpy as np
import torch
from layers import make_layer
from torch import library
from torch.utils._python_dispatch import TorchDispatchMode

import machete


class OperatorTest(unittest.TestCase):
    """torch.ops.machete."""

    def setUp(self) -> None:
        """Makes a layer."""
        torch.manual_seed(3)
        self.layer = make_layer()
        self.problem = self.layer.desc.text

    def test_answers_whatever_the_strides(self) -> None:
        wide = torch.randn(24, 1032, device="cuda").to(torch.bfloat16)
        for a in (
            wide[:, :1024],
            wide[:, 1:1025],  # misaligned
            wide[:, 8:],
            torch.randn(1024, 24, device="cuda").to(torch.bfloat16).t(),
            torch.randn(1, 1024, device="cuda").to(torch.bfloat16).expand(24, 1024),
            wide.view(-1)[1 : 24 * 1024 + 1].view(24, 1024),  # contiguous, misaligned
            wide[:0, :1024],
        ):
            with self.subTest(strides=a.stride(), offset=a.storage_offset()):
                out = torch.ops.machete.mm(a, self.layer.packed, self.problem)
                self.assertEqual(tuple(out.shape), (a.shape[0], 512))
                if a.shape[0]:
                    self.assertLess(self.layer.error(a, out), 1)

    def test_mistakes(self) -> None:
        a = self.layer.activations(4)
        with self.assertRaisesRegex(ValueError, r"a has shape \[4, 512\]; allowed: \[m, 1024\]"):
            torch.ops.machete.mm(a[:, :512], self.layer.packed, self.problem)
        with self.assertRaisesRegex(TypeError, "a has dtype float32; allowed: bfloat16"):
            torch.ops.machete.mm(a.float(), self.layer.packed, self.problem)

    def test_modes_see_the_operator(self) -> None:
        class Recorder(TorchDispatchMode):
            """Notes what is called."""

            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                called.append(function)
                return function(*args, **(kwargs or {}))

        called = []
        a = self.layer.activations(4)
        plain = machete.torch.mm(self.layer.desc, a, self.layer.packed)
        with Recorder():
            recorded = machete.torch.mm(self.layer.desc, a, self.layer.packed)
        self.assertEqual(called, [torch.ops.machete.mm.default])
        self.assertTrue(torch.equal(plain, recorded))

    def test_opcheck(self) -> None:
        layer = self.layer
        library.opcheck(
            torch.ops.machete.mm.default, (layer.activations(5), layer.packed, self.problem)
        )
        library.opcheck(
            torch.ops.machete.prepack_B.default,
            (layer.weights.codes, layer.weights.group_scales, self.problem),
        )


class LinearTest(unittest.TestCase):
    """machete.torch.Linear."""

    def setUp(self) -> None:
        """Makes one of each kind of weights."""
        torch.manual_seed(4)
        self.linear = torch.nn.Linear(1024, 512, dtype=torch.bfloat16, device="cuda")
        self.x = torch.randn(2, 9, 1024, dtype=torch.bfloat16, device="cuda")

    def test_quantisation(self) -> None:
        wanted = self.linear(self.x)
        for b, worst in (("u4b8", 0.12), ("u8b128", 0.008)):
            quantised = machete.torch.Linear.from_linear(self.linear, b=b)
            out = quantised(self.x)
            self.assertEqual(out.shape, wanted.shape)
            error = torch.linalg.norm(out.float() - wanted.float()) / torch.linalg.norm(
                wanted.float()
            )
            self.assertLess(error.item(), worst)
            self.assertGreater(error.item(), worst / 10)

    def test_quantised_weights(self) -> None:
        weight = self.linear.weight.detach()
        for b, bits in (("u4b8", 4), ("u8b128", 8)):
            quantised = machete.torch.quantise(weight, b=b)
            codes, scales = quantised.codes, quantised.group_scales
            if bits == 4:
                codes = torch.stack((codes & 15, codes >> 4), dim=-1)
            wide = scales.t().double().repeat_interleave(128, dim=1)
            weights = (codes.double().view(512, 1024) - (1 << bits - 1)) * wide
            # Half a step, and what rounding the scale costs the group's extreme.
            self.assertLess(float(((weights - weight.double()).abs() / wide).max()), 1)

    def test_compiled(self) -> None:
        model = torch.nn.Sequential(
            machete.torch.Linear.from_linear(self.linear),
            torch.nn.GELU(),
            machete.torch.Linear.from_linear(
                torch.nn.Linear(512, 256, bias=False, dtype=torch.bfloat16, device="cuda")
            ),
        )
        with torch.inference_mode():
            wanted = model(self.x)
            for mode in ("default", "reduce-overhead"):
                compiled = torch.compile(model, fullgraph=True, mode=mode)
                for _ in range(4):
                    out = compiled(self.x).clone()
                error = torch.linalg.norm(out.float() - wanted.float())
                # What is eager rounds between the layers once more.
                self.assertLess(float(error / torch.linalg.norm(wanted.float())), 8e-3, mode)

    def test_graph(self) -> None:
        layer = machete.torch.Linear.from_linear(self.linear)
        x = self.x.clone()
        layer(x)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = layer(x)
        x.copy_(torch.randn_like(x))
        graph.replay()
        self.assertTrue(torch.equal(out, layer(x)))

    def test_state(self) -> None:
        layer = machete.torch.Linear.from_linear(self.linear)
        other = machete.torch.Linear.from_linear(
            torch.nn.Linear(1024, 512, dtype=torch.bfloat16, device="cuda")
        )
        other.load_state_dict(layer.state_dict())
        self.assertTrue(torch.equal(other(self.x), layer(self.x)))

    def test_layer_of_a_checkpoint(self) -> None:
        rng = np.random.default_rng(8)
        order = rng.permutation(1024)
        desc = machete.ProblemDesc(a="f16", b="u4b8", n=512, k=1024, group_size=128)
        layer = machete.checkpoint.Layer(
            desc=desc,
            weights=machete.Weights(
                codes=rng.integers(0, 256, (512, 512), dtype=np.uint8),
                group_scales=rng.uniform(0.005, 0.02, (8, 512)).astype(np.float16),
            ),
            bias=rng.standard_normal(512).astype(np.float16),
            input_order=order,
        )
        x = self.x.half()
        out = machete.torch.Linear.from_layer(layer)(x)
        wanted = x.double().cpu() @ torch.from_numpy(layer.dequantised().T)
        wanted += torch.from_numpy(layer.bias).double()
        error = torch.linalg.norm(out.double().cpu() - wanted) / torch.linalg.norm(wanted)
        self.assertLess(error.item(), 4e-4)

    def test_refuses_what_no_kernel_can_do(self) -> None:
        narrow = torch.nn.Linear(1024, 500, dtype=torch.bfloat16, device="cuda")
        with self.assertRaisesRegex(ValueError, "n = 500; allowed: positive multiples of 8"):
            machete.torch.Linear.from_linear(narrow)
        with self.assertRaisesRegex(ValueError, "float32; allowed: bfloat16, float16"):
            machete.torch.Linear.from_linear(torch.nn.Linear(1024, 512, device="cuda"))
        with self.assertRaisesRegex(ValueError, "group_size = 100; allowed: divisors of k = 1024"):
            machete.torch.Linear.from_linear(self.linear, group_size=100)


if __name__ == "__main__":
    unittest.main()
