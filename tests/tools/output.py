# RUN: %python %s %t
"""Where results cannot be written: an error that says so, and what was there before as it was."""
from harness import *

work_directory()
write("text.txt", text())
write("leaf.csv", table())
train("run")
before = tree("run")

# Full disk, as far as a program sees it: /dev/full, and files that may not grow.
for words in (["--help"], ["--version"], ["check", tiny], ["dump", tiny, "--stage", "gpt"],
      ["dump", tiny, "--stage", "ast"],
              ["generate", "run", "--tokens", "5"], ["eval", "run", "--data", "text.txt"],
              ["run", leaf, "--data", "leaf.csv"]):
    with open("/dev/full", "wb") as full:
        process = subprocess.run(["gptc", *words], stdout=full, stderr=subprocess.PIPE, preexec_fn=own_signals)
    message = process.stderr.decode()
    check("full: gptc " + " ".join(words), process.returncode == 1
          and "gptc: cannot write to standard output: No space left on device" in message
          and "LLVM ERROR" not in message,
          process.returncode, message)
result = gptc("dump", tiny, "--stage", "gpt", "-o", "/dev/full")
check("dump -o on a full disk", result.code == 1
      and "cannot write '/dev/full': No space left on device" in result.err, result)
check("/dev/full is still a device", not pathlib.Path("/dev/full").is_file())
succeed("dump", tiny, "--stage", "gpt", "-o", "/dev/null")
check("/dev/null is still a device", not pathlib.Path("/dev/null").is_file())

# Progress that nobody can read ends no training.
with open("/dev/full", "wb") as full:
    process = subprocess.run(["gptc", "train", tiny, "--data", "text.txt", "-o", "unheard"], stdout=subprocess.PIPE,
                             stderr=full, preexec_fn=own_signals)
check("training without an audience", process.returncode == 0 and log("unheard") == log("run"), process.returncode)
process = subprocess.run(["sh", "-c", f"gptc dump {tiny} --stage gpt | head -1 >head.txt"], stderr=subprocess.PIPE)
check("a reader that leaves", process.stderr == b"" and read("head.txt") != b"", process.stderr)
process = subprocess.run(["sh", "-c", f"gptc train {tiny} --data text.txt -o left 2>&1 | head -1 >head.txt"])
check("a reader of progress that leaves", log("left") == log("run"))
process = subprocess.run(["sh", "-c", f"gptc train {tiny} --data text.txt -o closed >&- 2>&- <&-"])
check("closed streams", process.returncode == 0 and log("closed") == log("run"), process.returncode)

# A checkpoint that does not fit: the error names the file, the run goes on from what was saved before.
result = gptc("train", tiny, "--data", "text.txt", "-o", "small", limit=8 << 10)
check("checkpoint too large", result.code == 1 and "weights.safetensors': File too large" in result.err, result)
check("no half checkpoint", checkpoints("small") == [] and not list(pathlib.Path("small").rglob("*.tmp-*")),
      tree("small"))
succeed("train", "--resume", "small")
check("it starts again and ends with the same bits", weights("small") == weights("run"))

shutil.rmtree("small")
train("small", "--keep", "5", "--set", "save_every=2")
check("five are kept and the best", len(checkpoints("small")) in (5, 6), checkpoints("small"))
for late in checkpoints("small")[2:]:
    shutil.rmtree("small/checkpoints/" + late)
write("small/latest", checkpoints("small")[-1] + "\n")
kept = {name: tree("small/checkpoints/" + name) for name in checkpoints("small")}
result = gptc("train", "--resume", "small", limit=8 << 10)
check("resumed on a full disk", result.code == 1 and "File too large" in result.err, result)
check("older checkpoints are whole", {name: tree("small/checkpoints/" + name) for name in checkpoints("small")} == kept,
      checkpoints("small"))
succeed("train", "--resume", "small")
check("with room again it ends with the same bits", weights("small") == weights("run"))

for words, name in ((["build", tiny, "-o", "program"], "program"),
      (["dump", tiny, "--stage", "llvm", "-o", "ir"], "ir")):
    write(name, "what was here before")
    result = gptc(*words, limit=4 << 10)
    check(f"{words[0]} too large", result.code == 1 and f"cannot write '{name}': File too large" in result.err, result)
    check(f"{words[0]}: the old file is as it was", read(name) == b"what was here before")
check("no temporary file stays", not [p for p in pathlib.Path(".").iterdir() if ".tmp-" in p.name])

# Places that cannot be written.
for words, message in [
    (["train", tiny, "--data", "text.txt", "-o", "run"], "'run' already holds a run with checkpoints: resume it"),
    (["train", tiny, "--data", "text.txt", "-o", "."], "'.' holds other files: a run needs a directory of its own"),
    (["train", tiny, "--data", "text.txt", "-o", "text.txt"],
    "cannot create the directory 'text.txt': a file has this name"),
    (["train", tiny, "--data", "text.txt", "-o", "text.txt/run"], "cannot create the directory 'text.txt/run'"),
    (["train", tiny, "--data", "text.txt", "-o", "/proc/run"], "cannot create the directory '/proc/run'"),
    (["build", tiny, "-o", "nowhere/program"], "cannot write 'nowhere/program': No such file or directory"),
    (["build", tiny, "-o", "run"], "cannot write 'run': Is a directory"),
    (["dump", tiny, "--stage", "gpt", "-o", "nowhere/ir"], "cannot write 'nowhere/ir': No such file or directory"),
    (["dump", tiny, "--stage", "gpt", "-o", "run"], "cannot write 'run': Is a directory"),
]:
    result = gptc(*words)
    check("place: gptc " + " ".join(words), result.code == 1 and result.out == "" and message in result.err, result)
check("the run is as it was", tree("run") == before)

# A link stays a link, and an existing file is replaced whole.
write("real.mlir", "old")
os.symlink("real.mlir", "link.mlir")
succeed("dump", tiny, "--stage", "gpt", "-o", "link.mlir")
check("a link stays a link", os.path.islink("link.mlir") and b"func.func @main" in read("real.mlir"))
finish()
