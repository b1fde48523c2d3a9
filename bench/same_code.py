#!/usr/bin/env python3
"""Compares the machine code of two builds of gptc: bench/same_code.py OLD NEW [--only NAME]

Every example and every kernel of the benchmark is compiled by both for training, in f32 and bf16, for AVX-512, AVX2 and
SSE2. Names of kernels and labels are made equal; what then differs is listed by function, and has to be measured."""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
cpus = ["x86-64-v4", "x86-64-v3", "x86-64"]
types = ["f32", "bf16"]


def functions(assembly):
    """name -> code; numbers of kernels and labels counted anew in each."""
    found, name, lines = {}, None, []
    for line in assembly.splitlines():
        line = re.sub(r"\s*#.*", "", line).rstrip()
        start = re.match(r"([A-Za-z_]\w*):$", line)
        if start:
            name, lines = re.sub(r"^kernel_\d+", "kernel", start[1]), []
            key, n = name, 1
            while key in found:
                n += 1
                key = f"{name} ({n})"
            found[key] = lines
        elif name and line and not re.match(r"\s*\.(file|loc|cfi_|ident|size|type|globl|p2align|section|text)", line):
            lines.append(line)
    for key, lines in found.items():
        labels = {}
        number = lambda m: labels.setdefault(m[0], f".L{len(labels)}")
        found[key] = [re.sub(r"\.L\w+", number, re.sub(r"\bkernel_\d+", "kernel", line)) for line in lines]
    return found


def code(gptc, model, options):
    result = subprocess.run([gptc, "dump", model, "--stage", "asm", *options], capture_output=True, text=True)
    return functions(result.stdout) if result.returncode == 0 else {"error": [result.stderr.splitlines()[0]]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--only", default="", help="models whose path holds this")
    arguments = parser.parse_args()
    models = sorted((root / "examples").glob("*.gpt")) + sorted((root / "bench/kernels").glob("*.gpt"))
    same = different = 0
    with tempfile.TemporaryDirectory() as work:
        train = "\ntrain { batch: 1, steps: 1, optimizer: sgd(0.1) }\n"
        for model in models:
            if arguments.only not in str(model):
                continue
            path = str(model)
            if "train {" not in model.read_text():  # a kernel of the benchmark
                path = f"{work}/{model.name}"
                pathlib.Path(path).write_text(model.read_text() + (train if "loss" in model.read_text() else ""))
            for cpu in cpus:
                for dtype in types:
                    options = ["--cpu", cpu, "--dtype", dtype]
                    old, new = code(arguments.old, path, options), code(arguments.new, path, options)
                    lost = [name for name in old if old[name] != new.get(name)] + [n for n in new if n not in old]
                    same, different = same + (not lost), different + bool(lost)
                    if lost:
                        print(f"{model.relative_to(root)} {cpu} {dtype}: " + ", ".join(sorted(lost)[:8]) +
                              (f" and {len(lost) - 8} more" if len(lost) > 8 else ""), flush=True)
    print(f"{same} equal, {different} different")
    sys.exit(different != 0)


if __name__ == "__main__":
    main()
