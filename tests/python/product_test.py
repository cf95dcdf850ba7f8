"""Products through the core package, with PyTorch's tensors."""

from __future__ import annotations

import threading
import unittest

import torch
from layers import NARROW, WEIGHTS, make_layer

import machete

TOKENS = (1, 3, 16, 17, 64, 100, 333, 1024)


class ProductTest(unittest.TestCase):
    """Against float64."""

    def setUp(self) -> None:
        """Fixes random numbers."""
        torch.manual_seed(1)

    def test_every_type_and_group_size(self) -> None:
        for a in ("bf16", "f16"):
            for b, b_group_scale, group_sizes in WEIGHTS:
                for group_size in group_sizes:
                    layer = make_layer(a, b, group_size=group_size, b_group_scale=b_group_scale)
                    for m in TOKENS:
                        with self.subTest(desc=layer.desc.text, m=m):
                            x = layer.activations(m)
                            out = machete.mm(layer.desc, x, layer.packed)
                            self.assertEqual(tuple(out.shape), (m, 512))
                            self.assertEqual(out.dtype, layer.dtype)
                            self.assertLess(layer.error(x, out), 1)

    def test_activations_of_8_bits(self) -> None:
        for a, b_group_scale, group_size in NARROW:
            layer = make_layer(
                a,
                group_size=group_size,
                b_group_scale=b_group_scale,
                channel_and_token_scales=True,
                out="bf16",
            )
            for m in TOKENS:
                with self.subTest(desc=layer.desc.text, m=m):
                    x = layer.activations(m)
                    scales = (torch.rand(m, device="cuda") + 0.5) / 1024
                    out = machete.mm(layer.desc, x, layer.packed, token_scales=scales)
                    self.assertEqual(out.dtype, torch.bfloat16)
                    self.assertLess(layer.error(x, out, scales), 1)
                    again = torch.ops.machete.mm(x, layer.packed, layer.desc.text, scales)
                    self.assertTrue(torch.equal(again, out))

    def test_scales_and_bias(self) -> None:
        layer = make_layer(channel_and_token_scales=True)
        bias = torch.randn(512, device="cuda").to(layer.dtype)
        for m in TOKENS:
            x = layer.activations(m)
            token_scales = torch.rand(m, device="cuda") + 0.5
            for given in (
                {},
                {"bias": bias},
                {"token_scales": token_scales},
                {"token_scales": token_scales, "bias": bias},
            ):
                with self.subTest(m=m, given=list(given)):
                    out = machete.mm(layer.desc, x, layer.packed, **given)
                    self.assertLess(layer.error(x, out, **given), 1)
                    again = machete.Plan(layer.desc).run(x, layer.packed, **given)
                    self.assertTrue(torch.equal(out, again))

    def test_every_schedule(self) -> None:
        layer = make_layer(n=1280, k=2048)
        for schedule in machete.supported_schedules(layer.desc):
            plan = machete.Plan(layer.desc, schedule=schedule)
            for m in (5, 200):
                with self.subTest(schedule=schedule, m=m):
                    self.assertEqual(plan.schedule(m), schedule)
                    x = layer.activations(m)
                    self.assertLess(layer.error(x, plan.run(x, layer.packed)), 1)

    def test_dependent_launch_gives_the_same(self) -> None:
        layer = make_layer()
        plan = machete.Plan(layer.desc, programmatic_dependent_launch=True)
        torch.cuda.synchronize()
        x = layer.activations(16)
        outs = [plan.run(x, layer.packed) for _ in range(20)]
        wanted = machete.mm(layer.desc, x, layer.packed)
        for out in outs:
            self.assertTrue(torch.equal(out, wanted))

    def test_no_tokens(self) -> None:
        layer = make_layer()
        out = machete.mm(layer.desc, layer.activations(0), layer.packed)
        self.assertEqual(tuple(out.shape), (0, 512))

    def test_rows_apart(self) -> None:
        layer = make_layer()
        x = torch.randn(40, 2048, device="cuda").to(torch.bfloat16)[:, 512:1536]
        storage = torch.full((40, 768), 7.0, dtype=torch.bfloat16, device="cuda")
        out = storage[:, 128:640]
        self.assertIs(machete.mm(layer.desc, x, layer.packed, out=out), out)
        self.assertLess(layer.error(x, out), 1)
        self.assertTrue(bool((storage[:, :128] == 7).all() and (storage[:, 640:] == 7).all()))

    def test_packing_on_the_host_gives_the_same_bytes(self) -> None:
        layer = make_layer("f16", "u8b128", group_size=64)
        packed = torch.empty(machete.prepacked_size(layer.desc), dtype=torch.uint8)
        weights = machete.Weights(
            codes=layer.weights.codes.cpu(), group_scales=layer.weights.group_scales.cpu()
        )
        machete.prepack_B(layer.desc, weights, packed)
        self.assertTrue(torch.equal(packed, layer.packed.cpu()))

    def test_foreign_weights(self) -> None:
        layer, other = make_layer(), make_layer("f16")
        machete.check_prepacked(layer.desc, layer.packed)
        with self.assertRaisesRegex(ValueError, "is for a = f16"):
            machete.check_prepacked(layer.desc, other.packed)
        out = machete.mm(layer.desc, layer.activations(3), other.packed)
        self.assertTrue(bool(out.isnan().all()))


