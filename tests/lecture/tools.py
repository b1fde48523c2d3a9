"""What the steps of the tour share."""
import csv
import io
import json
import pathlib
import subprocess

root = pathlib.Path(__file__).resolve().parents[2]
examples = root / "examples"


class Gptc:
    """gptc as a function: gptc("train", model, "--data", data, "-o", run).out is its standard output."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __call__(self, *words, code=0, timeout=240, binary=False):
        """Fails unless gptc ends with exit code `code` (None: any). `binary`: its output as bytes."""
        command = [str(self.path)] + [str(word) for word in words]
        done = subprocess.run(command, capture_output=True, timeout=timeout, cwd=root)
        if not binary:
            done.stdout = done.stdout.decode()
        done.stderr = done.stderr.decode()
        if code is not None and done.returncode != code:
            raise RuntimeError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-400:]}")
        return Result(done)


class Result:
    def __init__(self, done):
        self.out, self.err, self.code = done.stdout, done.stderr, done.returncode

    def table(self):
        """The rows of a CSV as dictionaries."""
        return list(csv.DictReader(io.StringIO(self.out)))

    def number(self, name):
        """The value of a line `name value`, as `gptc eval` prints."""
        for line in self.out.splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == name:
                return float(words[1])
        raise RuntimeError(f"there is no line '{name} ...' in: {self.out}")


def log(run):
    """log.jsonl of a run, one dictionary a step."""
    with open(pathlib.Path(run) / "log.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def near(value, wanted, tolerance):
    return abs(value - wanted) <= tolerance
