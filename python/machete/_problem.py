"""What is asked of a product: types and extents."""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal, get_args

from machete import _native

DataType = Literal[
    "void",
    "f16",
    "bf16",
    "f32",
    "e4m3",
    "e5m2",
    "e2m1",
    "ue8m0",
    "s8",
    "s4",
    "u4",
    "u8",
    "u4b8",
    "u8b128",
    "s32",
]
"""Types of operands, as the C++ API names them: `"void"` is an operand that is not there, `"u4b8"`
an unsigned code of 4 bits that stands for code - 8, `"u8b128"` one of 8 bits for code - 128,
`"e2m1"` the 4 bits of MXFP4 and NVFP4, `"ue8m0"` a power of two."""

DATA_TYPES: tuple[DataType, ...] = get_args(DataType)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProblemDesc:
    """A layer: everything about a product but the number of tokens.

        out[m, n] = token_scale[m] * sum over k of a[m, k] * W[k, n] + bias[n]
        W[k, n] = (code[n, k] - zeropoint[k // group_size, n]) * group_scale[k // group_size, n]
                  * channel_scale[n] * tensor_scale

    Attributes:
        a: Type of the activations.
        b: Type of the weights' codes.
        n: Output features; a multiple of 8.
        k: Input features; a multiple of 16.
        group_size: Input features that share a scale: k itself, which is one scale for each output
            feature, or a divisor of k that is a multiple of 32; of 16 where the groups' scales are
            e4m3, of 128 where a has 8 bits.
        b_group_scale: Type of the groups' scales; None is the type of a, or bf16 if that has 8
            bits. Then scales of the type of a are multiplied into the weights, others are applied
            to the groups' sums.
        b_group_zeropoint: Type of the groups' zero points: that of a, for codes u4 and u8.
        b_channel_scale: Type of the output features' scales: "f32", where there are any.
        a_token_scale: Type of the tokens' scales: "f32", where there are any.
        out: Type of the result; None is the type of a, or bf16 if that has 8 bits.
    """

    a: DataType
    b: DataType
    n: int
    k: int
    group_size: int
    b_group_scale: DataType | None = None
    b_group_zeropoint: DataType = "void"
    b_channel_scale: DataType = "void"
    a_token_scale: DataType = "void"
    out: DataType | None = None

    def __post_init__(self) -> None:
        for field in ("b_group_scale", "out"):
            if getattr(self, field) is None:
                object.__setattr__(self, field, "bf16" if self.a in ("e4m3", "s8") else self.a)

    @functools.cached_property
    def text(self) -> str:
        """Words `name=value` for all that is not void; `parse` reads it."""
        fields = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return " ".join(f"{name}={value}" for name, value in fields if value != "void")

    @staticmethod
    @functools.cache
    def parse(text: str) -> ProblemDesc:
        """The problem whose `text` this is."""
        words = dict(word.split("=") for word in text.split(" "))
        integers = {name: int(words.pop(name)) for name in ("n", "k", "group_size")}
        return ProblemDesc(**{"b_group_scale": "void", **words, **integers})  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Status:
    """An answer that is true or has a reason for being false.

    Attributes:
        message: Names the argument, its value and what is allowed; empty where the answer is yes.
    """

    message: str

    def __bool__(self) -> bool:
        return not self.message


def plan_text(
    desc: ProblemDesc, schedule: str | None = None, programmatic_dependent_launch: bool = False
) -> str:
    """The problem's text with the options of a plan."""
    text = desc.text
    if schedule is not None:
        text += f" schedule={schedule}"
    if programmatic_dependent_launch:
        text += " programmatic_dependent_launch=1"
    return text


def can_implement(desc: ProblemDesc, schedule: str | None = None) -> Status:
    """Whether this build has kernels for a problem. Needs no GPU.

    Args:
        desc: The problem.
        schedule: One of `supported_schedules(desc)`; None is the choice of the family's heuristic.

    Returns:
        A status that is true, or else says why not.

    Raises:
        ValueError: A type or an extent is not written as `ProblemDesc` says.
    """
    return Status(_native.why_not(plan_text(desc, schedule)))


def supported_schedules(desc: ProblemDesc) -> list[str]:
    """Names of the schedules for the types of a problem; none if this build lacks the types."""
    return list(map(str, _native.supported_schedules(desc.text)))
