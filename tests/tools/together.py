# RUN: %python %s %t
"""Runs started together, directories and files that cannot be read, permissions, planted links: nothing is removed that
a process has not made, nothing that cannot be read counts as missing."""
from harness import *

work_directory()
write("text.txt", text())
model = str(here / "inputs" / "saves.gpt")
train("alone", model=model)

# Two starts in one new directory, again and again: one of them trains to its end, whoever is first.
for number in range(6):
    out = f"above{number}/run"
    both = [subprocess.Popen(["gptc", "train", model, "--data", "text.txt", "-o", out], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, preexec_fn=own_signals) for _ in range(2)]
    ends = [(process.communicate(timeout=120)[1].decode(), process.returncode) for process in both]
    won = [err for err, code in ends if code == 0]
    lost = [err for err, code in ends if code == 1]
    check("one wins", len(won) >= 1 and len(won) + len(lost) == 2, ends)
    check("the other says why", all("is in use: another process trains in this directory" in err
                                    or "already holds a run" in err for err in lost), lost)
    check("the winner's run is there", log(out) == log("alone") and weights(out) == weights("alone"), tree(out) or "gone")

# A start that fails leaves nothing, but what was there before.
for name, prepare in (("new/below", lambda: None), ("empty", lambda: os.mkdir("empty"))):
    prepare()
    result = gptc("train", model, "--data", "text.txt", "-o", name, "--memory", "1KiB")
    check(f"failed start in {name}", result.code == 1, result)
    check(f"nothing stays of {name}", not pathlib.Path("new").exists() and tree("empty") in (None, {}), tree("empty"))

# What cannot be read is an error, and nothing is changed.
train("run", model=model)
user = somebody(".")
whole = tree("run")
newest = "run/checkpoints/step-00000120"
for path, mode, reads in (("run/checkpoints", 0o300, True), ("run/checkpoints", 0o600, True), (newest, 0, True),
                          (newest + "/state.json", 0, True), (newest + "/optimizer.safetensors", 0, False),
                          (newest + "/weights.safetensors", 0, True), ("run/log.jsonl", 0o200, False),
                          ("run/latest", 0, False), ("run/config.json", 0, True), ("run/model.gpt", 0, True),
                          ("run", 0o300, False), ("run", 0, True)):
    before = os.stat(path).st_mode
    os.chmod(path, mode)
    results = [gptc("train", "--resume", "run", "--set", "steps=140", user=user)]
    if reads:
        results.append(gptc("generate", "run", "--tokens", "3", user=user))
    os.chmod(path, before)
    for result in results:
        check(f"{path} of mode {mode:o}", result.code == 1 and "Permission denied" in result.err
              and "from the beginning" not in result.err and "it has no config.json" not in result.err
              and "broken" not in result.err, result)
    check(f"{path} of mode {mode:o}: the run is as it was", tree("run") == whole)

# Nor does a file of the library serve for one of its name that cannot be read.
write("uses.gpt", 'use "blocks.gpt"\nrows x[4] = columns(a, b, c, d)\nlet y = Linear(2)(x)\noutput y\n')
write("blocks.gpt", "block Linear(n) (x[c]) -> [n] {\n  param w[c, n] = 1\n  let y[j: n] = sum(c: x[c] * w[c, j])\n  y\n}\n")
os.chmod("blocks.gpt", 0)
os.chown("uses.gpt", os.stat("run").st_uid, -1)
result = gptc("check", "uses.gpt", user=user)
check("use of what cannot be read", result.code == 1 and "cannot read 'blocks.gpt': Permission denied" in result.err, result)

# The umask decides, of directories, files and programs.
for mask in (0o022, 0o077, 0o002):
    for words in (["train", model, "--data", "text.txt", "-o", f"mask{mask:o}/run", "--set", "steps=2"],
                  ["build", model, "-o", f"program{mask:o}"],
                  ["check", model, "--dump-ir", f"mask{mask:o}/ir"]):
        result = gptc(*words, umask=mask)
        check("with a umask: " + words[0], result.code == 0, result)
    for path in pathlib.Path(f"mask{mask:o}").rglob("*"):
        wanted = (0o777 if path.is_dir() else 0o666) & ~mask
        check(f"{path}: mode", path.stat().st_mode & 0o777 == wanted, oct(path.stat().st_mode), oct(wanted))
    mode = os.stat(f"program{mask:o}").st_mode & 0o777
    check("mode of a program", mode == 0o777 & ~mask, oct(mode))

# Names of temporary files cannot be guessed: what is planted under the old ones stays as it is.
write("precious", "mine")
os.mkdir("shared")
if os.geteuid() == 0:
    os.chmod("shared", 0o1777)
    os.symlink("../precious", "shared/ir.mlir")
    os.chown("shared/ir.mlir", 65534, 65534, follow_symlinks=False)
    result = gptc("dump", model, "--stage", "gpt", "-o", "shared/ir.mlir")
    check("another user's link is not followed", result.code == 1 and "another user" in result.err
          and read("precious") == b"mine", result)
trace = subprocess.Popen(["gptc", "dump", model, "--stage", "asm", "-o", "shared/out"], stderr=subprocess.PIPE)
for name in (f".out.tmp-{trace.pid}", f"gptc-failure-{trace.pid}.mlir"):
    os.symlink("../precious", "shared/" + name)
trace.communicate(timeout=60)
check("planted temporary names do nothing", trace.returncode == 0 and read("precious") == b"mine"
      and not os.path.islink("shared/out"), trace.returncode)
finish()
