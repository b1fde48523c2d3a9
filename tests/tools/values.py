# RUN: %python %s %t
"""--init, --keep, --dtype f64, run --show, settings of train { }, --timing: what they change and what not."""
import re

from harness import *

work_directory()
write("text.txt", text())
write("leaf.csv", table())
train("run", "--keep", "2", "--set", "save_every=4", "--set", "eval_every=4")
best = read("run/best").decode().strip()
kept = checkpoints("run")
check("--keep 2, beside the best", kept == sorted({"step-00000016", "step-00000020", best}), kept, best)
train("three", "--keep", "3", "--set", "save_every=4", "--set", "eval_every=0")
check("--keep 3", checkpoints("three") == ["step-00000012", "step-00000016", "step-00000020"], checkpoints("three"))
check("no evaluation without eval_every", "val_loss" not in "".join(log("three")) or "val_loss" in log("three")[-1])
fields = [json.loads(line) for line in read("run/log.jsonl").splitlines()]
check("log.jsonl", all({"step", "loss", "lr", "grad_norm", "tokens_per_s", "ms", "reports"} <= set(entry)
      and list(entry["reports"]) == ["accuracy"]
      for entry in fields)
      and [entry["step"] for entry in fields] == list(range(1, 21)), fields[0])
check("val_loss where it was evaluated", [entry["step"] for entry in fields if "val_loss" in entry]
      == [4, 8, 12, 16, 20],
      fields)
check("the model file as compiled", read("run/model.gpt") == read(tiny))
config = json.loads(read("run/config.json"))
check("config.json", config["seed"] == 1 and config["settings"]["width"] == 16 and config["overrides"]["save_every"]
      == "4"
      and config["data"]["sizes"]["vocabulary"] == 20, config)

# Weights of a run as another's start: in either type, and as often as wanted.
source = "run/checkpoints/step-00000020/weights.safetensors"
header, data = safetensors(source)
check("readable names", {"embed", "blocks.0.attention.q", "blocks.1.mlp.up.w", "final.gain"} <= set(header),
      sorted(header))
frozen = ["--set", "steps=1", "--set", "eval_every=0"]
train("init", *frozen, "--init", source)
train("init64", *frozen, "--init", source, "--dtype", "f64")
fresh = json.loads(log("run")[0])["loss"]
single, double = json.loads(log("init")[0])["loss"], json.loads(log("init64")[0])["loss"]
check("--init: starts where the run ended", single < fresh - 0.1, single, fresh)
check("--init: f32 weights into f64", single != double and abs(single - double) < 1e-4, single, double)
wide, _ = safetensors("init64/checkpoints/step-00000001/weights.safetensors")
check("--dtype f64: F64 in the checkpoint", wide["embed"]["dtype"] == "F64" and header["embed"]["dtype"] == "F32", wide)
train("back", *frozen, "--init", "init64/checkpoints/step-00000001/weights.safetensors")
succeed("generate", "init64", "--tokens", "5", "--prompt", "the ")
more = {**header, "unused": {"dtype": "U8", "shape": [4], "data_offsets": [len(data), len(data) + 4]}}
more.pop("__metadata__")
write("more.safetensors", make_safetensors(more, data + b"abcd"))
train("more", *frozen, "--init", "more.safetensors")
check("--init: what the model lacks is passed over", log("more") == log("init"))
offsets = dict(more)
offsets.pop("unused")
half = b""
for name, entry in sorted(offsets.items(), key=lambda item: item[1]["data_offsets"]):
    begin, end = entry["data_offsets"]
    numbers = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    offsets[name] = {"dtype": "F16", "shape": entry["shape"], "data_offsets": [len(half), len(half) + 2 * len(numbers)]}
    half += struct.pack(f"<{len(numbers)}e", *numbers)
write("half.safetensors", make_safetensors(offsets, half))
train("half", *frozen, "--init", "half.safetensors")
check("--init: F16 weights", abs(json.loads(log("half")[0])["loss"] - single) < 1e-2, log("half"), single)

