# RUN: %python %s %t
"""Resuming: on data that changed it needs a word, and what was held out stays so; a schedule that changes is said."""
import re

from harness import *

work_directory()
write("text.txt", text())
write("leaf.csv", table())
write("more.txt", text(50, seed=9))
train("run", "--set", "eval_every=5")
train("leaves", model=leaf, data="leaf.csv", *["--set", "epochs=4"])
kept = {name: tree(name) for name in ("run", "leaves")}
original = {name: read(name) for name in ("text.txt", "leaf.csv")}


def resume(name, *words):
    return gptc("train", "--resume", name, *words)


def again(name):
    shutil.rmtree(name)
    for path, content in kept[name].items():
        target = pathlib.Path(name) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(exist_ok=True) if content is None else target.write_bytes(content)


# The same bytes are the same data, whenever and wherever they were written.
write("text.txt", original["text.txt"])
result = resume("run", "--set", "steps=22")
check("a new time is no change", result.code == 0 and "data" not in result.err, result)
write("copy.txt", original["text.txt"])
result = resume("run", "--set", "steps=24", "--data", "copy.txt")
check("nor is another place", result.code == 0 and "changed" not in result.err, result)
again("run")

text_of = original["text.txt"]
for name, path, contents in [
    ("run", "text.txt", {"longer": text_of + b"the sun sings.\n", "shorter": text_of[:-20],
                         "another letter": text_of[:5] + (b"a" if text_of[5:6] != b"a" else b"b") + text_of[6:]}),
    ("leaves", "leaf.csv", {"a row more": original["leaf.csv"] + b"0.1,0.2,0.3,0.4,leaf\n",
                            "rows turned": b"\n".join([original["leaf.csv"].splitlines()[0],
                                                       *original["leaf.csv"].splitlines()[:0:-1]]) + b"\n"}),
]:
    for what, content in contents.items():
        write(path, content)
        more = ["--set", "steps=26"] if name == "run" else ["--set", "epochs=6"]
        result = resume(name, *more)
        size = ("as many bytes" if len(content) == len(original[path])
                else f"{len(original[path])} bytes when the run began, now {len(content)}")
        check(f"{name}: {what} is refused", result.code == 1 and f"the data of {name} changed" in result.err
              and size in result.err and "--changed-data" in result.err, result)
        check(f"{name}: {what}: the run is as it was", tree(name) == kept[name])
        facts = json.loads(read(f"{name}/config.json"))["data"]["loader"]
        result = resume(name, *more, "--changed-data")
        check(f"{name}: {what} with the word", result.code == 0 and "warning: the data changed" in result.err, result)
        now = json.loads(read(f"{name}/config.json"))["data"]["loader"]
        if name == "leaves":
            check(f"{what}: the same rows are held out, with the same statistics",
                  {**now, "all rows": 0} == {**facts, "all rows": 0}, facts, now)
        elif what != "shorter":
            check(f"{what}: the same text is held out", now["training_tokens"] == facts["training_tokens"], facts, now)
        result = resume(name, *(["--set", "steps=28"] if name == "run" else ["--set", "epochs=7"]))
        check(f"{what}: from now on these are its data", result.code == 0 and "changed:" not in result.err, result)
        write(path, original[path])
        again(name)

# Other rows for validation: with another share, another seed of the split, or validation data of their own.
result = resume("leaves", "--set", "validation=0.5", "--set", "epochs=5")
check("another share holds nothing else out", result.code == 0
      and json.loads(read("leaves/config.json"))["data"]["loader"]["held out"]
      == json.loads(kept["leaves"]["config.json"])["data"]["loader"]["held out"], result)
again("leaves")
result = resume("run", "--val", "more.txt", "--set", "steps=22")
check("validation data of their own let what was held out into training", result.code == 1
      and "--val gave 0 files when the run began, now 1" in result.err, result)

# A schedule that changes with the number of steps is said, with the numbers.
result = resume("run", "--set", "steps=40")
check("more steps: what changes", result.code == 0 and "gptc: steps: 20 until now, 40 from here on" in result.err
      and re.search(r"the learning rate of step 21 is 0\.00\d+, without the change 0\.001; step 20 had 0\.001", result.err),
      result)
rate = float(re.search(r"step 21 is ([\d.]+)", result.err)[1])
check("and it is what the step has", abs(json.loads(log("run")[20])["lr"] - rate) < 1e-6, log("run")[20], rate)
again("run")
result = resume("run", "--set", "optimizer.lr=3e-4", "--set", "steps=21")
check("another rate: what changes", result.code == 0 and "is 0.0003, without the change 0.001" in result.err, result)
result = resume("run", "--set", "steps=22")
check("a constant rate: nothing but the steps", result.code == 0 and "steps: 21 until now, 22" in result.err
      and "learning rate" not in result.err, result)
finish()
