"""The k-th call of the system fails, for every k: of opening, reading, writing, syncing, renaming, making directories and
removing, in a short training, a resumed one, a generation, `tokenizer train`, `build`; of mapping memory and starting
threads at some k. Each ends with the result of the undisturbed run, or with one error and exit code 1; what is there
afterwards is whole, and the same command, once more, or --resume makes the same bits.

    faults.py DIRECTORY [--part I/N] [NAME...]
"""
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from harness import *

kinds = ["open", "read", "write", "fsync", "rename", "mkdir", "unlink"]
sampled = ["mmap", "thread"]
shim = None
runs = 0


def build_shim(path):
    global shim
    shim = str(path / "fault.so")
    source = pathlib.Path(__file__).resolve().parent / "fault.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)


def with_fault(words, fault="", count=""):
    global runs
    runs += 1
    changes = {"LD_PRELOAD": shim, "GPTC_FAULT": fault or None, "GPTC_FAULT_COUNT": count or None}
    return run(["gptc", *words], env=environment(**changes), timeout=300)


def counted(words):
    result = with_fault(words, count="counts.txt")
    check("undisturbed: " + " ".join(map(str, words)), result.code == 0, result)
    return {name: int(number) for name, number in (line.split() for line in read("counts.txt").decode().splitlines())}


def one_error(result):
    """A failure that says what it is, once."""
    bad = ["internal error", "LLVM ERROR", "terminate called", "Stack dump", "Assertion", "AddressSanitizer"]
    lines = [line for line in result.err.splitlines() if line.startswith("gptc: ") and "warning" not in line]
    return result.code == 1 and len(lines) >= 1 and not any(word in result.err for word in bad)


class Case:
    """`prepare` makes what the command finds; `result` is what it leaves, `afterwards` brings a failed one to its end."""

    def __init__(self, name, words, prepare, result, afterwards):
        self.name, self.words, self.prepare, self.result, self.afterwards = name, words, prepare, result, afterwards

    def run(self, part, parts):
        self.prepare()
        counts = counted(self.words)
        wanted = self.result()
        points = [(kind, k) for kind in kinds for k in range(1, counts[kind] + 1)]
        for kind in sampled:
            step = max(1, counts[kind] // 12)
            points += [(kind, k) for k in range(1, counts[kind] + 1, step)]
        for number, (kind, k) in enumerate(points):
            if number % parts != part:
                continue
            self.prepare()
            result = with_fault(self.words, fault=f"{kind}:{k}")
            what = f"{self.name}: {kind} {k} of {counts[kind]}"
            if result.code == 0:
                # A call that is only asked for advice may fail without harm.
                check(f"{what}: the undisturbed result", self.result() == wanted, result)
                continue
            if check(f"{what}: one error", one_error(result), result):
                self.afterwards(what)
                check(f"{what}: the same afterwards", self.result() == wanted, result)
        print(f"{self.name}: {len(points)} faults of {', '.join(f'{kind} {counts[kind]}' for kind in kinds + sampled)}",
              flush=True)


def fresh(*names):
    for name in names:
        if os.path.isdir(name):
            shutil.rmtree(name)
        elif os.path.exists(name):
            os.remove(name)


short = ["--set", "steps=4", "--set", "save_every=2", "--set", "eval_every=2", "--threads", "2"]
training = ["train", tiny, "--data", "text.txt", "-o", "new", *short]


def finish_training(what):
    if not os.path.exists("new/config.json"):
        fresh("new")
        succeed(*training)
    else:
        succeed("train", "--resume", "new")


def resume_ready():
    fresh("new")
    shutil.copytree("half", "new", symlinks=True)


def trained():
    return log("new"), weights("new"), sorted(os.listdir("new/checkpoints"))


def generated():
    return read("out.txt") if os.path.exists("out.txt") else None


def cases():
    resuming = ["train", "--resume", "new", "--set", "steps=4"]
    tokens = ["tokenizer", "train", "--vocabulary", "300", "--data", "text.txt", "-o", "t.json"]
    building = ["build", tiny, "-o", "program"]
    return [
        Case("training", training, lambda: fresh("new"), trained, finish_training),
        Case("resuming", resuming, resume_ready, trained, lambda what: succeed("train", "--resume", "new", *resuming[3:])),
        Case("generating", ["generate", "half", "--prompt", "the", "--tokens", "8"], lambda: None, lambda: tree("half"),
             lambda what: None),
        Case("tokenizer", tokens, lambda: fresh("t.json"), lambda: read("t.json"), lambda what: succeed(*tokens)),
        Case("building", building, lambda: fresh("program"), lambda: read("program"), lambda what: succeed(*building)),
    ]


def main():
    path = work_directory()
    words = sys.argv[2:]
    part, parts = 0, 1
    if "--part" in words:
        at = words.index("--part")
        part, parts = (int(number) for number in words[at + 1].split("/"))
        del words[at:at + 2]
    build_shim(path)
    write("text.txt", text(60))
    train("half", *short[:1], "steps=2", *short[2:])
    for case in cases():
        if not words or case.name in words:
            case.run(part, parts)
    print(f"{runs} runs, {__import__('harness').failures} failed")
    finish()


if __name__ == "__main__":
    main()
