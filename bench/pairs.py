#!/usr/bin/env python3
"""Is a build slower than another? bench/pairs.py OLD NEW [--pairs N] [--only NAME ...]

OLD and NEW are directories with gptc and gptc-kernels. Training steps and kernels run in pairs, old and new in turn and
in both orders; printed is how many times as long the new one takes: the median of the pairs' ratios, and the interval
that holds it with 95 % (order statistics: of 30 pairs the 10th to the 21st)."""
import argparse
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import tempfile

from measure import root
from step_rows import MODELS, log_times, text_of

PAIRS_OF_TEXT = 2000


class Place:
    """Where made-up data lie; what `text_of` asks of a bench."""

    def __init__(self, out):
        self.out = out


def steps(model, dtype):
    """A training step of one of the bench's models; the figure is ms."""

    def measure(binaries, work, threads):
        words = model.words(lambda name, size: [f"{name}={size}"])
        sets = [w for word in words for w in ("--set", word)]
        return train(binaries, work, threads, model.file, [text_of(Place(work), model)], dtype,
                     [*sets, "--set", f"steps={model.steps}"])

    return measure


def example(file, count):
    """A training step of an example as it is, on made-up text or pairs."""

    def measure(binaries, work, threads):
        text = pathlib.Path(root, file).read_text(encoding="utf-8")
        numbers = random.Random(1)

        def lines(name):
            path = os.path.join(work, name)
            with open(path, "w", encoding="utf-8") as out:
                for _ in range(PAIRS_OF_TEXT):
                    word = lambda: "".join(numbers.choice("abcdefghijklmno") for _ in range(1 + numbers.randrange(7)))
                    out.write(" ".join(word() for _ in range(6 + numbers.randrange(12))) + "\n")
            return path

        data = [lines("first.txt"), lines("second.txt")] if "pairs " in text else [lines("first.txt")]
        return train(binaries, work, threads, file, data, "f32", ["--set", f"steps={count}"])

    return measure


def train(binaries, work, threads, file, data, dtype, words):
    """The median step. Nothing is evaluated or saved between steps: a checkpoint is written beside the next ones."""
    run, model = os.path.join(work, "run"), os.path.join(work, "model.gpt")
    text = pathlib.Path(root, file).read_text(encoding="utf-8")
    never = ", ".join(f"{field}: 1000000" for field in ("eval_every", "save_every") if field not in text)
    pathlib.Path(model).write_text(text.replace("train {", f"train {{ {never},", 1))
    subprocess.run(["rm", "-rf", run], check=True)
    command = [os.path.join(binaries, "gptc"), "train", model, "-o", run, "--threads", str(threads),
               "--seed", "1", "--dtype", dtype, *(w for path in data for w in ("--data", path)), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return statistics.median(log_times(run))


def kernel(name):
    """A kernel of the bench, by its name in gptc-kernels."""

    def measure(binaries, work, threads):
        found = subprocess.run([os.path.join(binaries, "gptc-kernels"), f"--benchmark_filter=^{name}$",
                                "--benchmark_format=json", "--benchmark_min_time=0.2"], capture_output=True, text=True,
                               cwd=root, check=True).stdout
        return json.loads(found)["benchmarks"][0]["real_time"]

    return measure


def interval(ratios):
    """Of the median, with at least 95 %, by order statistics; the whole range where there are too few."""
    ratios, n = sorted(ratios), len(ratios)
    below, k = 0.0, 0
    while k < n // 2 and below + math.comb(n, k) / 2 ** n <= 0.025:
        below += math.comb(n, k) / 2 ** n
        k += 1
    return (ratios[k - 1], ratios[n - k]) if k else (ratios[0], ratios[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", action="append", default=[], help="rows whose name holds this")
    parser.add_argument("--kernels", default="", help="also these of gptc-kernels: a regular expression of names")
    args = parser.parse_args()
    rows = {f"{model.name} {dtype}": steps(model, dtype) for model in MODELS for dtype in ("f32", "bf16")}
    rows["examples/llama.gpt"] = example("examples/llama.gpt", 12)
    rows["examples/translate.gpt"] = example("examples/translate.gpt", 12)
    if args.kernels:
        listed = subprocess.run([os.path.join(args.new, "gptc-kernels"), f"--benchmark_filter={args.kernels}",
                                 "--benchmark_list_tests=true"], capture_output=True, text=True, cwd=root, check=True)
        rows.update({name: kernel(name) for name in listed.stdout.split()})
    rows = {name: row for name, row in rows.items() if not args.only or any(word in name for word in args.only)}
    print(f"| what | pairs | new / old | 95 % |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for name, measure in rows.items():
            ratios = []
            for pair in range(args.pairs):
                order = [args.old, args.new] if pair % 2 else [args.new, args.old]
                time = {binaries: measure(binaries, work, args.threads) for binaries in order}
                ratios.append(time[args.new] / time[args.old])
            low, high = interval(ratios)
            print(f"| {name} | {len(ratios)} | {statistics.median(ratios):.3f} | {low:.3f} to {high:.3f} |", flush=True)


if __name__ == "__main__":
    main()
