"""A gated perceptron with 4-bit weights in JAX, jitted, against itself in bf16.

Prints the error that quantisation makes, and microseconds for each number of tokens.
"""

import time

import jax
import jax.numpy as jnp
import machete.jax

import machete

WIDTH, HIDDEN, GROUP = 4096, 14336, 128


def quantised(weight: jax.Array) -> tuple[machete.ProblemDesc, jax.Array]:
    """A layer's problem and its packed weights, from weights [n, k] in bf16."""
    n, k = weight.shape
    desc = machete.ProblemDesc(a="bf16", b="u4b8", n=n, k=k, group_size=GROUP)
    groups = weight.astype(jnp.float32).reshape(n, k // GROUP, GROUP)
    scales = (jnp.abs(groups).max(-1) / 7).astype(jnp.bfloat16)
    codes = jnp.round(groups / scales.astype(jnp.float32)[..., None]).clip(-8, 7) + 8
    codes = codes.astype(jnp.uint8).reshape(n, k)
    pairs = codes[:, 0::2] | codes[:, 1::2] << 4  # the lower half first
    weights = machete.Weights(codes=pairs, group_scales=scales.T.copy())
    return desc, machete.jax.prepack_B(desc, weights)


def perceptron(gate_and_up, down, x: jax.Array) -> jax.Array:
    """[tokens, WIDTH] to the same, by two products."""
    gate, up = jnp.split(gate_and_up(x), 2, axis=-1)
    return down(jax.nn.silu(gate) * up)


def microseconds(function, *arguments: jax.Array) -> float:
    """Of a call, on average over 100, after the first."""
    function(*arguments).block_until_ready()
    begin = time.perf_counter()
    for _ in range(100):
        out = function(*arguments)
    out.block_until_ready()
    return (time.perf_counter() - begin) * 1e4


def main() -> None:
    """Runs the example."""
    keys = jax.random.split(jax.random.key(0), 3)
    weights = [
        (jax.random.normal(key, shape) * 0.02).astype(jnp.bfloat16)
        for key, shape in zip(keys[:2], ((2 * HIDDEN, WIDTH), (WIDTH, HIDDEN)), strict=True)
    ]
    (first, second), packed = zip(*map(quantised, weights), strict=True)

    @jax.jit
    def dense(x: jax.Array, gate_and_up: jax.Array, down: jax.Array) -> jax.Array:
        return perceptron(lambda a: a @ gate_and_up.T, lambda a: a @ down.T, x)

    @jax.jit
    def small(x: jax.Array, gate_and_up: jax.Array, down: jax.Array) -> jax.Array:
        return perceptron(
            lambda a: machete.jax.mm(first, a, gate_and_up),
            lambda a: machete.jax.mm(second, a, down),
            x,
        )

    print(f"{'tokens':>8}{'error':>10}{'bf16':>18}{'4 bits':>18}")
    for tokens in (1, 16, 256):
        x = jax.random.normal(keys[2], (tokens, WIDTH), jnp.bfloat16)
        wanted = dense(x, *weights).astype(jnp.float32)
        error = jnp.linalg.norm(small(x, *packed).astype(jnp.float32) - wanted)
        error /= jnp.linalg.norm(wanted)
        times = (microseconds(dense, x, *weights), microseconds(small, x, *packed))
        print(f"{tokens:8}{error:10.4f}", *(f"{value:14.1f} us" for value in times))


if __name__ == "__main__":
    main()
