# RUN: %python %s %t
"""--memory over a sweep of budgets for every example, from below the least to above the most: each compiles or says what
the least is, and a step computes the same bits whatever is computed again."""
import re

from harness import *

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
examples = here.parent.parent / "examples"


def bytes_of(pattern, text):
    """The size that is printed, in tenths of its unit, and that tenth."""
    number, unit = re.search(pattern + r" +([\d.]+) (\w+)", text, re.M).groups()
    return int(float(number) * UNITS[unit]), UNITS[unit] / 10


def refuses(result):
    lines = [line for line in result.err.splitlines() if "(set on the command line)" not in line]
    return result.code == 1 and result.out == "" and len(lines) == 1 and "the least that was found" in lines[0]


def sweep(name, words, steps):
    """Checks every budget; returns the least and what is needed by default."""
    whole = succeed("check", *words)
    if "\nmemory" not in whole.out:
        return None
    most, _ = bytes_of("^memory", whole.out)
    refused = gptc("check", *words, "--memory", "1")
    if not check(f"{name}: one byte", refuses(refused), refused):
        return None
    least, tenth = bytes_of("for a training step is", refused.err)
    check(f"{name}: what is needed by default is as much at least", most >= least, most, least)
    result = gptc("check", *words, "--memory", str(least // 2))
    check(f"{name}: half of the least", refuses(result), result)
    # What is printed is rounded up. Below it another choice of what is kept may still be found, if hardly ever.
    result = gptc("check", *words, "--memory", str(int(least - tenth)))
    check(f"{name}: just below the least, {least}", refuses(result) or result.code == 0 and
          bytes_of("^memory", result.out)[0] <= least, result)
    for share in [step / steps for step in range(steps + 1)] + [1.2]:
        budget = int(least + share * (most - least)) + 1
        result = gptc("check", *words, "--memory", str(budget))
        check(f"{name}: {share} of what is missing, {budget} bytes", result.code == 0 and
              bytes_of("^memory", result.out)[0] <= 1.02 * budget + tenth, result)
    return least, most


work_directory()
write("text.txt", text(400))
write("ids.txt", " ".join(str(i * 37 % 1000) for i in range(4000)))
small = {"gpt2.gpt": ["--set", "layers=2", "--set", "context=64", "--set", "batch=2"],
         "llama.gpt": ["--set", "layers=2"], "shakespeare_large.gpt": ["--set", "layers=3"]}
for path in sorted(examples.glob("*.gpt")):
    settings = small.get(path.name, [])
    if gptc("check", path, *settings).code != 0:
        settings = []
    sweep(path.name, [path, *settings], 2)

# What was found: at its own sizes a value that is kept is made behind the first launch that reads another.
for budget in ("10MiB", "200MiB", "300MiB"):
    result = gptc("check", examples / "translate.gpt", "--memory", budget)
    check(f"translate.gpt: {budget}", result.code == 0 if budget == "300MiB" else refuses(result), result)

# The same bits.
write("pairs.a", text(60, seed=3))
write("pairs.b", text(60, seed=4))
for name, words in [
    ("translate.gpt", ["--data", "pairs.a", "--data", "pairs.b", "--set", "layers=2", "--set", "width=32", "--set", "steps=2"]),
    ("shakespeare.gpt", ["--data", "text.txt", "--set", "layers=2", "--set", "context=16", "--set", "steps=2"]),
]:
    model = [examples / name, *words]
    limits = sweep(name + ", small", model, 3)
    if not limits:
        continue
    least, most = limits
    succeed("train", *model, "-o", name + "-all")
    for share in (0, 0.4, 0.8):
        out = f"{name}-{share}"
        succeed("train", *model, "-o", out, "--memory", str(int(least + share * (most - least)) + 1))
        check(f"{name}: {share}: the same bits", weights(out) == weights(name + "-all"))
finish()
