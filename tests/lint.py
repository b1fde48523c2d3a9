"""Rules that a reader relies on: file sizes, and a test of the same name for each pass."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
files = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
bad = []
for name in files:
    path = root / name
    if path.suffix in {".cpp", ".h", ".td", ".py", ".gpt"} and path.is_file():
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > 600:
            bad.append(f"{name}: {lines} lines; past 600, split it by concept")

passes = re.findall(r'Pass<"([\w-]+)"', "".join((root / f"passes/{name}.td").read_text() for name in ("GradPasses", "Passes")))
for argument in passes:
    stem = argument.split("-", 1)[1].replace("-", "_") if argument != "rt-to-llvm" else "rt_to_llvm"
    if not (root / f"tests/passes/{stem}.mlir").is_file():
        bad.append(f"pass {argument} has no test: add tests/passes/{stem}.mlir")
    if not list((root / "passes").glob(f"*/{stem}.cpp")):
        bad.append(f"pass {argument} has no file of its name: passes/*/{stem}.cpp")

for line in bad:
    print(f"lint: {line}", file=sys.stderr)
sys.exit(1 if bad else 0)
