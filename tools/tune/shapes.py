"""The products that the default heuristic is fitted to and judged by.

Layers of real models, whole and split over GPUs, and a few that no model has, so that nothing rests
on multiples of 256. Every layer is measured with the same few numbers of tokens and with a quarter
of the others, in turn: many different products say more than all combinations of few numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

CLASSES = 4
"""Layers with the same index modulo this are measured with the same tokens."""

LAYERS = (
    # Llama 3, 8B and 70B; 70B over two, four and eight GPUs
    (6144, 4096),
    (4096, 4096),
    (28672, 4096),
    (4096, 14336),
    (10240, 8192),
    (8192, 8192),
    (57344, 8192),
    (8192, 28672),
    (5120, 8192),
    (8192, 14336),
    (2560, 8192),
    (8192, 2048),
    (1280, 8192),
    (8192, 1024),
    (7168, 8192),
    # Llama 2, 7B and 13B
    (12288, 4096),
    (22016, 4096),
    (4096, 11008),
    (15360, 5120),
    (27648, 5120),
    # Qwen 2.5, 1.5B to 72B
    (1536, 8960),
    (17920, 1536),
    (4608, 3584),
    (3584, 3584),
    (37888, 3584),
    (3584, 18944),
    (7168, 5120),
    (5120, 5120),
    (5120, 27648),
    (59136, 8192),
    # Gemma 2, Phi 3 and 4, Mistral Nemo, Command R
    (8192, 4608),
    (3072, 3072),
    (16384, 3072),
    (5120, 17920),
    (5120, 14336),
    (12288, 12288),
    # DeepSeek V3
    (576, 7168),
    (1536, 7168),
    (24576, 1536),
    (7168, 16384),
    (4096, 7168),
    # the smallest, and some of no model
    (512, 4096),
    (1024, 8192),
    (2048, 2048),
    (3000, 6016),
    (6600, 2944),
    (11400, 9088),
    (19000, 5248),
)
"""N output features, K input features."""

SHARED_TOKENS = (32, 64, 128, 256, 512, 1024, 2048)
"""Measured with every layer."""

OTHER_TOKENS = (
    *(17, 20, 24, 28, 33, 40, 48, 56, 65, 72, 80, 96, 100, 112, 129, 144, 160, 176),
    *(192, 200, 224, 257, 288, 300, 320, 384, 400, 450, 513, 576, 600, 640, 700, 768, 850),
    *(900, 1100, 1280, 1500, 1792, 2500, 3000),
)
"""Measured with a quarter of the layers each."""


def tokens_of(layer: int) -> list[int]:
    """The numbers of tokens that a layer is measured with, by its index in LAYERS."""
    return sorted([*SHARED_TOKENS, *OTHER_TOKENS[layer % CLASSES :: CLASSES]])


def products() -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Yields every layer with its numbers of tokens."""
    for index, layer in enumerate(LAYERS):
        yield layer, tokens_of(index)
