#!/usr/bin/env python3
"""Which lines of passes/fuse, passes/grad and passes/codegen random models reach.

coverage.py [--programs N] [--first SEED] [--build DIR]: builds with counters of lines (GPTC_COVERAGE), runs the seeds
and the corpus, prints a table of the files, and writes the lines that nothing reaches, with their text, to
DIR/missed.txt. The build is a second one, and takes as long as the first."""
import argparse
import collections
import json
import pathlib
import subprocess

root = pathlib.Path(__file__).resolve().parent.parent.parent
folders = ("passes/fuse/", "passes/grad/", "passes/codegen/")


def lines_of(build):
    """file -> line -> times that it ran, over all objects."""
    counts = collections.defaultdict(collections.Counter)
    for data in build.rglob("*.gcda"):
        done = subprocess.run(["gcov", "--json-format", "--stdout", str(data)], capture_output=True, text=True, check=True,
                              cwd=build)
        for text in done.stdout.splitlines():
            for file in json.loads(text)["files"]:
                path = pathlib.Path(file["file"])
                path = (path if path.is_absolute() else build / path).resolve()
                name = str(path.relative_to(root)) if path.is_relative_to(root) else ""
                if name.startswith(folders):
                    for line in file["lines"]:
                        counts[name][line["line_number"]] += line["count"]
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--build", type=pathlib.Path, default=root / "build/coverage")
    args = parser.parse_args()
    build = args.build.resolve()
    subprocess.run(["cmake", "-S", root, "-B", build, "-G", "Ninja", "-DGPTC_COVERAGE=ON"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "gptc-differential"], check=True)
    for old in build.rglob("*.gcda"):
        old.unlink()
    corpus = sorted(str(path) for path in (root / "tests/differential/corpus").glob("*.gpt"))
    with open(build / "differential.log", "w", encoding="utf-8") as log:
        subprocess.run([build / "bin/gptc-differential", "--no-shrink", "--seeds",
                        f"{args.first}:{args.first + args.programs}", *corpus], stdout=log, check=False)
    counts = lines_of(build)
    print("| file | lines | reached |\n| --- | --- | --- |")
    total = reached = 0
    with open(build / "missed.txt", "w", encoding="utf-8") as missed:
        for name, lines in sorted(counts.items()):
            hit = sum(1 for count in lines.values() if count)
            total, reached = total + len(lines), reached + hit
            print(f"| {name} | {len(lines)} | {100 * hit / len(lines):.1f} % |")
            text = (root / name).read_text(encoding="utf-8").splitlines()
            for line in sorted(line for line, count in lines.items() if not count):
                missed.write(f"{name}:{line}: {text[line - 1].strip()}\n")
    print(f"| all | {total} | {100 * reached / max(total, 1):.1f} % |")


if __name__ == "__main__":
    main()
