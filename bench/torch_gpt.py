"""The reference: the character-level GPT of examples/shakespeare.gpt in PyTorch, or with --gpt2 examples/gpt2.gpt.

  torch_gpt.py train --data text.txt [--steps N] [--seed N]   the recipe; prints validation loss and times
                       [--gpt2] (data are token numbers) [--dtype bf16] (under autocast)
  torch_gpt.py saved --data text.txt [--gpt2]                 bytes that one step saves for its backward pass
  torch_gpt.py init  --out init.safetensors                   initial weights under gptc's names
  torch_gpt.py follow --init F --data text.txt --steps N --log OUT.jsonl [--moments OUT.safetensors]
                       the same batches as gptc (seeded as runtime/data does), loss a step

Needs Debian's python3-torch; for speed libopenblas0-openmp first on the library path:
  LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-openmp python3 bench/torch_gpt.py train ...
"""
import argparse
import json
import math
import struct
import sys
import time

import numpy
import torch
from torch.nn import functional as F


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = file.read()
    header.pop("__metadata__", None)
    kinds = {"F32": numpy.float32, "F64": numpy.float64, "I32": numpy.int32}
    return {name: torch.from_numpy(numpy.frombuffer(body[slice(*entry["data_offsets"])], kinds[entry["dtype"]])
                                   .reshape(entry["shape"]).copy()) for name, entry in header.items()}


