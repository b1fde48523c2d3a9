"""Ours and theirs on this machine, in turn, beside what the machine can do. See bench/README.md.

  ./dev bench [--only WORD]... [--publish] [--quick] [--rounds 5] [--pairs EN DE] [--data text.txt]

Prints one table and writes it: build/bench/results.json, results.md and results.svg. Progress goes to standard error.
Figures are medians of interleaved rounds; a spread is (largest - smallest) / median.
"""
import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time

import kept_rows
import kernel_rows
import report
import step_rows
from measure import Bench, Failure, root, say

PARTS = {
    "steps": step_rows.steps,
    "translation": step_rows.translation,
    "contention": step_rows.contention,
    "kept": kept_rows.kept,
    "attention": kernel_rows.attention,
    "contractions": kernel_rows.contractions,
    "memory": kernel_rows.memory,
    "compiling": kernel_rows.compiling,
}
# Only where it is asked for: some seven minutes.
MORE = {"recipe": step_rows.recipe}
MULTI30K = [os.path.join(root, "../shared/data/multi30k", f"train.{side}") for side in ("en", "de")]


def options():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="WORD",
                        help=f"parts of this name ({', '.join([*PARTS, *MORE])}), or training steps whose name"
                             " holds it")
    parser.add_argument("--publish", action="store_true",
                        help="also write bench/results.json, bench/results.svg and the tables in README.md and bench/README.md;"
                             " with --only, the rows that were measured take the place of those that were there")
    parser.add_argument("--data", help="the text of the recipe")
    parser.add_argument("--pairs", nargs=2, metavar=("EN", "DE"), help="Multi30k's training files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="a look at everything: one round of few steps")
    parser.add_argument("--out", default=os.path.join(root, "build/bench"))
    args = parser.parse_args()
    for word in args.only:
        if word not in {**PARTS, **MORE} and not any(word in name for name in step_rows.NAMES):
            parser.error(f"no part is called '{word}', and no training step has it in its name: "
                         f"{', '.join(step_rows.NAMES)}")
    if args.publish and args.quick:
        parser.error("--publish is for figures that were measured at length, not for --quick")
    args.scale = 0.1 if args.quick else 1.0
    args.rounds = 1 if args.quick else args.rounds
    args.out = os.path.abspath(args.out)
    if not args.pairs and all(os.path.exists(path) for path in MULTI30K):
        args.pairs = MULTI30K
    return args


def chosen(args):
    """The parts to run, and of each whether a row of that name is wanted."""
    if not args.only:
        return {name: lambda row: True for name in PARTS}
    parts = {**PARTS, **MORE}
    words = [word for word in args.only if word not in parts]
    some = lambda row: any(word in row for word in words)
    return {name: (lambda row: True) if name in args.only else some for name in parts
            if name in args.only or (words and name in ("steps", "translation"))}


def others_use():
    """The share of the machine's cores that other processes keep busy, over one second."""
    def now():
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]  # all; idle and waiting for disks

    all_before, idle_before = now()
    time.sleep(1)
    all_after, idle_after = now()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


def main():
    args = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves no run behind
    os.makedirs(args.out, exist_ok=True)
    try:
        bench = Bench(args)
    except Failure as failure:
        sys.exit(f"./dev bench: {failure}")
    rows = []
    # Runs are written to memory where there is some: a checkpoint of GPT-2 has 1.5 GB.
    shared = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 4 << 30 else args.out
    with tempfile.TemporaryDirectory(dir=shared) as bench.scratch:
        say("the machine")
        busy = others_use()
        seen = [bench.machine()]
        for name, bench.wants in chosen(args).items():
            with bench.going_on(name):
                rows.extend({**PARTS, **MORE}[name](bench))
        seen.append(bench.machine())
    machine = {name: round(statistics.median(now[name] for now in seen), 1) for name in seen[0]}
    about = [report.machine_text(bench, machine), report.peers_text(bench)]
    if bench.again:
        about.append(f"{bench.again} rounds were measured again: others used the machine beside them.")
    if busy > 0.05:
        about.append(f"The machine was not quiet: others used {busy:.0%} of its cores when this began.")
    notes = list(about)
    if any(row.group == "contraction" for row in rows):
        notes.append("Contractions of others are without bias and GELU.")
    notes += [f"{row.group}, {row.what}, {row.dtype}: {row.note}." for row in rows if row.note]
    picture = report.svg(rows, " ".join(about))
    files = {"results.json": report.json_text(bench, machine, rows), "results.svg": picture,
             "results.md": report.markdown_table(rows) + "\n\n" + "\n".join(notes) + "\n"}
    for name, text in files.items():
        with open(os.path.join(args.out, name), "w", encoding="utf-8") as file:
            file.write(text)
    print("\n".join([*notes, "", report.text_table(rows)]))
    doubts = [f"not plausible: {text}" for text in report.implausible(rows)]
    problems = bench.failures + doubts
    if args.publish and not bench.failures:
        if args.only:
            rows = report.joined(rows)
            about.append(f"Measured once more, in a run of their own: {', '.join(args.only)}.")
        for name, text in (("json", report.json_text(bench, machine, rows)), ("svg", report.svg(rows, " ".join(about)))):
            with open(os.path.join(root, f"bench/results.{name}"), "w", encoding="utf-8") as file:
                file.write(text)
        doubts = [f"Not plausible: {text}." for text in report.implausible(rows)]
        report.publish(rows, about + doubts)
    for text in problems:
        say(text)
    return 1 if bench.failures else 0


sys.exit(main())
