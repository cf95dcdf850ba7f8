"""A transformer block with 4-bit weights, eager and compiled, against itself in bf16.

Prints the error that quantisation makes, and microseconds for each number of tokens. The weights
are random: those of a trained model lose less.
"""

import copy

import machete.torch
import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, HIDDEN = 4096, 32, 14336


class Block(nn.Module):
    """Attention and a gated perceptron, as in Llama."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.perceptron_norm = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.output = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate_and_up = nn.Linear(WIDTH, 2 * HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[tokens, WIDTH] to the same."""
        qkv = self.qkv(self.attention_norm(x)).view(-1, 3, HEADS, WIDTH // HEADS)
        attended = F.scaled_dot_product_attention(*qkv.permute(1, 2, 0, 3), is_causal=True)
        x = x + self.output(attended.transpose(0, 1).reshape(-1, WIDTH))
        gate, up = self.gate_and_up(self.perceptron_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


def quantised(block: Block) -> Block:
    """A copy with 4-bit weights in groups of 128."""
    block = copy.deepcopy(block)
    for name, layer in list(block.named_children()):
        if isinstance(layer, nn.Linear):
            setattr(block, name, machete.torch.Linear.from_linear(layer))
    return block


def microseconds(block: nn.Module, x: torch.Tensor) -> float:
    """Of a call, on average over 100, after 10."""
    for _ in range(10):
        block(x)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(100):
        block(x)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 10


@torch.inference_mode()
def main() -> None:
    """Runs the example."""
    torch.manual_seed(0)
    block = Block().to("cuda", torch.bfloat16)
    small = quantised(block)
    variants = {
        "bf16": block,
        "4 bits": small,
        "bf16 compiled": torch.compile(block, mode="reduce-overhead"),
        "4 bits compiled": torch.compile(small, mode="reduce-overhead"),
    }
    print(f"{'tokens':>8}{'error':>10}", *(f"{name:>18}" for name in variants))
    for tokens in (1, 16, 256):
        x = torch.randn(tokens, WIDTH, device="cuda", dtype=torch.bfloat16)
        wanted = block(x).float()
        error = torch.linalg.norm(small(x).float() - wanted) / torch.linalg.norm(wanted)
        times = (f"{microseconds(variant, x):15.1f} us" for variant in variants.values())
        print(f"{tokens:8}{error.item():10.4f}", *times)


if __name__ == "__main__":
    main()
