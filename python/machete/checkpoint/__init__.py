"""Layers from the checkpoints that people have, as `prepack_B` wants them. Needs NumPy alone.

    tensors = machete.checkpoint.open("model.safetensors")
    layer = machete.checkpoint.gptq(tensors, "model.layers.0.mlp.down_proj")
    packed = np.empty(machete.prepacked_size(layer.desc), dtype=np.uint8)
    machete.prepack_B(layer.desc, layer.weights, packed)

A function for each format: `gptq`, `awq`, `compressed_tensors`, `mxfp4`, `nvfp4`. Each takes the
tensors of a file, the layer's name in it, and the type of the activations; None is that of the
file's scales, and others are rounded to it. `machete.torch.Linear.from_layer` makes a module of a
layer.
"""

from machete.checkpoint._awq import awq
from machete.checkpoint._compressed_tensors import compressed_tensors
from machete.checkpoint._float4 import mxfp4, nvfp4
from machete.checkpoint._gptq import gptq
from machete.checkpoint._layer import Layer
from machete.checkpoint._safetensors import StoredTensor, open

__all__ = [
    "Layer",
    "StoredTensor",
    "awq",
    "compressed_tensors",
    "gptq",
    "mxfp4",
    "nvfp4",
    "open",
]
