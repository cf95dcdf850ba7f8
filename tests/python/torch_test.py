"""Operators and modules for PyTorch."""

from __future__ import annotations

import threading
import unittest
from pathlib import Path

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

    def test_needs_no_python(self) -> None:
        self.assertIn("torch_abi.cc", torch._C._dispatch_dump("machete::mm"))

    def test_kernel_for_older_versions(self) -> None:
        wide = torch.randn(24, 1032, device="cuda").to(torch.bfloat16)
        for a in (wide[:, :1024], wide[:, 1:1025]):
            wanted = torch.ops.machete.mm(a, self.layer.packed, self.problem)
            out = machete.torch._mm(a, self.layer.packed, self.problem)
            self.assertTrue(torch.equal(out, wanted))

    def test_scales_and_bias(self) -> None:
        layer = make_layer(channel_and_token_scales=True)
        a = layer.activations(9)
        token_scales = torch.rand(9, device="cuda") + 0.5
        bias = torch.randn(512, device="cuda").to(layer.dtype)
        for given in (
            {},
            {"bias": bias},
            {"token_scales": token_scales},
            {"token_scales": token_scales, "bias": bias},
        ):
            with self.subTest(given=list(given)):
                out = torch.ops.machete.mm(a, layer.packed, layer.desc.text, **given)
                self.assertLess(layer.error(a, out, **given), 1)
                self.assertTrue(
                    torch.equal(out, machete.torch.mm(layer.desc, a, layer.packed, **given))
                )

    def test_mistakes(self) -> None:
        a, packed, problem = self.layer.activations(4), self.layer.packed, self.problem
        for arguments, words in (
            ((a[:, :512], packed, problem), r"^a has shape \[4, 512\]; allowed: \[m, 1024\]$"),
            ((a[0], packed, problem), r"^a has shape \[1024\]; allowed: \[m, 1024\]$"),
            ((a.float(), packed, problem), "^a has dtype float32; allowed: bfloat16$"),
            ((a.to(torch.complex64), packed, problem), "^a has dtype .*; allowed: bfloat16$"),
            ((a.cpu(), packed, problem), "^a is on the CPU; allowed: CUDA devices$"),
            ((a, packed.cpu(), problem), "^packed is on the CPU; allowed: CUDA device 0$"),
            ((a, packed[:7], problem), r"^packed has shape \[7\]; allowed: \[\d+\]$"),
            ((a, packed, problem.replace("k=1024", "k=1000")), "^k = 1000; allowed: "),
            ((a, packed, "a=bf17"), "^a = bf17; allowed: void, f16, "),
            ((a, packed, "dtype=bf16"), "^problem has the field dtype; allowed: "),
            ((a, packed, problem, a[:, 0].float()), "^token_scales = 0x.*void"),
            ((a, packed, problem, None, a[0]), r"^bias has shape \[1024\]; allowed: \[512\]$"),
        ):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                torch.ops.machete.mm(*arguments)
        with self.assertRaisesRegex(RuntimeError, "no kernels|b = "):
            torch.ops.machete.mm(a, packed, problem.replace("b=u4b8", "b=e5m2"))
        out = torch.ops.machete.mm(a, packed, problem)
        self.assertLess(self.layer.error(a, out), 1)

    def test_memory_that_is_not_there(self) -> None:
        a = self.layer.activations(1).expand(2**28, 1024)
        with self.assertRaisesRegex(RuntimeError, "^PyTorch failed to allocate a tensor"):
            torch.ops.machete.mm(a, self.layer.packed, self.problem)

    def test_memory_that_is_kept(self) -> None:
        a = self.layer.activations(4)
        bias = torch.zeros(512, dtype=torch.bfloat16, device="cuda")
        misaligned = torch.zeros(4, 1025, dtype=torch.bfloat16, device="cuda")[:, 1:]

        def call(times: int) -> None:
            for _ in range(times):
                torch.ops.machete.mm(a, self.layer.packed, self.problem, None, bias)
                torch.ops.machete.mm(misaligned, self.layer.packed, self.problem)
                with self.assertRaises(ValueError):
                    torch.ops.machete.mm(a, self.layer.packed, self.problem, None, bias[:1])
            torch.cuda.synchronize()

        def used() -> tuple[int, int]:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return pages * 4096, torch.cuda.memory_allocated()

        call(1000)
        host, device = used()
        call(50_000)
        host_after, device_after = used()
        self.assertEqual(device_after, device)
        # A word that each call leaked would be more.
        self.assertLess(host_after - host, 50_000 * 16)

    def test_threads_and_streams(self) -> None:
        a = [self.layer.activations(16) for _ in range(2)]
        wanted = [torch.ops.machete.mm(x, self.layer.packed, self.problem) for x in a]
        torch.cuda.synchronize()
        right = [False, False]

        def work(number: int) -> None:
            with torch.cuda.stream(torch.cuda.Stream()):
                x = torch.zeros_like(a[number])
                torch.cuda._sleep(20_000_000)
                x.copy_(a[number])  # what another stream would not wait for
                outs = [
                    torch.ops.machete.mm(x, self.layer.packed, self.problem) for _ in range(500)
                ]
                right[number] = all(torch.equal(out, wanted[number]) for out in outs)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(right, [True, True])

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
        bias = torch.zeros(512, dtype=torch.bfloat16, device="cuda")
        a = layer.activations(5)
        for given in ((), (None, bias)):
            library.opcheck(torch.ops.machete.mm.default, (a, layer.packed, self.problem, *given))
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

    def test_quantised_weights_for_activations_of_8_bits(self) -> None:
        weight = self.linear.weight.detach().clone()
        weight[3, 128:256] = 0
        weight[4] = 0
        weight[5, :128] *= 1e-4
        groups = weight.double().view(512, 8, 128)
        least = torch.maximum(groups.amax(-1) / 7, groups.amin(-1) / -8)
        for a, dtype in (("e4m3", torch.float8_e4m3fn), ("s8", torch.int8)):
            with self.subTest(a):
                quantised = machete.torch.quantise(weight, a=a)
                scales, features = quantised.group_scales, quantised.channel_scales
                self.assertEqual((scales.dtype, scales.shape), (dtype, (8, 512)))
                self.assertEqual((features.dtype, features.shape), (torch.float32, (512,)))
                self.assertLessEqual(float(scales.float().max()), 16)
                steps = scales.t().double() * features.double().unsqueeze(-1)
                codes = torch.stack((quantised.codes & 15, quantised.codes >> 4), dim=-1)
                weights = (codes.double().view(512, 8, 128) - 8) * steps.unsqueeze(-1)
                # fp32 has 24 bits.
                error = (weights - groups).abs() - (0.5 + 1e-5) * steps.unsqueeze(-1)
                self.assertLessEqual(float(error.max()), 0)
                # Up to the next scale: an integer more, or of e4m3 an eighth, at least 2^-9.
                factor, further = (1, 1.001) if a == "s8" else (1.126, 0.002)
                self.assertTrue((steps <= factor * least + further * features.unsqueeze(-1)).all())
        with self.assertRaisesRegex(ValueError, "a = e4m3; allowed with b = u4b8"):
            machete.torch.quantise(weight, b="u8b128", a="e4m3")

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
