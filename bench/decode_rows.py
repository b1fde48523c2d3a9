#!/usr/bin/env python3
"""Tokens per second of `gptc generate`, beside what the machine reads: bench/decode_rows.py [--rounds N] [--only NAME ...]

Llama-shaped models with seeded weights (tied embeddings, so that a token reads every weight) generate from a prompt of one
token, greedily, on two threads. A figure is that of `tokens` tokens less that of one, in seconds, so that starting and
compiling do not count; bandwidth (GB/s of gptc-kernels) is measured in the same round. Printed are medians, and the
spread of the rounds."""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

from measure import gptc, kernels, run

# name: layers, width, heads, groups, inner, vocabulary, tokens
MODELS = {
    "110 M": (12, 768, 12, 12, 2048, 32000, 129),
    "15 M": (6, 288, 6, 6, 768, 32000, 513),
    "260 k": (5, 64, 8, 4, 172, 512, 5001),
}
PAGE = """setting context = 1024
text token[t < context]: ids({vocabulary})
block Block() (x[t, c]) -> [t, c] {{
  before = RMSNorm(),  after = RMSNorm()
  attention = GroupedAttention({heads}, {groups}, causal)
  feed = SwiGLU({inner})
  let y = x + attention(before(x))
  y + feed(after(y))
}}
param embed[vocabulary, {width}] ~ normal(0.02)
let x[t, c] = embed[token[t], c]
repeat blocks[{layers}] {{ x = Block()(x) }}
final = RMSNorm()
let y = final(x)
let logits[t, w] = sum(c: y[t, c] * embed[w, c])
output logits over vocabulary
loss mean(t: cross_entropy(logits[t], next(token)[t]))
train {{ batch: 1, steps: 0, optimizer: sgd(0.1) }}
"""


def seconds(work, name, tokens):
    before = time.monotonic()
    subprocess.run([gptc, "generate", f"{work}/{name}", "--prompt", "5", "--greedy", "--threads", "2", "--tokens",
                    str(tokens)], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - before


def bandwidth():
    found = run([kernels, "--benchmark_filter=^machine/read/threads:2", "--benchmark_format=json"])
    return json.loads(found)["benchmarks"][0]["GB/s"] * 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", default=[])
    options = parser.parse_args()
    chosen = {name: sizes for name, sizes in MODELS.items() if not options.only or name in options.only}
    with tempfile.TemporaryDirectory() as work:
        numbers = random.Random(1)
        bytes_of = {}
        for name, (layers, width, heads, groups, inner, vocabulary, _) in chosen.items():
            page = pathlib.Path(work, name + ".gpt")
            page.write_text(PAGE.format(**locals()), encoding="utf-8")
            ids = pathlib.Path(work, name + ".txt")
            ids.write_text(" ".join(str(numbers.randrange(vocabulary)) for _ in range(4000)), encoding="utf-8")
            run([gptc, "train", str(page), "--data", str(ids), "-o", f"{work}/{name}"])
            head = width // heads
            layer = width * width + 2 * width * groups * head + width * width + 3 * width * inner + 2 * width
            bytes_of[name] = 4 * (layers * layer + vocabulary * width + width)
        print("| model | tokens/s | GB/s of weights | of the bandwidth | spread |\n| --- | --- | --- | --- | --- |")
        for name, sizes in chosen.items():
            rates, shares = [], []
            for _ in range(options.rounds):
                limit = bandwidth()
                rate = (sizes[-1] - 1) / (seconds(work, name, sizes[-1]) - seconds(work, name, 1))
                rates.append(rate)
                shares.append(rate * bytes_of[name] / limit)
            rate = statistics.median(rates)
            print(f"| {name} | {rate:.0f} | {rate * bytes_of[name] / 1e9:.1f} | {100 * statistics.median(shares):.0f} % | "
                  f"{100 * (max(rates) - min(rates)) / rate:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
