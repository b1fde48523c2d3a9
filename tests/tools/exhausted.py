# RUN: %python %s %t
"""Memory and threads that cannot be had: one error that says what was being done, exit 1; else the undisturbed result."""
import re

from harness import *

work_directory()
write("text.txt", text(100))
write("leaf.csv", table())
train("run", "--set", "steps=2")
bad = ["LLVM ERROR", "terminate called", "bad_alloc", "JIT session error", "Stack dump", "internal error", "core dumped"]


def commands(out):
    return {
        "check": ["check", tiny],
        "train": ["train", tiny, "--data", "text.txt", "-o", out, "--set", "steps=2"],
        "generate": ["generate", "run", "--prompt", "the", "--tokens", "5"],
        "tokenizer": ["tokenizer", "train", "--vocabulary", "300", "--data", "text.txt", "-o", out + ".json"],
    }


def judge(what, result, messages=()):
    """Whether it failed as it should, or did not fail."""
    if result.code == 0:
        return True
    lines = [line for line in result.err.splitlines()
             if line.startswith("gptc: ") and "(set on the command line)" not in line]
    return check(what, result.code == 1 and len(lines) == 1 and not any(word in result.err for word in bad) and
                 (not messages or any(word in result.err for word in messages)), result)


# Address space, as `ulimit -v` limits it. What the program itself maps is some 300 MB.
said = set()
for megabytes in [260, 300, 340, 380, 420, 460, 500, 560, 640, 760, 1000, 1500, 4000]:
    for name, words in commands(f"space{megabytes}").items():
        result = run(["bash", "-c", 'ulimit -v "$0"; exec gptc "$@"', str(megabytes * 1024), *map(str, words)])
        if result.code == 127 or "shared librar" in result.err: # the loader itself: no program yet
            continue
        judge(f"{megabytes} MB: {name}", result)
        said.update(re.findall(r"out of memory|cannot have|cannot load|cannot start|GiB of memory", result.err))
    if megabytes == 4000:
        check("4 GB are enough", result.code == 0, result)
check("some of it failed", len(said) >= 1, said)

# A value that is larger than the memory.
write("large.gpt", "rows x[1] = columns(a)\nlet h[i: 20000, j: 20000] = tanh(x[0] * float(i + j))\n"
      "let s[i: 20000] = max(j: h[i, j]) + h[i, 5]\noutput s\noutput h\n")
write("one.csv", "a\n1\n")
result = run(["bash", "-c", "ulimit -v 1500000; exec gptc run large.gpt --data one.csv"])
check("a value that is too large", result.code == 1 and "'h'" in result.err and "GiB of memory" in result.err, result)

# Threads.
shim = os.path.abspath("fault.so")
built = run(["cc", "-shared", "-fPIC", "-o", shim, here.parent / "fuzz" / "fault.c", "-ldl"])
check("the shim is built", built.code == 0, built)
for number in range(1, 6):
    for name, words in commands(f"thread{number}").items():
        result = run(["gptc", *words, "--threads", "4"] if name != "tokenizer" else ["gptc", *words],
                     env=environment(LD_PRELOAD=shim, GPTC_FAULT=f"thread:{number}"))
        judge(f"thread {number}: {name}", result)
    for name, words in commands(f"map{number}").items():
        result = run(["gptc", *words], env=environment(LD_PRELOAD=shim, GPTC_FAULT=f"mmap:{number}"))
        judge(f"mmap {number}: {name}", result)


def peak(words):
    """MiB that a command takes at most, beside what it takes for nothing."""
    done = subprocess.run(["python3", "-c", "import os, resource, subprocess, sys\n"
                           "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
                           "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)", *map(str, words)],
                          capture_output=True, text=True, timeout=900)
    code, megabytes = map(int, done.stdout.split())
    check(" ".join(map(str, words)), code == 0, done.stderr)
    return megabytes


# What is read is not held several times over: a table, a text, a text without blanks.
base = peak(["gptc", "run", leaf, "--data", "leaf.csv"])
chance = random.Random(5)
row = ",".join(f"{chance.random():.4f}" for _ in range(4)) + ",leaf\n"
write("large.csv", "red,green,blue,volume,kind\n" + row * 400000)
size = os.path.getsize("large.csv") >> 20
write("loss.gpt", "rows x[4] = columns(red, green, blue, volume), k = class(kind: leaf, flower)\nparam w[4, classes(k)] = 0.1\n"
      "let p[j] = sum(i: x[i] * w[i, j])\nloss cross_entropy(p, k)\ntrain { batch: 8, steps: 1, optimizer: sgd(0.1) }\n")
taken = peak(["gptc", "train", "loss.gpt", "--data", "large.csv", "-o", "table"]) - base
check("a table takes its text and its numbers", taken < 4 * size + 40, size, taken)
write("blankless.txt", "".join(chance.choice("acgt") for _ in range(250000)))
taken = peak(["gptc", "tokenizer", "train", "--vocabulary", "4000", "--data", "blankless.txt", "-o", "dna.json"])
check("byte pairs of a text without blanks", taken < 200, taken)
finish()
