"""Functions for JAX."""

from __future__ import annotations

import functools
import unittest

import jax
import jax.numpy as jnp
import machete.jax
import numpy as np

import machete


class JaxTest(unittest.TestCase):
    """Against float64."""

    def setUp(self) -> None:
        """Makes a layer."""
        rng = np.random.default_rng(5)
        n, k = 512, 1024
        self.desc = machete.ProblemDesc(a="bf16", b="u4b8", n=n, k=k, group_size=128)
        codes = rng.integers(0, 256, (n, k // 2), dtype=np.uint8)
        scales = jnp.asarray(rng.uniform(0.005, 0.015, (k // 128, n)), dtype=jnp.bfloat16)
        self.packed = machete.jax.prepack_B(
            self.desc, machete.Weights(codes=jnp.asarray(codes), group_scales=scales)
        )
        weights = np.stack((codes & 15, codes >> 4), axis=-1).reshape(n, k).astype(np.float64) - 8
        wide = np.repeat(np.asarray(scales.astype(jnp.float32), dtype=np.float64).T, 128, axis=1)
        self.weights = weights * wide

    def activations(self, m: int) -> jax.Array:
        return jax.random.normal(jax.random.key(m), (m, 1024), dtype=jnp.bfloat16)

    def assert_right(self, a: jax.Array, out: jax.Array) -> None:
        self.assertEqual(out.dtype, jnp.bfloat16)
        wanted = np.asarray(a.astype(jnp.float32), dtype=np.float64) @ self.weights.T
        error = np.linalg.norm(np.asarray(out.astype(jnp.float32), dtype=np.float64) - wanted)
        self.assertLess(error / np.linalg.norm(wanted), 3e-3)

    def test_eager_and_jitted(self) -> None:
        product = functools.partial(machete.jax.mm, self.desc)
        for m in (1, 16, 300):
            a = self.activations(m)
            self.assert_right(a, product(a, self.packed))
            self.assert_right(a, jax.jit(product)(a, self.packed))

    def test_within_a_function(self) -> None:
        @jax.jit
        def twice(a: jax.Array, packed: jax.Array) -> jax.Array:
            first = machete.jax.mm(self.desc, a * 2, packed)
            return first + machete.jax.mm(self.desc, a, packed)

        a = self.activations(48)
        out = (twice(a, self.packed).astype(jnp.float32) / 3).astype(jnp.bfloat16)
        wanted = machete.jax.mm(self.desc, a, self.packed)
        error = jnp.linalg.norm((out - wanted).astype(jnp.float32))
        self.assertLess(float(error / jnp.linalg.norm(wanted.astype(jnp.float32))), 1e-2)

    def test_mistakes(self) -> None:
        with self.assertRaisesRegex(Exception, "a has dtype float32; allowed: bfloat16"):
            machete.jax.mm(self.desc, jnp.ones((4, 1024)), self.packed).block_until_ready()
        with self.assertRaisesRegex(Exception, r"a has shape \[4, 64\]; allowed: \[m, 1024\]"):
            a = jnp.ones((4, 64), jnp.bfloat16)
            machete.jax.mm(self.desc, a, self.packed).block_until_ready()


if __name__ == "__main__":
    unittest.main()
