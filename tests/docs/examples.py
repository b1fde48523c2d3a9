"""Runs what the documentation shows. A fence says what a block is:

    examples.py [--update] FILE.md...

```gpt [NAME]        gptc check accepts it (the file is called NAME, else model.gpt); its outputs are computed for
                     made-up data, and where it trains it takes two steps
```gpt-part          a piece that cannot stand alone: not checked
```gpt-error [NAME]  gptc check refuses it; the next block, ```text, is what it prints
```data NAME         a file for the others
```console           lines after `$ ` are run; what follows is what they print on standard
                     output. A line `...` stands for any number of lines.

Blocks of one document share a directory and are taken in order.
--update writes what is printed now into the documents.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile


class Block:
    def __init__(self, kind, name, first, lines):
        self.kind, self.name, self.first, self.lines = kind, name, first, lines

    def text(self):
        return "".join(line + "\n" for line in self.lines)


def blocks(lines):
    """Fenced blocks; `first` is the index of the line after the fence."""
    found, start, kind, name = [], None, "", ""
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            words = line[3:].split()
            kind, name, start = (words + [""])[0], (words + ["", ""])[1], number + 1
        else:
            found.append(Block(kind, name, start, lines[start:number]))
            start = None
    assert start is None, f"line {start}: this block has no end"
    return found


def gptc(arguments, directory):
    return subprocess.run(["gptc", *arguments], cwd=directory, capture_output=True, text=True, timeout=300)


def made_up_data(text, directory):
    """Files that fit the model's data declaration, as words of a command line."""
    text = "\n".join(line.split("#")[0] for line in text.splitlines())
    if re.search(r"^text\b", text, re.M):
        alphabet = re.search(r'alphabet\("([^"]*)"\)', text)
        letters = alphabet.group(1) if alphabet else "0123456789"
        separate = "" if alphabet else " "
        (directory / "made-up.txt").write_text(separate.join(letters[i * 7 % len(letters)] for i in range(600)))
        return ["--data", "made-up.txt"]
    if re.search(r"^pairs\b", text, re.M):
        for side in "ab":
            (directory / f"made-up.{side}").write_text("".join(f"b a {i % 3} {side}\n" for i in range(40)))
        return ["--data", "made-up.a", "--data", "made-up.b"]
    columns, words = {}, re.search(r"^rows\b(.*)$", text, re.M)
    for kind, listed in re.findall(r"(columns|standardise|distribution|class)\(([^)]*)\)", words.group(1) if words else ""):
        if kind == "class":
            column, _, labels = listed.partition(":")
            labels = [label.strip() for label in labels.split(",")] if labels else ["p", "q"]
            columns[column.strip()] = lambda row, labels=labels: labels[row % len(labels)]
            continue
        names = [name.strip() for name in listed.split(",")]
        for place, name in enumerate(names):
            share = 1 / len(names) if kind == "distribution" else None
            columns.setdefault(name, lambda row, place=place, share=share: share or f"{(row * 37 + place * 11) % 100 / 25 - 2}")
    if not columns:
        return []
    lines = [",".join(columns)] + [",".join(str(value(row)) for value in columns.values()) for row in range(40)]
    (directory / "made-up.csv").write_text("\n".join(lines) + "\n")
    return ["--data", "made-up.csv"]


def matches(expected, actual):
    """Whether lines agree, `...` standing for any lines."""
    if not expected:
        return not actual
    if expected[0].strip() == "...":
        return any(matches(expected[1:], actual[i:]) for i in range(len(actual) + 1))
    return bool(actual) and expected[0].rstrip() == actual[0].rstrip() and matches(expected[1:], actual[1:])


