"""Runs every command of the lecture's chapters, in order, as printed, in one directory that is empty but for `examples`.

What a command prints must be what stands under it. Digits are compared on CPUs with AVX-512, where the chapters' numbers
were taken; elsewhere, and for what comes from a training that was cut, numbers count as equal. `...` stands for any lines.
Times, speeds, threads and the lines of progress on the way are never compared.

Trainings on the Bible or on pairs take minutes: they are cut to 20 steps by `--set steps=20`. What uses such a run is compared
by its number of lines and columns where it prints a table, by its exit code where it prints generated text.

usage: chapters.py --gptc BINARY [--work DIR] [--xml FILE] [NAME]   (NAME: only up to chapters whose file name holds it)
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as tree

here = pathlib.Path(__file__).resolve().parent
root = here.parents[1]
chapters = sorted((root / "docs" / "lecture").glob("[0-9]*.md"))
long_data = ("bible.txt", "train.en")


def commands(path):
    """[(command, lines printed under it)] of a chapter."""
    found = []
    for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
        lines = block.splitlines()
        if not any(line.startswith("$ ") for line in lines):
            continue
        for line in lines:
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
    return found


def steady(lines, digits):
    """The lines without what differs from run to run; without `digits` every number is #."""
    kept = []
    for line in lines:
        if re.match(r"step \d+/\d+  ", line) and "  val " not in line:
            continue
        line = re.sub(r"[\d.]+[kMG]? (rows|tokens)/s", r"S \1/s", line)
        line = re.sub(r"  \d+(:\d\d)+(, \d+(:\d\d)+ left)?", "", line)
        line = re.sub(r", \d+(:\d\d)+$", ", T", line)
        line = re.sub(r"in [\d.]+ s", "in T s", line)
        line = re.sub(r"\d+ threads?", "N threads", line)
        line = re.sub(r"arena +[\d.]+ .iB", "arena M", line)
        if not digits:
            line = re.sub(r"-?\b\d[\d.,]*(e[+-]?\d+)?", "#", line)
            line = re.sub(r"(?<![\w-])-?(inf|nan)\b", "#", line)
            line = re.sub(r" +", " ", line)
        kept.append(line.rstrip())
    while kept and not kept[-1]:
        kept.pop()
    return kept


def fits(wanted, seen):
    """Whether the lines are those wanted, where `...` stands for any number of lines."""
    if not wanted:
        return not seen
    if wanted[0].strip() in ("...", "  ..."):
        return any(fits(wanted[1:], seen[i:]) for i in range(len(seen) + 1))
    return bool(seen) and wanted[0] == seen[0] and fits(wanted[1:], seen[1:])


class Walk:
    def __init__(self, binary, work):
        self.work = work
        self.env = dict(os.environ, PATH=f"{binary.parent}{os.pathsep}{os.environ['PATH']}", CI="1", LC_ALL="C.UTF-8")
        self.digits = "avx512f" in pathlib.Path("/proc/cpuinfo").read_text()
        self.cut = set()  # runs that were not trained to their end

    def words(self, command):
        return re.sub(r"#.*", "", command).split()

    def run(self, command, printed):
        """What is wrong, or ""."""
        words = self.words(command)
        trains = words[:2] == ["gptc", "train"]
        shortened = trains and any(word in long_data for word in words)
        if shortened:
            self.cut.add(words[words.index("-o") + 1])
        uses = [word for word in words if word in self.cut]
        actual = command + " --set steps=20" if shortened else command
        try:
            done = subprocess.run(["bash", "-c", actual], cwd=self.work, env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
        except subprocess.TimeoutExpired:
            return "has not ended after 15 minutes"
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        failing = any("training stopped" in line or line.startswith("gptc: error") for line in printed)
        diff = command.startswith("diff ")
        if done.returncode != (1 if failing or diff else 0):
            return f"ended with {done.returncode}: " + " | ".join(lines[-4:])
        if shortened or (uses and words[1] in ("generate", "eval", "bleu")):
            return ""
        if not printed:  # nothing is claimed
            return ""
        digits = self.digits and not uses
        wanted, seen = steady(printed, digits), steady(lines, digits)
        if trains:
            # The line with the command that goes on may be left out, so may the first one.
            seen = [line for line in seen if not line.startswith("  gptc ")]
            wanted = [line for line in wanted if not line.startswith("  gptc ")]
            if not any("parameters, seed" in line for line in wanted):
                seen = [line for line in seen if "parameters, seed" not in line]
        if fits(wanted, seen):
            return ""
        different = next((f"`{w}` was printed as `{s}`" for w, s in zip(wanted, seen) if w != s and w.strip() != "..."),
                         f"{len(wanted)} lines were printed as {len(seen)}")
        return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gptc", required=True, type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, default=root / "build" / "chapters")
    parser.add_argument("--xml", type=pathlib.Path)
    parser.add_argument("--shapes", action="store_true", help="do not compare digits, which differ between CPUs")
    parser.add_argument("name", nargs="?", default="")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    (options.work / "examples").symlink_to(root / "examples")
    walk = Walk(options.gptc.resolve(), options.work.resolve())
    walk.digits &= not options.shapes
    last = max((i for i, path in enumerate(chapters) if options.name in path.name), default=-1)
    if last < 0:
        sys.exit(f"error: no chapter's name holds '{options.name}'")
    suite, failures = tree.Element("testsuite", name="chapters"), 0
    for path in chapters[:last + 1]:
        started, wrong, count = time.monotonic(), [], 0
        for command, printed in commands(path):
            count += 1
            problem = walk.run(command, printed)
            case = tree.SubElement(suite, "testcase", classname=f"chapters.{path.stem}", name=command)
            if problem:
                wrong.append((command, problem))
                tree.SubElement(case, "failure", message=problem)
        failures += len(wrong)
        print(f"{path.stem}: {count} commands, {len(wrong)} wrong, {time.monotonic() - started:.0f} s", flush=True)
        for command, problem in wrong:
            print(f"  $ {command}\n    {problem}", flush=True)
    if options.xml:
        tree.ElementTree(suite).write(options.xml, encoding="utf-8", xml_declaration=True)
    print("digits were " + ("compared" if walk.digits else "not compared: " + ("--shapes" if options.shapes else "this CPU has no AVX-512")))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