class MistakeTest(unittest.TestCase):
    """Wrong arguments are refused in words, and what comes after them works."""

    def setUp(self) -> None:
        """Makes a layer."""
        self.layer = make_layer()
        self.a = self.layer.activations(8)

    def tearDown(self) -> None:
        """The device is as it was."""
        out = machete.mm(self.layer.desc, self.a, self.layer.packed)
        torch.cuda.synchronize()
        self.assertLess(self.layer.error(self.a, out), 1)

    def assert_refused(
        self, words: str, a: object = None, error: type[Exception] = ValueError, **others: object
    ) -> None:
        arguments = {"packed": self.layer.packed, **others}
        with self.assertRaisesRegex(error, words):
            machete.mm(self.layer.desc, self.a if a is None else a, **arguments)

    def test_activations(self) -> None:
        wide = torch.zeros(8, 1025, dtype=torch.bfloat16, device="cuda")
        for a, words in (
            (self.a[:, :512], r"^a has shape \[8, 512\]; allowed: \[m, 1024\]$"),
            (self.a[0], r"^a has shape \[1024\]; allowed: \[m, 1024\]$"),
            (self.a.view(2, 4, 1024), r"^a has shape \[2, 4, 1024\]; allowed: \[m, 1024\]$"),
            (self.a.cpu(), "^a is on the CPU; allowed: CUDA devices$"),
            (wide[:, 1:], r"^a = 0x\w+2; allowed: not null, aligned to 16 bytes$"),
            (
                wide[:, :1024],
                "^lda = 1025; allowed: multiples of 8 elements from 1024 to",
            ),
            (self.a.t().contiguous().t(), "^a has stride 8 along its rows; allowed: 1$"),
        ):
            with self.subTest(words):
                self.assert_refused(words, a)

    def test_dtypes(self) -> None:
        for dtype in (torch.float16, torch.float32, torch.int8):
            self.assert_refused(
                "^a has dtype .*; allowed: bfloat16$", self.a.to(dtype), error=TypeError
            )
        out = torch.empty(8, 512, device="cuda")
        self.assert_refused("^out has dtype float32; allowed: bfloat16$", error=TypeError, out=out)
        self.assert_refused("argument #1", "text", error=TypeError)

    def test_packed(self) -> None:
        packed = self.layer.packed
        self.assert_refused(r"^packed has shape \[7\]; allowed: \[\d+\]$", packed=packed[:7])
        self.assert_refused("^packed is on the CPU; allowed: CUDA device 0$", packed=packed.cpu())
        longer = torch.cat((packed[:1], packed))
        self.assert_refused(
            r"^packed = 0x\w+1; allowed: not null, aligned to 128 bytes$", packed=longer[1:]
        )

    def test_out(self) -> None:
        empty = {"dtype": torch.bfloat16, "device": "cuda"}
        self.assert_refused(
            r"^out has shape \[7, 512\]; allowed: \[8, 512\]$", out=torch.empty(7, 512, **empty)
        )
        self.assert_refused(
            "^ldo = 513; allowed: multiples of 8 elements from 512 to",
            out=torch.empty(8, 513, **empty)[:, :512],
        )

    def test_scales_and_bias(self) -> None:
        token_scales = torch.ones(8, device="cuda")
        self.assert_refused("^token_scales = 0x.*void", token_scales=token_scales)
        bias = torch.zeros(512, dtype=torch.bfloat16, device="cuda")
        self.assert_refused(
            r"^bias has shape \[511\]; allowed: \[512\]$", bias=bias[:511].contiguous()
        )
        self.assert_refused("^bias is on the CPU; allowed: CUDA device 0$", bias=bias.cpu())
        self.assert_refused(
            "^bias has dtype float32; allowed: bfloat16$", error=TypeError, bias=bias.float()
        )

    def test_too_many_tokens(self) -> None:
        # No memory stands behind all these rows.
        a = torch.zeros(1, 1024, dtype=torch.bfloat16, device="cuda").expand(2**31, 1024)
        out = torch.zeros(1, 512, dtype=torch.bfloat16, device="cuda").expand(2**31, 512)
        self.assert_refused(r"^m = 2147483648; allowed: 0 to \d+$", a, out=out)


