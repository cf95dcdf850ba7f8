"""Checks and times launches, and finds the GPU's ceilings by the same method.

CUDA graphs of many launches; weights rotated through more than 200 MB, so that each launch reads
them from memory and not from the 50 MB L2; random data, since zeros draw less power and run faster;
contenders in random order, the median over rounds; from M = 128 on a pause before each burst, so
that none inherits another's throttling.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import torch

from providers import PEERS, KernelLibrary, Layer, Run, Weights, out_dtype, random_activations
from report import Ceilings, Row, rates

T = TypeVar("T")

LONG_PAUSE = 15_000_000  # cycles


def graph_of(run: Run, launches: int) -> torch.cuda.CUDAGraph:
    """A graph of several launches."""
    run(0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(launches):
            run(i)
    return graph


def time_graphs(
    graphs: Mapping[T, torch.cuda.CUDAGraph], launches: int, rounds: int, pause: int
) -> dict[T, list[float]]:
    """Microseconds a launch, for each round after a first one that only warms up."""
    times: dict[T, list[float]] = {name: [] for name in graphs}
    for index in range(rounds + 1):
        for name in random.sample(list(graphs), len(graphs)):
            torch.cuda._sleep(pause)
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            graphs[name].replay()
            end.record()
            torch.cuda.synchronize()
            if index:
                times[name].append(begin.elapsed_time(end) * 1e3 / launches)
    return times


def relative_error(out: torch.Tensor, reference: torch.Tensor) -> float:
    """||out - reference|| / ||reference||."""
    return float((out.float() - reference).norm() / reference.norm())


def measure_ceilings() -> Ceilings:
    """Times reductions and a copy of 1 GiB, and a large product."""
    source = torch.randn(1 << 28, device="cuda")
    target, total = torch.empty_like(source), torch.empty((), device="cuda")
    x, y = (torch.randn(8192, 8192, device="cuda").bfloat16() for _ in range(2))
    z = torch.empty_like(x)
    # Two reductions, as it is PyTorch's kernels that may fall short of the memory.
    works: dict[str, Run] = {
        "sum": lambda _: torch.sum(source, 0, out=total),
        "amax": lambda _: torch.amax(source, 0, out=total),
        "copy": lambda _: target.copy_(source),
        "product": lambda _: torch.mm(x, y, out=z),
    }
    graphs = {name: graph_of(run, 4) for name, run in works.items()}
    us = {
        name: statistics.median(times)
        for name, times in time_graphs(graphs, 4, 8, LONG_PAUSE).items()
    }
    size = source.numel() * source.element_size()
    return Ceilings(
        read_tb_s=size / min(us["sum"], us["amax"]) / 1e6,
        copy_tb_s=2 * size / us["copy"] / 1e6,
        product_tflop_s=2 * 8192**3 / us["product"] / 1e6,
    )


def time_layer(
    weights: Weights,
    libraries: Sequence[KernelLibrary],
    peers: Sequence[str],
    tokens: Iterable[int],
    schedules: Sequence[str],
    pdl: Sequence[bool],
    rounds: int,
    ceilings: Ceilings,
) -> Iterator[Row]:
    """Checks and times all contenders on one layer; the schedule "" is the heuristic's choice."""
    layers = {library.name: Layer(library, weights) for library in libraries}
    dequantised = weights.dequantised()
    others = {name: PEERS[name](weights, dequantised) for name in peers}
    weight_bytes = {name: source.weight_bytes for name, source in (layers | others).items()}
    size = weights.n * weights.k
    for m in tokens:
        a = random_activations(weights.a, m, weights.k)
        token_scales = torch.rand(m, device="cuda") + 0.5 if a.element_size() == 1 else None
        reference = a.float() @ dequantised.t()
        if token_scales is not None:
            reference *= token_scales.unsqueeze(-1)
        out = torch.empty(m, weights.n, device="cuda", dtype=out_dtype(weights.a))
        estimate_us = 3 + max(2e-6 * m * size / 700, size * (weights.bits / 8 + 0.02) / 2.5e6)
        launches = max(4, min(60, int(3000 / estimate_us)))
        # By provider, schedule and programmatic dependent launch.
        runs: dict[tuple[str, str, bool], Run] = {
            (name, "", False): peer.runner(a, out, token_scales) for name, peer in others.items()
        }
        for name, layer in layers.items():
            for schedule in schedules:
                for early in pdl:
                    runs[name, schedule, early] = layer.runner(a, out, schedule, early, token_scales)
        graphs, errors = {}, {}
        for key, run in runs.items():
            out.fill_(float("nan"))
            run(0)
            torch.cuda.synchronize()
            errors[key] = relative_error(out, reference)
            graphs[key] = graph_of(run, launches)
        pause = LONG_PAUSE if m >= 1024 else 2_000_000 if m >= 128 else 200_000
        for key, times in time_graphs(graphs, launches, rounds, pause).items():
            name, schedule, early = key
            us = statistics.median(times)
            moved = weight_bytes[name] + a.numel() * a.element_size() + out.numel() * 2
            yield Row(
                n=weights.n,
                k=weights.k,
                m=m,
                a=weights.a,
                b=weights.b,
                group=weights.group,
                provider=name,
                default=int(name in layers and not schedule),
                schedule=schedule or (layers[name].chosen(m) if name in layers else ""),
                us=round(us, 3),
                us_min=round(min(times), 3),
                rounds=rounds,
                error=errors[key],
                pdl=int(early),
                **rates(us, moved, 2 * m * size, ceilings),
            )
