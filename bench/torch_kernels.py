"""Kernels of PyTorch, as gptc-kernels has ours; prints one JSON object of figures by name.

  torch_kernels.py memory|attention [--threads N] [--seconds S]
"""
import argparse
import json
import math
import time

import torch
from torch.nn import functional as F

aten = torch.ops.aten


def rate(body, amount, seconds):
    """10^9 of what is counted, a second."""
    body()
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < seconds:
        body()
        count += 1
    return amount * count / (time.perf_counter() - start) * 1e-9


def memory(seconds, rows=16384, width=1024):
    x, dy = torch.rand(rows, width) * 2 - 1, torch.rand(rows, width) * 2 - 1
    gain, shift = torch.ones(width), torch.zeros(width)
    y = torch.softmax(x, -1)
    _, mean, spread = aten.native_layer_norm(x, [width], gain, shift, 1e-5)
    array = 4 * rows * width
    kernels = {
        "gelu/forward": (lambda: F.gelu(x), 2),
        "gelu/backward": (lambda: aten.gelu_backward(dy, x, approximate="none"), 3),
        "softmax/forward": (lambda: torch.softmax(x, -1), 2),
        "softmax/backward": (lambda: aten._softmax_backward_data(dy, y, -1, torch.float32), 3),
        "layer_norm/forward": (lambda: F.layer_norm(x, (width,), gain, shift), 2),
        "layer_norm/backward": (lambda: aten.native_layer_norm_backward(dy, x, [width], mean, spread, gain, shift,
                                                                        [True, True, True]), 3),
    }
    with torch.no_grad():
        return {name: rate(body, count * array, seconds) for name, (body, count) in kernels.items()}


def attention(seconds, heads=8, d=64):
    """Two contractions forward and five backward, over the pairs that the mask leaves."""
    figures = {}
    for length in (256, 1024, 4096):
        q, k, v = (torch.randn(heads, length, d, requires_grad=True) for _ in range(3))
        above = torch.ones(length, length, dtype=torch.bool).triu(1)
        given = torch.randn(heads, length, d)

        def forward():
            score = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(d))
            return score.masked_fill(above, float("-inf")).softmax(-1) @ v

        def inference():
            with torch.no_grad():
                forward()

        one = heads * length * (length + 1) * d
        figures[f"T{length}/forward"] = rate(inference, 2 * one, seconds)
        figures[f"T{length}/forward-backward"] = rate(lambda: torch.autograd.grad(forward(), (q, k, v), given), 7 * one,
                                                      seconds)
    return figures


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("part", choices=["memory", "attention"])
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seconds", type=float, default=0.1)
args = parser.parse_args()
torch.set_num_threads(args.threads)
print(json.dumps({"memory": memory, "attention": attention}[args.part](args.seconds)))
