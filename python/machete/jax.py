"""Functions for JAX, inside or outside of `jax.jit`. They have no gradients.

    packed = machete.jax.prepack_B(desc, machete.Weights(codes=codes, group_scales=group_scales))
    out = jax.jit(functools.partial(machete.jax.mm, desc))(a, packed)

Needs the package jax-tvm-ffi, which has room for 1024 functions in a process; a problem takes
three.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import jax_tvm_ffi
import numpy as np

from machete import _native
from machete._problem import DataType, ProblemDesc
from machete._product import Weights, prepacked_size

DTYPES: dict[DataType, jnp.dtype] = {
    "f16": jnp.dtype(jnp.float16),
    "bf16": jnp.dtype(jnp.bfloat16),
    "f32": jnp.dtype(jnp.float32),
    "e4m3": jnp.dtype(jnp.float8_e4m3fn),
    "s8": jnp.dtype(jnp.int8),
}
"""What the types of activations and results are called by JAX."""


# A target of XLA for each problem, since jax-tvm-ffi does not keep a text among the attributes
# alive until the function has read it.


@functools.cache
def _prepack_B_target(problem: str) -> str:
    name = f"machete.prepack_B {problem}"
    function = _native.prepack_B_of(problem)
    for platform in ("gpu", "cpu"):
        jax_tvm_ffi.register_ffi_target(
            name, function, arg_spec=["attrs.tensor_scale", "args", "rets"], platform=platform
        )
    return name


@functools.cache
def _mm_target(problem: str) -> str:
    name = f"machete.mm {problem}"
    jax_tvm_ffi.register_ffi_target(
        name,
        _native.mm_out_of(problem),
        arg_spec=["args", "rets"],
        platform="gpu",
        allow_cuda_graph=True,
    )
    return name


def _or_empty(operand: jax.Array | None) -> jax.Array:
    """An operand for XLA, which has none that are not there."""
    return jnp.empty(0) if operand is None else operand


def prepack_B(desc: ProblemDesc, weights: Weights) -> jax.Array:
    """Packs weights, as `machete.prepack_B`, into a new array; on a GPU or on the host.

    Returns:
        uint8 [prepacked_size(desc)].
    """
    result = jax.ShapeDtypeStruct((prepacked_size(desc),), jnp.uint8)
    operands = (weights.group_scales, weights.group_zeropoints, weights.channel_scales)
    packed: jax.Array = jax.ffi.ffi_call(_prepack_B_target(desc.text), result)(
        weights.codes,
        *map(_or_empty, operands),
        tensor_scale=np.float64(weights.tensor_scale),
    )
    return packed


def mm(
    desc: ProblemDesc,
    a: jax.Array,
    packed: jax.Array,
    *,
    token_scales: jax.Array | None = None,
    bias: jax.Array | None = None,
) -> jax.Array:
    """The product, as `machete.mm`.

    Args:
        desc: The problem.
        a: [m, k] of type `desc.a`.
        packed: From `prepack_B`.
        token_scales: float32 [m]; None is ones.
        bias: [n] of type `desc.out`; None is zeros.

    Returns:
        [m, n] of type `desc.out`.
    """
    assert desc.out is not None
    result = jax.ShapeDtypeStruct((a.shape[0], desc.n), DTYPES[desc.out])
    out: jax.Array = jax.ffi.ffi_call(_mm_target(desc.text), result)(
        a, packed, _or_empty(token_scales), _or_empty(bias)
    )
    return out