class Document:
    def __init__(self, path, update):
        self.path, self.update = path, update
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.problems, self.checked, self.replacements = [], 0, []

    def problem(self, block, text):
        self.problems.append(f"{self.path}:{block.first}: {text}")

    def run(self):
        with tempfile.TemporaryDirectory() as directory:
            found = blocks(self.lines)
            for place, block in enumerate(found):
                following = found[place + 1] if place + 1 < len(found) else None
                self.block(block, following, pathlib.Path(directory))
        if self.replacements:
            for block, lines in reversed(self.replacements):
                self.lines[block.first : block.first + len(block.lines)] = lines
            self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return self.problems

    def expect(self, block, expected, actual, said):
        if matches(expected, actual):
            return
        if self.update and "..." not in [line.strip() for line in expected]:
            return actual
        self.problem(block, f"{said} prints otherwise now:\n" + "\n".join("    " + line for line in actual))
        return None

    def block(self, block, following, directory):
        name = block.name or "model.gpt"
        if block.kind == "data":
            (directory / name).write_text(block.text(), encoding="utf-8")
        elif block.kind == "gpt":
            (directory / name).write_text(block.text(), encoding="utf-8")
            run = gptc(["check", name], directory)
            if run.returncode:
                self.problem(block, "gptc check refuses this example:\n" + run.stderr)
            else:
                self.use(block, name, directory)
            self.checked += 1
        elif block.kind == "gpt-error":
            (directory / name).write_text(block.text(), encoding="utf-8")
            if not following or following.kind != "text":
                return self.problem(block, "what the error is must follow, in a block of ```text")
            run = gptc(["check", name], directory)
            if run.returncode != 1:
                self.problem(block, f"this should be an error, but gptc check ends with {run.returncode}")
            lines = self.expect(following, following.lines, run.stderr.splitlines(), "gptc check")
            if lines is not None:
                self.replacements.append((following, lines))
            self.checked += 1
        elif block.kind == "console":
            self.console(block, directory)
        elif block.kind not in {"gpt-part", "text", "sh", "mlir", "json", ""}:
            self.problem(block, f"a block of unknown kind: {block.kind}")

    def use(self, block, name, directory):
        """Computes what the example's text says there is to compute."""
        data = made_up_data(block.text(), directory)
        commands = []
        if re.search(r"^output\b", block.text(), re.M):
            commands.append(["run", name, *data])
        if re.search(r"^train\b", block.text(), re.M):
            run_directory = tempfile.mkdtemp(dir=directory)
            os.rmdir(run_directory)
            steps = ["--set", "steps=2"] if "epochs" not in block.text() else []
            commands.append(["train", name, *data, "-o", run_directory, *steps])
        for command in commands:
            run = gptc(command, directory)
            if run.returncode:
                self.problem(block, f"gptc {' '.join(command)} ends with {run.returncode}:\n{run.stderr}")

    def console(self, block, directory):
        shown, at, changed = [], 0, False
        while at < len(block.lines):
            line = block.lines[at]
            if not line.startswith("$ "):
                return self.problem(block, f"a command is expected after `$ `, not: {line}")
            end = at + 1
            while end < len(block.lines) and not block.lines[end].startswith("$ "):
                end += 1
            run = subprocess.run(["bash", "-c", line[2:]], cwd=directory, capture_output=True, text=True, timeout=300)
            lines = self.expect(block, block.lines[at + 1 : end], run.stdout.splitlines(), line[2:])
            if not run.stdout and run.returncode:
                self.problem(block, f"{line[2:]} ends with {run.returncode}:\n{run.stderr}")
            shown += [line] + (lines if lines is not None else block.lines[at + 1 : end])
            changed |= lines is not None
            at = end
            self.checked += 1
        if changed:
            self.replacements.append((block, shown))


def main(words):
    update = "--update" in words
    checked, problems = 0, []
    os.environ["NO_COLOR"] = "1"
    for word in words:
        if word == "--update":
            continue
        document = Document(pathlib.Path(word).resolve(), update)
        problems += document.run()
        checked += document.checked
    for problem in problems:
        print(problem)
    print(f"{checked} examples, {len(problems)} wrong")
    return 1 if problems or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
