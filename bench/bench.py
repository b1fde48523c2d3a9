"""Ours and theirs on this machine, in turn, beside what the machine can do. See bench/README.md.

  ./dev bench [--data text.txt] [--rounds 5] [--steps 60] [--only NAME] [--out build/bench]

Prints one table (and writes it as results.json): ours, theirs, ratio, share of the limit. Medians of
interleaved runs; the spread is (largest - smallest) / median.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
gptc = os.path.join(root, "build/bin/gptc")
# Debian's own Python has torch; OpenBLAS with OpenMP comes first, or torch is slowed unfairly.
python = "/usr/bin/python3"
blas = "/usr/lib/x86_64-linux-gnu/openblas-openmp"


class Model:
    """A training step: flops of its contractions, bytes of its optimizer, both counted."""

    def __init__(self, name, file, settings, layers, heads, width, context, batch, vocabulary):
        self.name, self.file, self.settings = name, file, settings
        self.layers, self.heads, self.width, self.context, self.batch = layers, heads, width, context, batch
        self.vocabulary = vocabulary

    def flops(self):
        """Forward and two backward contractions; of the scores' square only what the causal mask leaves."""
        tokens = self.batch * self.context
        weights = self.layers * 12 * self.width ** 2 + self.vocabulary * self.width
        scores = self.layers * 2 * self.width * (self.context + 1) / 2
        return 6 * tokens * (weights + scores)

    def update_bytes(self):
        parameters = self.layers * 12 * self.width ** 2 + (self.vocabulary + self.context) * self.width
        return 7 * 4 * parameters

    def limit_ms(self, machine):
        return 1e3 * (self.flops() / (machine["gflops"] * 1e9) + self.update_bytes() / (machine["update_gbs"] * 1e9))


MODELS = [
    Model("L4 H4 C128 T64 B12 V65", "examples/shakespeare.gpt", [], 4, 4, 128, 64, 12, 65),
    Model("L6 H6 C384 T256 B8 V65", "examples/shakespeare.gpt",
          ["layers=6", "heads=6", "width=384", "context=256", "batch=8"], 6, 6, 384, 256, 8, 65),
]


def run(command, env=None):
    done = subprocess.run(command, env=env, text=True, capture_output=True, cwd=root)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def machine(out, threads):
    """Multiply-adds a second and the optimizer's stream, from gptc-kernels."""
    text = run([os.path.join(root, "build/bin/gptc-kernels"), "--threads", str(threads), "--benchmark_min_time=0.1",
                f"--benchmark_filter=machine/(f32|update)/threads:{threads}/", "--benchmark_format=json"])
    found = {entry["name"].split("/")[1]: entry for entry in json.loads(text)["benchmarks"]}
    return {"gflops": round(found["f32"]["GFLOP/s"], 1), "update_gbs": round(found["update"]["GB/s"], 1)}


def ours(model, data, steps, threads, out):
    directory = os.path.join(out, "run")
    subprocess.run(["rm", "-rf", directory], check=True)
    sets = [word for setting in model.settings + [f"steps={steps}"] for word in ("--set", setting)]
    run([gptc, "train", model.file, "--data", data, "-o", directory, "--threads", str(threads)] + sets)
    with open(os.path.join(directory, "log.jsonl")) as log:
        times = [json.loads(line)["ms"] for line in log]
    return statistics.median(times[len(times) // 5:])


def theirs(model, data, steps, threads):
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env["LD_LIBRARY_PATH"] = blas
    text = run([python, "bench/torch_gpt.py", "train", "--data", data, "--steps", str(steps), "--threads",
                str(threads), "--no-validation", "--layers", str(model.layers), "--heads", str(model.heads),
                "--width", str(model.width), "--context", str(model.context), "--batch", str(model.batch)], env)
    return json.loads(text)


def have_torch():
    return subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0


def corpus(out):
    """The text of ./dev demo: the King James Bible of Debian's bible-kjv."""
    path = os.path.join(out, "text.txt")
    with open(path, "w") as file:
        done = subprocess.run(["bible", "-f", "gen1:1-deu34:12"], stdout=file)
    if done.returncode != 0:
        sys.exit("no text: give one with --data")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="models whose name holds this")
    parser.add_argument("--out", default=os.path.join(root, "build/bench"))
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    data = os.path.abspath(args.data) if args.data else corpus(args.out)
    peer = have_torch()
    rows, version = [], "none (apt-get install python3-torch libopenblas0-openmp)"
    for model in MODELS:
        if args.only not in model.name:
            continue
        steps = max(8, round(args.steps * MODELS[0].flops() / model.flops() * 4)) if model is not MODELS[0] \
            else args.steps
        measured, peers, limits = [], [], []
        for _ in range(args.rounds):
            now = machine(args.out, args.threads)
            limits.append(model.limit_ms(now))
            measured.append(ours(model, data, steps, args.threads, args.out))
            if peer:
                result = theirs(model, data, max(8, steps // 2), args.threads)
                version = result["torch"]
                peers.append(result["ms"])
        mine, limit = statistics.median(measured), statistics.median(limits)
        row = {"what": model.name, "dtype": "f32", "threads": args.threads, "ours_ms": round(mine, 2),
               "spread": round((max(measured) - min(measured)) / mine, 3), "limit_ms": round(limit, 2),
               "share_of_limit": round(limit / mine, 3)}
        if peers:
            row["theirs_ms"] = round(statistics.median(peers), 2)
            row["ratio"] = round(statistics.median(t / o for t, o in zip(peers, measured)), 2)
        rows.append(row)
    print(f"machine: {json.dumps(machine(args.out, args.threads))}; peer: PyTorch {version}")
    print(f"{'training step':26} {'ours ms':>9} {'spread':>7} {'theirs ms':>10} {'ratio':>6} {'limit ms':>9} {'share':>6}")
    for row in rows:
        print(f"{row['what']:26} {row['ours_ms']:9.2f} {row['spread']:7.0%} {row.get('theirs_ms', float('nan')):10.2f} "
              f"{row.get('ratio', float('nan')):6.2f} {row['limit_ms']:9.2f} {row['share_of_limit']:6.0%}")
    with open(os.path.join(args.out, "results.json"), "w") as file:
        json.dump(rows, file, indent=1)


main()
