# RUN: %python %s %t
"""--set: every field of train { } and generate { }, written or not, parts of the optimizer, expressions. Reports by any
name. steps: 0. Checkpoints by time. Evaluations that end."""
import re

from harness import *

work_directory()
write("text.txt", text())
write("leaf.csv", table())
train("written")

# What is set is what is written in the file.
source = read(tiny).decode()
for words, before, after in [
    (["optimizer.lr=1e-3"], "lr: cosine(1e-2, to: 1e-3, warmup: 4)", "lr: 1e-3"),
    (["optimizer.lr.warmup=8"], "warmup: 4", "warmup: 8"),
    (["optimizer.lr.high=5e-3"], "cosine(1e-2,", "cosine(5e-3,"),
    (["optimizer.betas=(0.8, 0.95)", "optimizer.decay=0"], "betas: (0.9, 0.99), decay: 0.1", "betas: (0.8, 0.95), decay: 0"),
    (["optimizer.eps=1e-6"], "decay: 0.1)", "decay: 0.1, eps: 1e-6)"),
    (["optimizer=sgd(0.1, momentum: 0.5)"],
     "adamw(lr: cosine(1e-2, to: 1e-3, warmup: 4), betas: (0.9, 0.99), decay: 0.1)", "sgd(0.1, momentum: 0.5)"),
    (["optimizer=sgd(0.1)", "optimizer.lr=linear_decay(0.2, to: 0.1, warmup: 2)"],
     "adamw(lr: cosine(1e-2, to: 1e-3, warmup: 4), betas: (0.9, 0.99), decay: 0.1)", "sgd(linear_decay(0.2, to: 0.1, warmup: 2))"),
    (["average=ema(0.9, from: 3)"], "clip: 1.0", "clip: 1.0, average: ema(0.9, from: 3)"),
    (["train.seed=5"], "clip: 1.0", "clip: 1.0, seed: 5"),
    (["batch=2 * heads", "width=8 + 24", "clip=min(3, 1 / 2)"], None, None),
]:
    sets = [part for word in words for part in ("--set", word)]
    train("set", *sets)
    if before is None:
        changed = source.replace("width = 16", "width = 32").replace("clip: 1.0", "clip: 0.5")
    else:
        check(f"{words}: the test's own text", source.count(before) == 1, before)
        changed = source.replace(before, after)
    train("file", model=write("file.gpt", changed))
    check(f"{words}: as if it were written", weights("set") == weights("file") and log("set") == log("file"),
          log("set")[-1], log("file")[-1])
    if before is not None:
        check(f"{words}: and it changes something", weights("set") != weights("written"))
    # A run keeps what was set.
    result = gptc("train", "--resume", "set", "--set", "steps=21")
    check(f"{words}: resumed", result.code == 0, result)
    shutil.rmtree("set"), shutil.rmtree("file")

for word, message in [
    ("optimizer.lr.warmap=3", "the value of 'lr' has no 'warmap'"),
    ("optimizer.foo=3", "'adamw' has no setting 'foo'"),
    ("optimizer=adam(1e-3)", "unknown optimizer 'adam'"),
    ("steps=3 +", "--set steps:1:"),
    ("steps=many", "'steps' is a number, not 'many'"),
    ("clip.x=3", "the value of 'clip' has no 'x'"),
    ("average.from=3", "the model gives no average"),
    ("save_every=10 min", "--set save_every:1:4"),
    ("eval_every=10min", "'eval_every'"),
    ("generate.steps=3", "the model has no setting 'generate.steps'"),
    ("validation=1.5", "'validation' is a share from 0 to below 1, or a number of tokens"),
]:
    result = gptc("train", tiny, "--data", "text.txt", "-o", "no", "--set", word)
    check(f"--set {word}", result.code == 1 and message in result.err and not pathlib.Path("no").exists(), result)

# check says how it will be trained.
result = succeed("check", tiny, "--set", "optimizer.lr.warmup=2", "--set", "steps=40")
check("check: optimizer and schedule", re.search(
    r"^optimizer   adamw\(lr: cosine\(0?\.?[\de.-]+, to: [\de.-]+, warmup: 2\), betas: .*\), clip: 1", result.out, re.M)
    and re.search(r"^schedule    40 steps; learning rate [\d.]+ in step 1, [\d.]+ in step 10, .* in step 40$", result.out, re.M),
    result)

# steps: 0 makes a run of the weights at the start, or of those that were given.
train("none", "--set", "steps=0")
check("no step, no line, one checkpoint", log("none") == [] and checkpoints("none") == ["step-00000000"])
given = "written/checkpoints/step-00000020/weights.safetensors"
train("given", "--set", "steps=0", "--init", given)
check("given weights", safetensors("given/checkpoints/step-00000000/weights.safetensors")[1] == safetensors(given)[1])
check("it generates", succeed("generate", "given", "--prompt", "the ", "--seed", "3").out
      == succeed("generate", "written", "--prompt", "the ", "--seed", "3").out)
result = gptc("train", "--resume", "none", "--set", "steps=20")
check("and trains on from there", result.code == 0 and weights("none") == weights("written"), result)

# Reports may have any name: they are none of the log's own fields, and none of them decides what is best.
names = ["loss", "lr", "grad_norm", "step", "ms", "val_loss", "tokens_per_s", "reports", "gradients"]
reports = "".join(f"report {name} = -step - {i}\n" for i, name in enumerate(names))
train("named", model=write("named.gpt", source + reports))
for entry, plain in zip(map(json.loads, log("named")), map(json.loads, log("written"))):
    check("the log's own fields are its own", {**entry, "reports": 0} == {**plain, "reports": 0}, entry, plain)
    check("reports by name", all(entry["reports"][name] == -(entry["step"] - 1) - i for i, name in enumerate(names)),
          entry)
check("best is by the loss", read("named/best") == read("written/best"))
result, plain = (succeed("eval", name, "--data", "text.txt").out.splitlines() for name in ("named", "written"))
check("eval: the loss is the loss", result[0] == plain[0] and "reports.loss 0.000000" in result, result, plain)

# Checkpoints by time, beside those by step; a time alone.
result = gptc("train", tiny, "--data", "text.txt", "-o", "timed", "--set", "save_every=10min")
check("a time alone: only those that were the best, and the last", result.code == 0
      and checkpoints("timed") == ["step-00000010", "step-00000020"], checkpoints("timed"))
for word in ("save_every=1s", "save_every=0.5h"):
    check(word, gptc("check", tiny, "--set", word).code == 0)

# An evaluation reads at most a tenth of what was trained on, unless its size is given.
write("long.txt", text(4000))
for words, name in (([], "bounded"), (["--set", "validation=8000"], "given")):
    shutil.rmtree(name, ignore_errors=True)
    train(name, *words, data="long.txt")
write("evaluated.txt", read("long.txt")[-8000:])
result = succeed("eval", "given", "--data", "evaluated.txt").out
check("all of a number of tokens", abs(json.loads(log("given")[-1])["val_loss"] - float(result.split()[1])) < 3e-6,
      log("given")[-1], result)
check("a share is bounded", log("bounded") != log("given"))
finish()
