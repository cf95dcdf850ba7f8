"""What is timed: Machete's libraries, and peers that do the same product."""

from __future__ import annotations

import ctypes
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

DTYPES = {
    "bf16": torch.bfloat16,
    "f16": torch.float16,
    "e4m3": torch.float8_e4m3fn,
    "s8": torch.int8,
}
FLOAT4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class Format:
    """How weights are quantised."""

    type: str
    bits: int
    # Type of the group scales: "a" that of the activations; empty: the same if these have 16 bits,
    # else bf16.
    scale: str = ""


FORMATS = {
    "u4b8": Format("u4b8", 4),
    "u4": Format("u4", 4),
    "u8b128": Format("u8b128", 8),
    "u8": Format("u8", 8),
    "e4m3": Format("e4m3", 8),
    "mxfp4": Format("e2m1", 4, "ue8m0"),
    "nvfp4": Format("e2m1", 4, "e4m3"),
    "u4b8_gs": Format("u4b8", 4, "a"),
}
# More than the 50 MB L2 holds, by far.
ROTATE_BYTES = 200e6
HOST_COST_RUNS = 100
HOST_COST_BATCHES = 50

# Launches the product with the i-th copy of the weights.
Run = Callable[[int], object]


class KernelLibraryError(Exception):
    """What a library complains of."""


class KernelLibrary:
    """The C functions of c_api.cc; failures become exceptions with the library's words."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem.removeprefix("lib")
        self._functions = ctypes.CDLL(str(path.resolve()))
        pointer, size, text = ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p
        number = ctypes.c_int
        run = (*(pointer,) * 4, size, *(pointer,) * 3, size, pointer)
        for name, result, arguments in (
            ("schedules", number, (text, text, text, ctypes.POINTER(text), number)),
            (
                "open",
                text,
                (text, text, text, size, size, size, text, number, ctypes.POINTER(pointer)),
            ),
            ("packed_size", size, (pointer,)),
            ("workspace_size", size, (pointer, size)),
            ("schedule", text, (pointer, size)),
            ("prepack", text, (pointer,) * 7),
            ("run", text, run),
            ("time_runs", text, (*run, number, ctypes.POINTER(ctypes.c_double))),
        ):
            try:
                function = getattr(self._functions, f"machete_{name}")
            except AttributeError:
                raise KernelLibraryError(
                    f"{path}: no machete_{name}; allowed: libraries built with this c_api.cc"
                ) from None
            function.restype = result
            function.argtypes = arguments

    def call(self, name: str, *arguments: object) -> Any:
        """Calls machete_NAME."""
        return getattr(self._functions, f"machete_{name}")(*arguments)

    def do(self, name: str, *arguments: object) -> None:
        """Calls machete_NAME and raises what it complains of."""
        message = self.call(name, *arguments)
        if message is not None:
            raise KernelLibraryError(f"{self.name}: {name}: {message.decode()}")

    def schedules(self, a: str, b: str, group: int) -> list[str]:
        """All schedules for activations of a type and weights of a format."""
        names = (ctypes.c_char_p * 64)()
        count = self.call("schedules", *encoded_types(a, b, group), names, 64)
        return [name.decode() for name in names[:count] if name]


def out_dtype(a: str) -> torch.dtype:
    """The type of the output that goes with activations."""
    return DTYPES[a] if DTYPES[a].itemsize == 2 else torch.bfloat16


def random_activations(a: str, m: int, k: int) -> torch.Tensor:
    """Activations of m tokens."""
    if a == "s8":
        return torch.randint(-127, 128, (m, k), dtype=torch.int8, device="cuda")
    return torch.randn(m, k, device="cuda").to(DTYPES[a])


def encoded_types(a: str, b: str, group: int) -> tuple[bytes, bytes, bytes]:
    """Types of activations, weights and group scales, for c_api.cc."""
    scale = FORMATS[b].scale
    if not scale and DTYPES[a].itemsize == 1:  # one scale of a feature is the channel's
        scale = "void" if group < 0 else "bf16"
    elif scale == "a" and DTYPES[a].itemsize == 2:
        raise KernelLibraryError(f"--b {b}; allowed with --a {a}: others")
    elif scale in ("", "a"):
        scale = a
    return a.encode(), FORMATS[b].type.encode(), scale.encode()


class Weights:
    """Random weights of one layer, as a checkpoint holds them."""

    def __init__(self, n: int, k: int, a: str, b: str, group: int) -> None:
        self.n, self.k, self.a, self.b, self.group = n, k, a, b, group
        self.format = FORMATS[b]
        self.group_size = k if group < 0 else group
        self.bits = self.format.bits
        row_bytes = k * self.bits // 8
        self.codes = torch.randint(0, 256, (n, row_bytes), dtype=torch.uint8, device="cuda")
        if self.format.type == "e4m3":
            self.codes[self.codes & 127 == 127] = 0  # no NaN
        groups = (k // self.group_size, n)
        scales = (torch.rand(groups, device="cuda") + 0.5) * 0.01
        self.zeros = None
        self.channel_scales = None
        if DTYPES[a].itemsize == 1:
            self.channel_scales = torch.rand(n, device="cuda") + 0.5
            if self.has_channel_scales_alone:
                scales = torch.ones_like(scales)
        if self.format.scale == "ue8m0":
            self.scales = torch.randint(115, 125, groups, dtype=torch.uint8, device="cuda")
            self._scale_values = torch.exp2(self.scales.float() - 127)
        elif self.format.scale == "a" and a == "s8":
            self.scales = torch.randint(1, 17, groups, dtype=torch.int8, device="cuda")
            self._scale_values = self.scales.float()
        elif self.format.scale == "a":
            # Products with a code, up to eight times as large, are numbers of e4m3 once rounded.
            self.scales = (scales * 1600).to(DTYPES[a])
            self._scale_values = self.scales.float()
        elif self.format.scale == "e4m3":
            self.scales = scales.to(torch.float8_e4m3fn)
            self._scale_values = self.scales.float()
        else:
            self.scales = scales.to(out_dtype(a))
            self._scale_values = self.scales.float()
        if self.format.type in ("u4", "u8"):
            self.zeros = torch.randint(0, 1 << self.bits, groups, device="cuda").to(DTYPES[a])

    @property
    def has_channel_scales_alone(self) -> bool:
        """Whether there are no group scales."""
        return self.channel_scales is not None and self.group < 0 and not self.format.scale

    def dequantised(self) -> torch.Tensor:
        """The weights in float32, n x k."""
        codes = self.codes
        if self.bits == 4:
            codes = torch.stack((codes & 15, codes >> 4), dim=-1).view(self.n, self.k)
        if self.format.type == "e4m3":
            weights = codes.view(torch.float8_e4m3fn).float()
        elif self.format.type == "e2m1":
            table = torch.tensor([*FLOAT4, *(-x for x in FLOAT4)], device="cuda")
            weights = table[codes.int()]
        else:
            weights = codes.float()
        groups = weights.view(self.n, -1, self.group_size)
        if self.zeros is not None:
            groups -= self.zeros.t().float().unsqueeze(-1)
        elif self.format.type in ("u4b8", "u8b128"):
            groups -= 1 << self.bits - 1
        groups *= self._scale_values.t().unsqueeze(-1)
        if self.format.scale == "a":
            weights = weights.to(DTYPES[self.a]).float()
        if self.channel_scales is not None:
            weights *= self.channel_scales.unsqueeze(-1)
        return weights


def address(tensor: torch.Tensor | None) -> int | None:
    """Where a tensor's elements are, if there is one."""
    return None if tensor is None else tensor.data_ptr()


