"""The tour: every step of the lecture in small, and one table of what it showed.

A step is a file stepNN_name.py beside this one with a function

    run(gptc, work) -> [(what it was to show, what it showed, ok), ...]

`gptc` is a tools.Gptc, `work` an empty pathlib.Path of the step's own. Each row is one test.

usage: run.py --gptc BINARY [--work DIR] [--xml FILE] [NAME]   (NAME: only steps whose file name holds it)
"""
import argparse
import concurrent.futures
import importlib
import pathlib
import shutil
import sys
import time
import xml.etree.ElementTree as tree

import tools

here = pathlib.Path(__file__).resolve().parent


def run_step(name, binary, work):
    """The step's rows and its seconds. An exception is a failed row."""
    started = time.monotonic()
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        rows = importlib.import_module(name).run(tools.Gptc(binary), work)
        if not rows:
            rows = [("shows something", "no rows", False)]
    except Exception as error:  # a step that breaks must not hide the others
        rows = [("runs to its end", f"{type(error).__name__}: {error}", False)]
    return [(str(a), str(b), bool(ok)) for a, b, ok in rows], time.monotonic() - started


def write_xml(path, results):
    suite = tree.Element("testsuite", name="lecture")
    for name, (rows, seconds) in results.items():
        for wanted, shown, ok in rows:
            case = tree.SubElement(suite, "testcase", classname=f"lecture.{name}", name=wanted,
                                   time=f"{seconds / len(rows):.3f}")
            if not ok:
                tree.SubElement(case, "failure", message=shown)
    tree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gptc", required=True, type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, default=here.parents[1] / "build" / "lecture")
    parser.add_argument("--xml", type=pathlib.Path)
    parser.add_argument("name", nargs="?", default="")
    options = parser.parse_args()
    binary = options.gptc.resolve()
    # A filter of all tests names the tour as a whole, too.
    steps = sorted(p.stem for p in here.glob("step*.py") if options.name in f"lecture.{p.stem}")
    results = {}
    # Two at a time: small models leave a core idle while they compile.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = {name: pool.submit(run_step, name, binary, options.work.resolve() / name) for name in steps}
        for name, job in waiting.items():
            results[name] = job.result()
    header = ("step", "what it was to show", "what it showed", "ok")
    table = []
    for name, (rows, seconds) in results.items():
        label = name[4:].replace("_", " ")
        for i, (wanted, shown, ok) in enumerate(rows):
            table.append((label if i == 0 else "", wanted, shown, "ok" if ok else "FAILED"))
        print(f"{label}: {seconds:.1f} s", file=sys.stderr)
    if table:
        widths = [max(len(row[i]) for row in [header] + table) for i in range(4)]
        for row in [header, tuple("-" * w for w in widths)] + table:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
    if options.xml:
        write_xml(options.xml, results)
    sys.exit(0 if all(ok for rows, _ in results.values() for _, _, ok in rows) else 1)


if __name__ == "__main__":
    main()
