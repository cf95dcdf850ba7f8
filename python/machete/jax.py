"""Functions for JAX, inside or outside of `jax.jit`. They have no gradients.

    packed = machete.jax.prepack_B(desc, codes, group_scales)
    out = jax.jit(functools.partial(machete.jax.mm, desc))(a, packed)

Needs the package jax-tvm-ffi.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax_tvm_ffi

from machete import _native
from machete._problem import DataType, ProblemDesc
from machete._product import prepacked_size

DTYPES: dict[DataType, jnp.dtype] = {
    "f16": jnp.dtype(jnp.float16),
    "bf16": jnp.dtype(jnp.bfloat16),
    "f32": jnp.dtype(jnp.float32),
    "e4m3": jnp.dtype(jnp.float8_e4m3fn),
    "s8": jnp.dtype(jnp.int8),
}
"""What the types of activations and results are called by JAX."""

for _name, _function in (("mm", _native.mm_out), ("prepack_B", _native.prepack_B)):
    jax_tvm_ffi.register_ffi_target(
        f"machete.{_name}",
        _function,
        arg_spec=["attrs.problem", "args", "rets"],
        platform="gpu",
        allow_cuda_graph=True,
    )


def prepack_B(desc: ProblemDesc, codes: jax.Array, group_scales: jax.Array) -> jax.Array:
    """Packs weights, as `machete.prepack_B`, into a new array.

    Returns:
        uint8 [prepacked_size(desc)].
    """
    result = jax.ShapeDtypeStruct((prepacked_size(desc),), jnp.uint8)
    call = jax.ffi.ffi_call("machete.prepack_B", result)
    return call(codes, group_scales, problem=desc.text)


def mm(desc: ProblemDesc, a: jax.Array, packed: jax.Array) -> jax.Array:
    """The product, as `machete.mm`.

    Args:
        desc: The problem.
        a: [m, k] of type `desc.a`.
        packed: From `prepack_B`.

    Returns:
        [m, n] of type `desc.out`.
    """
    assert desc.out is not None
    result = jax.ShapeDtypeStruct((a.shape[0], desc.n), DTYPES[desc.out])
    return jax.ffi.ffi_call("machete.mm", result)(a, packed, problem=desc.text)