def write_safetensors(path, tensors):
    header, blobs, at = {}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.detach().contiguous().numpy().astype(numpy.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


class Model:
    """Plain functions over a dictionary of weights, named as in a gptc checkpoint."""

    def __init__(self, args, vocabulary, seed):
        generator = torch.Generator().manual_seed(seed)
        c, h = args.width, args.heads
        self.args, self.w = args, {}

        def normal(name, *shape, std=0.02):
            self.w[name] = torch.empty(*shape).normal_(0, std, generator=generator)

        normal("embed", vocabulary, c)
        normal("place", args.context, c)
        residual = 0.02 / math.sqrt(2 * args.layers)
        for i in range(args.layers):
            b = f"blocks.{i}."
            self.w[b + "before.gain"] = torch.ones(c)
            for name in ("q", "k", "v"):
                normal(b + "attention." + name, c, h, c // h)
            normal(b + "attention.project.w", c, c, std=residual)
            self.w[b + "after.gain"] = torch.ones(c)
            normal(b + "mlp.up.w", c, 4 * c)
            normal(b + "mlp.down.w", 4 * c, c, std=residual)
        self.w["final.gain"] = torch.ones(c)
        if args.gpt2:
            for name in [n for n in self.w if n.endswith(("gain", ".w"))]:
                bias = name[:-4] + "shift" if name.endswith("gain") else name[:-1] + "b"
                self.w[bias] = torch.zeros(self.w[name].shape[-1])

    def join(self):
        """One matrix for queries, keys and values, as everybody has it; names are no longer gptc's."""
        for i in range(self.args.layers):
            b = f"blocks.{i}.attention."
            self.w[b + "qkv.w"] = torch.cat([self.w.pop(b + k).reshape(self.args.width, -1) for k in "qkv"], 1)
            if self.args.gpt2:
                self.w[b + "qkv.b"] = torch.zeros(3 * self.args.width)

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".w"].t(), self.w.get(name + ".b"))

    def norm(self, name, x):
        return F.layer_norm(x, (self.args.width,), self.w[name + ".gain"], self.w.get(name + ".shift"))

    def qkv(self, name, x):
        if name + ".qkv.w" in self.w:
            return self.linear(name + ".qkv", x)
        return x @ torch.cat([self.w[f"{name}.{k}"].reshape(self.args.width, -1) for k in "qkv"], 1)

    def start(self):
        for tensor in self.w.values():
            tensor.requires_grad_(True)
        decayed = [t for n, t in self.w.items() if t.dim() >= 2]
        plain = [t for n, t in self.w.items() if t.dim() < 2]
        betas, eps = ((0.9, 0.95), 1e-8) if self.args.gpt2 else ((0.9, 0.99), 1e-8)
        return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                 lr=1e-3, betas=betas, eps=eps)

    def loss(self, x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.args.dtype == "bf16"):
            logits = self.logits(x)
            return F.cross_entropy(logits.view(-1, logits.size(-1)), y.reshape(-1))

    def logits(self, x):
        a, w = self.args, self.w
        c, h = a.width, a.heads
        n, t = x.shape
        mask = torch.ones(t, t, dtype=torch.bool).tril()
        v = w["embed"][x] + w["place"][:t]
        for i in range(a.layers):
            b = f"blocks.{i}."
            qkv = self.qkv(b + "attention", self.norm(b + "before", v))
            q, k, s = (z.view(n, t, h, c // h).transpose(1, 2) for z in qkv.split(c, 2))
            score = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(c // h))
            weight = score.masked_fill(~mask, float("-inf")).softmax(-1)
            v = v + self.linear(b + "attention.project", (weight @ s).transpose(1, 2).reshape(n, t, c))
            u = self.linear(b + "mlp.up", self.norm(b + "after", v))
            v = v + self.linear(b + "mlp.down", F.gelu(u, approximate="tanh" if a.gpt2 else "none"))
        return F.linear(self.norm("final", v), w["embed"])


def rate(step, steps, high=1e-3, low=1e-4, warmup=100):
    if step < warmup:
        return high * (step + 1) / (warmup + 1)
    if step > steps:
        return low
    return low + 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) * (high - low)


def tokens(args):
    text = open(args.data, encoding="utf-8", newline="").read()
    if args.gpt2:
        return torch.tensor([int(word) for word in text.split()]), 50257
    alphabet = sorted(set(text))
    index = {c: i for i, c in enumerate(alphabet)}
    return torch.tensor([index[c] for c in text]), len(alphabet)


def validation(model, data):
    """Mean over every token of the held-out part, in windows that follow each other."""
    context, total, count = model.args.context, 0.0, 0
    with torch.no_grad():
        whole = (len(data) - 1) // context
        x = data[: whole * context].view(whole, context)
        y = data[1: whole * context + 1].view(whole, context)
        for i in range(0, whole, 64):
            n = x[i:i + 64].numel()
            total += model.loss(x[i:i + 64], y[i:i + 64]).item() * n
            count += n
        rest = data[whole * context:]
        if len(rest) > 1:
            total += model.loss(rest[None, :-1], rest[None, 1:]).item() * (len(rest) - 1)
            count += len(rest) - 1
    return total / count


def offsets(seed, step, batch, bound):
    """Where gptc's windows of a step begin: Philox 4x32-10, as runtime/random.h has it."""
    result = []
    for row in range(batch):
        c = [step & 0xFFFFFFFF, step >> 32, row, 1]
        k0, k1 = seed & 0xFFFFFFFF, seed >> 32
        for _ in range(10):
            a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(b >> 32) ^ c[1] ^ k0, b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k1, a & 0xFFFFFFFF]
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        result.append(((c[1] << 32 | c[0]) * bound) >> 64)
    return result


def step(model, optimizer, x, y, lr):
    for group in optimizer.param_groups:
        group["lr"] = lr
    loss = model.loss(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(model.w.values()), 1.0)
    optimizer.step()
    return loss


def train(args):
    begin = time.time()
    data, vocabulary = tokens(args)
    cut = int(len(data) * 0.9)
    part = data[:cut]
    model = Model(args, vocabulary, args.seed)
    model.join()
    optimizer = model.start()
    generator = torch.Generator().manual_seed(args.seed)
    times, started = [], time.time()
    for i in range(args.steps):
        tick = time.time()
        at = torch.randint(len(part) - args.context, (args.batch,), generator=generator)
        x = torch.stack([part[j:j + args.context] for j in at])
        y = torch.stack([part[j + 1:j + 1 + args.context] for j in at])
        step(model, optimizer, x, y, rate(i, args.steps)).item()
        times.append(time.time() - tick)
    trained = time.time() - started
    result = {"torch": torch.__version__, "threads": torch.get_num_threads(), "steps": args.steps,
              "seconds": round(trained, 2), "ms": round(1000 * sorted(times)[len(times) // 2], 2),
              "mean_ms": round(1000 * sum(times) / len(times), 2)}
    if not args.no_validation:
        result["val_loss"] = round(validation(model, data[cut:]), 4)
    result["wall"] = round(time.time() - begin, 2)
    print(json.dumps(result))


def saved(args):
    """What autograd holds when the loss is there, each storage once, without the weights."""
    data, vocabulary = tokens(args)
    model = Model(args, vocabulary, args.seed)
    model.join()
    model.start()
    weights = {tensor.storage().data_ptr() for tensor in model.w.values()}
    sizes = {}

    def pack(tensor):
        storage = tensor.storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    at = range(args.batch)
    x = torch.stack([data[j:j + args.context] for j in at])
    y = torch.stack([data[j + 1:j + 1 + args.context] for j in at])
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.loss(x, y)
    print(json.dumps({"torch": torch.__version__, "bytes": sum(sizes.values())}))


def follow(args):
    data, vocabulary = tokens(args)
    part = data[: int(len(data) * 0.9)]
    model = Model(args, vocabulary, args.seed)
    given = read_safetensors(args.init)
    if set(given) != set(model.w):
        sys.exit(f"{args.init}: other names: {sorted(set(given) ^ set(model.w))}")
    model.w = given
    optimizer = model.start()
    with open(args.log, "w") as log:
        for i in range(args.steps):
            at = offsets(args.seed, i, args.batch, len(part) - args.context)
            x = torch.stack([part[j:j + args.context] for j in at])
            y = torch.stack([part[j + 1:j + 1 + args.context] for j in at])
            loss = step(model, optimizer, x, y, 1e-3)
            log.write(json.dumps({"step": i + 1, "loss": loss.item()}) + "\n")
            if i == 0 and args.moments:
                write_safetensors(args.moments, {n + ".m": optimizer.state[t]["exp_avg"] for n, t in model.w.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["train", "saved", "init", "follow"])
    parser.add_argument("--data")
    parser.add_argument("--init")
    parser.add_argument("--out")
    parser.add_argument("--log")
    parser.add_argument("--moments")
    parser.add_argument("--no-validation", action="store_true")
    parser.add_argument("--gpt2", action="store_true", help="biases, the GELU with tanh; data are token numbers")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="bf16: forward under autocast")
    for name, value in dict(layers=4, heads=4, width=128, context=64, batch=12, steps=2000, seed=1, threads=2,
                            vocabulary=65).items():
        parser.add_argument("--" + name, type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.verb == "init":
        write_safetensors(args.out, Model(args, args.vocabulary, args.seed).w)
    else:
        {"train": train, "saved": saved, "follow": follow}[args.verb](args)


if __name__ == "__main__":
    main()
