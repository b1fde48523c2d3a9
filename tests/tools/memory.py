# RUN: %python %s %t
"""--memory: what a training step takes fits, with the same bits; or an error says how much is needed."""
import math
import re

from harness import *

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def sizes(output):
    """Of `gptc check`: bytes of `arena`, `kept`, `memory`."""
    found = re.findall(r"^(arena|kept|memory) +([\d.]+) (\w+)", output, re.M)
    return {name: float(number) * UNITS[unit] for name, number, unit in found}


def least(result):
    """What an error says is needed."""
    number, unit = re.search(r"for a training step is ([\d.]+) (\w+)", result.err).groups()
    return float(number) * UNITS[unit]


work_directory()
write("text.txt", text())
shared = ["--set", "batch=16", "--set", "width=32"]
model = [tiny, "--data", "text.txt", *shared]
default = succeed("check", *model)
sizes_by_default = sizes(default.out)
check("memory, and what is kept of it",
      0 < sizes_by_default["kept"] < sizes_by_default["arena"] < sizes_by_default["memory"], default)

# By line of the model.
listed = succeed("check", *model, "--kept").out.split("\nmemory", 1)[1].splitlines()[1:]
parts = [float(n) * UNITS[unit] for n, unit in re.findall(r" ([\d.]+) (KiB|MiB)  ", "\n".join(listed))]
check("--kept lists all of it", len(parts) == len(listed) > 5 and
      abs(sum(parts) - sizes_by_default["kept"]) < 0.02 * sizes_by_default["kept"] + 100 * len(parts), listed)
check("--kept says where", all(any(name in line for line in listed) for name in ("tiny.gpt:", "blocks.gpt:")), listed)
check("--kept begins with the largest", parts == sorted(parts, reverse=True), listed)

# Too little: one error, which says what is needed; with that much it works.
result = gptc("check", *model, "--memory", "10k")
check("too little memory", result.code == 1 and result.out == "" and len(result.err.strip().splitlines()) <= 3 and
      "--memory allows 10.0 KiB" in result.err, result)
needed = least(result)
check("at least something is needed, less than by default", 10240 < needed < sizes_by_default["memory"], result)
result = gptc("train", tiny, "--data", "text.txt", "-o", "run", *shared, "--memory", "10k")
check("train: too little memory", result.code == 1 and "the least that was found" in result.err, result)
check("train: nothing is left behind", not os.path.exists("run"))
fits = sizes(succeed("check", *model, "--memory", str(int(needed))).out)
check("what is needed at least is enough", fits["memory"] <= 1.05 * needed and
      fits["kept"] < 0.6 * sizes_by_default["kept"], fits, sizes_by_default)

# The same bits, whatever is computed again; in between it keeps more and more.
train("default", *shared)
kept = 0
for i, share in enumerate((0, 0.3, 0.6, 0.9)):
    budget = int(needed + share * (sizes_by_default["memory"] - needed))
    fits = sizes(succeed("check", *model, "--memory", str(budget)).out)
    # What is printed is rounded up to the next tenth.
    check(f"{share}: it fits", fits["memory"] <= budget + 0.1 * UNITS["MiB"] and fits["kept"] >= kept, budget, fits)
    kept = fits["kept"]
    train(f"run{i}", *shared, "--memory", str(budget))
    check(f"{share}: the same log", log(f"run{i}") == log("default"), log(f"run{i}"), log("default"))
    for name in checkpoints("default"):
        check(f"{share}: the same bits in {name}", weights(f"run{i}", name) == weights("default", name))
check("the most that fits keeps no more than all", kept <= sizes_by_default["kept"], kept, sizes_by_default)
roomy = succeed("check", *model, "--memory", "1.5 GiB").out
check("enough memory changes nothing", roomy == default.out, roomy, default)

# A run remembers its budget.
check("config.json has it", json.loads(read("run0/config.json"))["memory"] == int(needed))

# Layers that are written out one by one, without a repeat.
columns = ", ".join(f"c{i}" for i in range(16))
layers = "".join(f"let p{i + 1}[j] = tanh(sum(i: p{i}[i] * v[i, j]))\n" for i in range(8))
write("flat.gpt", f"""rows x[16] = columns({columns}), y = columns(y)
setting n = 64
param u[16, n] ~ normal(0.3), v[n, n] ~ normal(0.2), w[n] ~ normal(0.2)
let p0[j] = tanh(sum(i: x[i] * u[i, j]))
{layers}loss (sum(j: p8[j] * w[j]) - y)^2
train {{ batch: 512, steps: 3, optimizer: sgd(0.1) }}
""")
numbers = random.Random(3)
write("rows.csv", "\n".join([columns.replace(" ", "") + ",y"] +
                            [",".join(f"{numbers.uniform(-1, 1):.3f}" for _ in range(17)) for _ in range(700)]) + "\n")
flat = ["flat.gpt", "--data", "rows.csv"]
before = sizes(succeed("check", *flat).out)
needed = least(gptc("check", *flat, "--memory", "10k"))
check("without a repeat: less than by default", needed < 0.95 * before["memory"], needed, before)
succeed("train", *flat, "-o", "flat-default")
succeed("train", *flat, "-o", "flat-least", "--memory", str(math.ceil(needed)))
check("without a repeat: the same bits", all(weights("flat-default", name) == weights("flat-least", name)
                                             for name in checkpoints("flat-default")))

# A module that stands behind the choice.
write("late.mlir", succeed("dump", *model, "--stage", "place").out)
result = gptc("train", "--from-ir", "late.mlir", "--data", "text.txt", "-o", "late", "--memory", "1MiB")
check("--from-ir behind the choice", result.code == 1 and "stands at the stage `place`" in result.err, result)
for size in ("much", "0", "-5", "3 apples", "1e3", "99999999TiB"):
    result = gptc("check", tiny, "--memory", size)
    check(f"--memory {size}", result.code == 2 and "is no size: 800MiB, 1.5GiB" in result.err, result)
finish()