def copies(weights: torch.Tensor) -> list[torch.Tensor]:
    """The weights, often enough that taking turns misses the L2."""
    count = max(2, math.ceil(ROTATE_BYTES / (weights.numel() * weights.element_size())))
    return [weights] + [weights.clone() for _ in range(count - 1)]


class Layer:
    """The weights, packed by one library, in enough copies to miss the L2."""

    def __init__(self, library: KernelLibrary, weights: Weights) -> None:
        self.api = library
        self.weights = weights
        self._plans: dict[tuple[str, bool], ctypes.c_void_p] = {}
        plan = self.plan("")
        size = library.call("packed_size", plan)
        packed = torch.empty(size, dtype=torch.uint8, device="cuda")
        library.do(
            "prepack",
            plan,
            weights.codes.data_ptr(),
            *map(
                address,
                (
                    None if weights.has_channel_scales_alone else weights.scales,
                    weights.zeros,
                    weights.channel_scales,
                ),
            ),
            packed.data_ptr(),
            torch.cuda.current_stream().cuda_stream,
        )
        self.weight_bytes = packed.numel()
        self.packed = copies(packed)

    def plan(self, schedule: str, pdl: bool = False) -> ctypes.c_void_p:
        """The plan for a schedule; "" is the heuristic."""
        if (schedule, pdl) not in self._plans:
            handle = ctypes.c_void_p()
            self.api.do(
                "open",
                *encoded_types(self.weights.a, self.weights.b, self.weights.group),
                self.weights.n,
                self.weights.k,
                self.weights.group_size,
                schedule.encode() or None,
                int(pdl),
                ctypes.byref(handle),
            )
            self._plans[schedule, pdl] = handle
        return self._plans[schedule, pdl]

    def chosen(self, m: int) -> str:
        """The heuristic's schedule."""
        return str(self.api.call("schedule", self.plan(""), m).decode())

    def runner(
        self,
        a: torch.Tensor,
        out: torch.Tensor,
        schedule: str,
        pdl: bool,
        token_scales: torch.Tensor | None = None,
    ) -> Launch:
        """A function that launches the product with the i-th copy of the weights."""
        return Launch(self, self.plan(schedule, pdl), a, out, token_scales)