class StreamTest(unittest.TestCase):
    """Order of work, threads, graphs, memory. All products share tiles and so need workspaces."""

    def setUp(self) -> None:
        """Makes a layer, and plans that need workspaces."""
        torch.manual_seed(2)
        self.layer = make_layer(n=1536, k=4096)
        (name, *_) = (
            name for name in machete.supported_schedules(self.layer.desc) if "StreamK" in name
        )
        self.plan = machete.Plan(self.layer.desc, schedule=name)
        self.a = self.layer.activations(200)
        self.wanted = self.plan.run(self.a, self.layer.packed)
        torch.cuda.synchronize()
        self.assertLess(self.layer.error(self.a, self.wanted), 1)

    def test_current_stream(self) -> None:
        a = torch.zeros_like(self.a)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(200_000_000)
            a.copy_(self.a)
            out = self.plan.run(a, self.layer.packed)
        stream.synchronize()
        self.assertTrue(torch.equal(out, self.wanted))

    def test_does_not_wait(self) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            torch.cuda._sleep(400_000_000)
            done = torch.cuda.Event()
            for m in (200, 300):  # the second needs a larger workspace, or as large a one
                self.plan.run(self.layer.activations(200)[:m], self.layer.packed)
            done.record()
            self.assertFalse(done.query())
        torch.cuda.synchronize()

    def test_threads_and_streams(self) -> None:
        failures: list[str] = []

        def work(stream: torch.cuda.Stream) -> None:
            with torch.cuda.stream(stream):
                for i in range(300):
                    out = self.plan.run(self.a, self.layer.packed)
                    if i % 50 == 0 and not torch.equal(out, self.wanted):
                        failures.append(f"run {i}")

        own = [torch.cuda.Stream() for _ in range(2)]
        shared = torch.cuda.Stream()
        threads = [threading.Thread(target=work, args=(s,)) for s in (*own, shared, shared)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        torch.cuda.synchronize()
        self.assertEqual(failures, [])

    def capture(self) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(4):
                out = self.plan.run(self.a, self.layer.packed)
        return graph, out

    def test_graphs_beside_each_other(self) -> None:
        captured = [self.capture() for _ in range(2)]
        streams = [torch.cuda.Stream() for _ in captured]
        for _ in range(50):
            for (graph, out), stream in zip(captured, streams, strict=True):
                with torch.cuda.stream(stream):
                    out.zero_()
                    graph.replay()
            self.plan.run(self.a, self.layer.packed)
        torch.cuda.synchronize()
        for _, out in captured:
            self.assertTrue(torch.equal(out, self.wanted))

    def test_memory(self) -> None:
        def used() -> int:
            torch.cuda.synchronize()
            free, total = torch.cuda.mem_get_info()
            return total - free

        def call() -> None:
            machete.mm(self.layer.desc, self.a, self.layer.packed)
            self.plan.run(self.a, self.layer.packed)

        for _ in range(20):
            call()
        before = used()
        for i in range(5000):
            call()
            if i % 500 == 0:
                torch.cuda.synchronize()
        self.assertEqual(used(), before)

    def test_memory_of_graphs(self) -> None:
        def used() -> int:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            free, total = torch.cuda.mem_get_info()
            return total - free

        for _ in range(5):
            self.capture()
        before = used()
        for _ in range(30):
            self.capture()
        # As much as a workspace would already be too much.
        self.assertLess(used() - before, 4 << 20)


if __name__ == "__main__":
    unittest.main()
