# RUN: %python %s %t
"""Same seed, same bits: with any number of threads, and for a run that was stopped and resumed."""
import shutil

from harness import *

work_directory()
write("text.txt", text())
shared = ["--set", "save_every=5", "--keep", "9"]
train("one", "--threads", "1", *shared)
reference = log("one")
check("twenty steps are logged", len(reference) == 20 and '"grad_norm"' in reference[0], reference)
check("the loss falls", json.loads(reference[-1])["loss"] < json.loads(reference[0])["loss"], reference)
for threads in ("2", "3"):
    train("run" + threads, "--threads", threads, *shared)
    check(f"{threads} threads: the same log", log("run" + threads) == reference, log("run" + threads), reference)
    for name in checkpoints("one"):
        check(f"{threads} threads: the same bits in {name}", weights("run" + threads, name) == weights("one", name))

# Another seed is another run.
train("other", "--seed", "2", *shared)
check("another seed gives other losses", log("other") != reference)

# As if the machine had stopped behind step 10: what came later is gone.
check("every fifth step was saved", checkpoints("one") == [f"step-{n:08}" for n in (5, 10, 15, 20)], checkpoints("one"))
shutil.copytree("one", "resumed")
for late in ("step-00000015", "step-00000020"):
    shutil.rmtree("resumed/checkpoints/" + late)
write("resumed/latest", "step-00000010\n")
lines = read("resumed/log.jsonl").splitlines(keepends=True)
write("resumed/log.jsonl", b"".join(lines[:13]) + lines[13][:20])  # some lines too many, and a torn one
result = succeed("train", "--resume", "resumed", "--threads", "2", "--keep", "9")
check("it says where it goes on", "resumed from step-00000010" in result.err, result)
check("resumed: the same log", log("resumed") == reference, log("resumed"), reference)
for name in checkpoints("one"):
    check(f"resumed: the same bits in {name}", weights("resumed", name) == weights("one", name))
for name in ("latest", "best", "model.gpt"):
    check(f"resumed: the same {name}", read("resumed/" + name) == read("one/" + name))

# The logged seed and the file are enough to do it again.
seed = json.loads(read("other/config.json"))["seed"]
train("again", "--seed", str(seed), *shared)
check("the seed of config.json repeats the run", log("again") == log("other"))
finish()