# f64 and f32 are one model: the first loss agrees to the digits of f32.
train("f64", "--dtype", "f64", "--set", "rate=0")
train("f32", "--set", "rate=0")
a, b = (json.loads(log(name)[0])["loss"] for name in ("f32", "f64"))
check("--dtype: the same model", a != b and abs(a - b) < 1e-5, a, b)

# --show: any value of the file, also one that fusion never stores; the numbers are those of the file's mathematics.
train("leaves", model=leaf, data="leaf.csv")
result = succeed("run", "leaves", "--data", "leaf.csv", "--show", "h", "--show", "w2", "--show", "b2")
rows = [line.split(",") for line in result.out.splitlines()]
columns = {name: i for i, name in enumerate(rows[0])}
check("--show: columns", {"p[leaf]", "p[flower]", "h[0]", "h[1]", "h[2]", "w2[0 0]", "w2[2 1]", "b2[1]"} <= set(columns),
      rows[0])
import math
worst, classes = 0, ("leaf", "flower")
for row in rows[1:]:
    value = lambda name: float(row[columns[name]])
    scores = [sum(value(f"h[{j}]") * value(f"w2[{j} {k}]") for j in range(3)) + value(f"b2[{k}]") for k in range(2)]
    total = sum(map(math.exp, scores))
    worst = max(worst, *(abs(math.exp(score) / total - value(f"p[{classes[k]}]")) for k, score in enumerate(scores)))
check("--show: p is the softmax of what h, w2 and b2 give", worst < 1e-5 and len(rows) == 61, worst)
check("--show: h is never negative", all(float(row[columns[f"h[{j}]"]]) >= 0 for row in rows[1:] for j in range(3)))
plain = succeed("run", "leaves", "--data", "leaf.csv")
check("--show changes no output", [line.split(",")[:3] for line in plain.out.splitlines()] == [row[:3] for row in rows])
unlabelled = "\n".join(line.rsplit(",", 1)[0] for line in table().splitlines()) + "\n"
write("unlabelled.csv", unlabelled)
check("run needs no labels for its outputs", succeed("run", "leaves", "--data", "unlabelled.csv").out == plain.out)
untrained = [succeed("run", leaf, "--data", "leaf.csv", "--seed", seed).out for seed in ("1", "1", "2")]
check("run MODEL: initial weights by seed", untrained[0] == untrained[1] != untrained[2])
exact = succeed("run", leaf, "--data", "leaf.csv", "--dtype", "f64")
close = [abs(float(x) - float(y)) for p, q in zip(untrained[0].splitlines()[1:], exact.out.splitlines()[1:])
         for x, y in zip(p.split(",")[:3], q.split(",")[:3])]
check("run MODEL --dtype f64", max(close) < 1e-5 and exact.out != untrained[0], max(close))
attention = succeed("run", "run", "--data", "text.txt", "--show", "blocks.attention.weight")
first = attention.out.splitlines()
heads = [name for name in first[0].split(",") if "weight" in name]
numbers = dict(zip(first[0].split(","), first[1].split(",")))
check("--show in a repeat: all copies", len(heads) == 2 * 2 * 16 * 16, len(heads))
check("--show: rows of attention add up to 1", all(
    abs(sum(float(numbers[f"blocks.attention.weight[{n} {h} {t} {s}]"]) for s in range(16)) - 1) < 1e-5
    for n in range(2) for h in range(2) for t in range(16)), heads[:3])

# --timing and --line-tables change no result.
result = succeed("train", leaf, "--data", "leaf.csv", "-o", "timed", "--timing", "--line-tables")
check("--timing: a line a pass and the total", re.search(r"^ +[\d.]+ ms  train +grad +gpt-autodiff$", result.err, re.M)
      and re.search(r"^ +[\d.]+ ms  code generation, \d+ parts$", result.err, re.M)
      and re.search(r"^ +[\d.]+ ms  total$", result.err, re.M), result)
check("--timing and --line-tables: the same bits", weights("timed") == weights("leaves"))
finish()