class Launch:
    """The product of a layer and some activations; called, it runs."""

    def __init__(
        self,
        layer: Layer,
        plan: ctypes.c_void_p,
        a: torch.Tensor,
        out: torch.Tensor,
        token_scales: torch.Tensor | None,
    ) -> None:
        self._layer, self._plan, self._a, self._out = layer, plan, a, out
        size = layer.api.call("workspace_size", plan, a.shape[0])
        self._workspace = torch.zeros(size, dtype=torch.uint8, device="cuda")
        self._token_scales = token_scales

    def arguments(self, i: int) -> tuple[object, ...]:
        """What machete_run is called with for the i-th copy of the weights."""
        packed = self._layer.packed[i % len(self._layer.packed)]
        return (
            self._plan,
            self._a.data_ptr(),
            packed.data_ptr(),
            self._out.data_ptr(),
            self._a.shape[0],
            address(self._token_scales),
            None,
            self._workspace.data_ptr(),
            self._workspace.numel(),
            torch.cuda.current_stream().cuda_stream,
        )

    def __call__(self, i: int) -> None:
        """Launches the product with the i-th copy of the weights."""
        self._layer.api.do("run", *self.arguments(i))


class Peer(Protocol):
    """Another way to the same product."""

    weight_bytes: int  # that a launch reads

    def runner(self, a: torch.Tensor, out: torch.Tensor, token_scales: torch.Tensor | None) -> Run:
        """A function that launches the product with the i-th copy of the weights."""


class Cublas:
    """torch.mm with weights and activations in 16 bits."""

    def __init__(self, weights: Weights, dequantised: torch.Tensor) -> None:
        self._weights = copies(dequantised.to(out_dtype(weights.a)))
        self.weight_bytes = weights.n * weights.k * 2

    def runner(self, a: torch.Tensor, out: torch.Tensor, token_scales: torch.Tensor | None) -> Run:
        """A function that launches the product with the i-th copy of the weights."""
        a = a.to(out.dtype)
        if token_scales is not None:
            a = (a.float() * token_scales.unsqueeze(-1)).to(out.dtype)
        return lambda i: torch.mm(a, self._weights[i % len(self._weights)].t(), out=out)


class ScaledMm:
    """torch._scaled_mm with weights and activations in e4m3, scales of features and tokens."""

    def __init__(self, weights: Weights, dequantised: torch.Tensor) -> None:
        largest = dequantised.abs().amax(dim=1, keepdim=True)
        self._scales = largest.t().contiguous() / 448
        self._weights = copies((dequantised / largest * 448).to(torch.float8_e4m3fn))
        self.weight_bytes = weights.n * weights.k

    def runner(self, a: torch.Tensor, out: torch.Tensor, token_scales: torch.Tensor | None) -> Run:
        """A function that launches the product with the i-th copy of the weights."""
        if token_scales is None:
            token_scales = torch.ones(a.shape[0], device="cuda")
        scales = token_scales.unsqueeze(-1)
        a = a.float().to(torch.float8_e4m3fn)
        return lambda i: torch._scaled_mm(
            a,
            self._weights[i % len(self._weights)].t(),
            scale_a=scales,
            scale_b=self._scales,
            out_dtype=out.dtype,
            out=out,
        )


# Each made from a layer's weights and from the same dequantised, in float32.
PEERS: dict[str, Callable[[Weights, torch.Tensor], Peer]] = {
    "cublas": Cublas,
    "scaled_mm": ScaledMm,
}


def host_cost(library: KernelLibrary, a: str, b: str, pdl: bool) -> dict[str, float]:
    """Nanoseconds of the host's time that a run of a kept plan takes, from C++ and through ctypes.

    A small product, so that the GPU keeps up, and few runs between two synchronisations, which are
    not timed: no call waits for room in the stream.
    """
    n, k, m = 256, 512, 16
    layer = Layer(library, Weights(n, k, a, b, 128))
    activations = torch.zeros(m, k, dtype=DTYPES[a], device="cuda")
    out = torch.empty(m, n, dtype=out_dtype(a), device="cuda")
    arguments = layer.runner(activations, out, "", pdl).arguments(0)

    def from_cpp() -> float:
        nanoseconds = ctypes.c_double()
        library.do("time_runs", *arguments, HOST_COST_RUNS, ctypes.byref(nanoseconds))
        return nanoseconds.value

    def through_ctypes() -> float:
        begin = time.perf_counter_ns()
        for _ in range(HOST_COST_RUNS):
            library.do("run", *arguments)
        return (time.perf_counter_ns() - begin) / HOST_COST_RUNS

    costs = {}
    for name, measure in (("cpp_ns", from_cpp), ("ctypes_ns", through_ctypes)):
        batches = []
        for _ in range(HOST_COST_BATCHES + 1):
            torch.cuda.synchronize()
            batches.append(measure())
        costs[name] = round(statistics.median(batches[1:]), 1)
    torch.cuda.synchronize()
    return costs
