"""examples/translate.gpt in PyTorch: the same model and recipe, on one batch of token numbers.

  torch_transformer.py SOURCE.ids TARGET.ids [--steps N] [--threads N]

A line of a file is a sentence's tokens without begin and end; tokens 0, 1 and 2 are <pad>, <s> and </s>. Prints a JSON
object with the median time of a step.
"""
import argparse
import json
import math
import time

import torch
from torch import nn
from torch.nn import functional as F

PAD, BEGIN, END = 0, 1, 2
WIDTH, INNER, HEADS, LAYERS, WORDS, DROP = 128, 256, 4, 4, 4000, 0.1


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.project = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x, m, hidden):
        """`hidden`: true where a position must not be looked at."""
        def heads(y):
            return y.view(y.shape[0], y.shape[1], HEADS, -1).transpose(1, 2)

        q, k, v = heads(self.q(x)), heads(self.k(m)), heads(self.v(m))
        score = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(WIDTH // HEADS))
        mix = score.masked_fill(hidden, float("-inf")).softmax(-1) @ v
        return self.project(mix.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    """Of the encoder, or with `across` of the decoder."""

    def __init__(self, across):
        super().__init__()
        self.before, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        if across:
            self.between, self.across = nn.LayerNorm(WIDTH), Attention()

    def forward(self, x, hidden, memory=None, hidden_memory=None):
        def drop(y):
            return F.dropout(y, DROP)

        a = self.before(x)
        x = x + drop(self.attention(a, a, hidden))
        if memory is not None:
            x = x + drop(self.across(self.between(x), memory, hidden_memory))
        return x + drop(self.down(F.relu(self.up(self.after(x)))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Parameter(torch.empty(WORDS, WIDTH))
        self.encoder = nn.ModuleList(Block(False) for _ in range(LAYERS))
        self.decoder = nn.ModuleList(Block(True) for _ in range(LAYERS))
        self.encoded, self.decoded = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=1 / math.sqrt(WIDTH))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        half = WIDTH // 2
        rate = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angle = torch.arange(64)[:, None] * rate
        self.register_buffer("waves", torch.cat([angle.sin(), angle.cos()], 1))

    def read(self, tokens):
        return F.dropout(self.embed[tokens] * math.sqrt(WIDTH) + self.waves[:tokens.shape[1]], DROP)

    def forward(self, source, target):
        padding = (source == PAD)[:, None, None, :]
        memory, x = self.read(source), self.read(target)
        for block in self.encoder:
            memory = block(memory, padding)
        memory = self.encoded(memory)
        future = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        for block in self.decoder:
            x = block(x, future, memory, padding)
        return F.linear(self.decoded(x), self.embed)


def padded(rows):
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


def sentences(path):
    return [[int(word) for word in line.split()] for line in open(path)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    source = padded([row + [END] for row in sentences(args.source)])
    target = padded([[BEGIN] + row for row in sentences(args.target)])
    following = padded([row + [END] for row in sentences(args.target)])
    model = Transformer()
    parameters = list(model.parameters())
    averages = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=4e-3, betas=(0.9, 0.98), eps=1e-9)
    times, losses = [], []
    for step in range(args.steps):
        start = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * (step + 1) / 301
        logits = model(source, target)
        loss = F.cross_entropy(logits.view(-1, WORDS), following.reshape(-1), ignore_index=PAD, label_smoothing=0.1)
        # examples/translate.gpt reports the accuracy as well.
        correct = (logits.detach().argmax(-1) == following)[following != PAD].float().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_mul_(averages, 0.995)
        torch._foreach_add_(averages, [p.detach() for p in parameters], alpha=0.005)
        losses.append(loss.item())
        correct.item()
        times.append(time.perf_counter() - start)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "first_loss": losses[0],
                      "last_loss": losses[-1], "ms": round(1000 * sorted(times)[len(times) // 2], 2)}))


main()
