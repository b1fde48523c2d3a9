# RUN: %python %s %t
"""Wrong model files and settings: one clear error at its place, underlined, exit 1, nothing on standard output."""
from harness import *

work_directory()
write("text.txt", text())
head = "text token[t < 8]: chars\n"
rows = "rows x[4] = columns(a, b, c, d)\n"

# name, model, place, what the message says, then what else must be there
cases = [
    ("character", "let a = 1 @ 2\noutput a\n", "1:11", "unexpected character '@'", []),
    ("bracket", head + "let x = token[t\noutput x\n", "3:1", "expected ']', found 'output'",
     ["2:14: note: '[' was opened here"]),
    ("string", 'text token[t < 8]: alphabet("ab\noutput token\n', "1:29", "", []),
    ("statement", head + "frobnicate the token\n", "2:1", "'frobnicate' does not start a statement",
     ["a line starts with one of use, setting"]),
    ("not UTF-8", b"let x = 1 \xff\xfe\noutput x\n", "1:11", "byte 0xff is not valid UTF-8", []),
    ("binary", bytes(range(128, 256)) * 40, "1:1", "is not valid UTF-8", []),
    ("unknown name", rows + "output z\n", "2:8", "unknown name 'z'", []),
    ("unknown block", rows + "let y = Lineer(3)(x)\noutput y\n", "2:9", "Lineer", []),
    ("defined twice", rows + "let y = 1\nlet y = 2\noutput y\n", "3:5", "'y'", ["note:"]),
    ("wrong shape", rows + "param w[5, 3] ~ normal(0.1)\nlet h[j] = sum(i: x[i] * w[i, j])\noutput h\n", "3:28",
     "index 'i' has 4 values in 'x', but 5 here, in 'w'",
     ["1:8: note: the 4 of 'x' is declared here", "2:9: note: the 5 of 'w' is declared here"]),
    ("wrong rank", rows + "let y = x[0, 1]\noutput y\n", "2:", "", ["1:6: note"]),
    ("division", "setting width = 10, heads = 3\nparam w[width / heads] = 0\noutput w\n", "2:9",
     "a size is a positive integer", ["a division in a size must leave no remainder"]),
    ("zero size", "setting n = 0\nparam w[n] = 0\noutput w\n", "2:9", "a size is a positive integer, 'n' is 0",
     ["1:9: note: 'n' is defined here"]),
    ("no such file", 'use "nothing.gpt"\noutput 1\n', "1:1", "cannot read 'nothing.gpt'", ["the library has"]),
    ("two data", rows + head + "output x\n", "2:1", "a model has one data declaration", []),
    ("unknown tokenizer", "text token[t < 8]: words\noutput token\n", "1:20", "unknown tokenizer 'words'",
     ["it is one of"]),
    ("no optimizer", rows + "param w[4] = 0\nloss sum(i: x[i] * w[i])\ntrain { steps: 3 }\n", "4:1", "no optimizer",
     ["adamw"]),
    ("unknown field", rows + "param w[4] = 0\nloss sum(i: x[i] * w[i])\ntrain { stepz: 3, optimizer: sgd(0.1) }\n",
     "4:9", "'stepz' is no setting of train", ["steps"]),
    ("clip", rows + "param w[4] = 0\nloss sum(i: x[i] * w[i])\ntrain { clip: -1, steps: 3, optimizer: sgd(0.1) }\n",
     "4:15", "'clip' is a positive number, not -1", []),
    ("momentum", rows + "param w[4] = 0\nloss sum(i: x[i] * w[i])\n"
     "train { steps: 3, optimizer: sgd(0.1, momentum: 2) }\n", "4:49", "'momentum' is a number from 0 to below 1", []),
    ("loss of many", rows + "param w[4] = 0\nloss x * w\n", "3:6", "", []),
]
for name, source, place, message, others in cases:
    write("model.gpt", source)
    result = gptc("check", "model.gpt")
    good = result.code == 1 and result.out == "" and f"model.gpt:{place}" in result.err and message in result.err
    # The line stands below the first message, and the mark below the line.
    good = good and " error: " in result.err and " | " in result.err and "^" in result.err
    good = good and all(other in result.err for other in others) and "internal" not in result.err
    check(f"model: {name}", good, source, result)

# A loss without train { } can be evaluated, not trained.
write("model.gpt", "rows x[1] = columns(a)\nparam w = 0\noutput w\nloss (x[0] - w)^2\n")
write("rows.csv", "a\n" + "1\n" * 40)
result = gptc("check", "model.gpt")
check("a loss without train { } is a model", result.code == 0, result)
for words in ("train model.gpt --data rows.csv -o untrained", "build model.gpt -o untrained",
              "dump model.gpt --stage asm"):
    result = gptc(*words.split())
    good = result.code == 1 and result.out == "" and "internal" not in result.err
    check(f"{words} without train {{ }}", good and "does not say how to train" in result.err, result)

# Several errors in one run, in order, and not without end.
write("model.gpt", rows + "let a = zero\nlet b = one\nlet c = x[\noutput x\n")
result = gptc("check", "model.gpt")
write("model.gpt", "\n".join(f"let a{i} = @" for i in range(100)))
flood = gptc("check", "model.gpt")
check("a hundred errors are cut", flood.code == 1 and flood.err.count("error:") == 20 and "more errors" in flood.err,
      flood)
write("model.gpt", rows + "let a = zero\nlet b = one\noutput x\n")
both = gptc("check", "model.gpt")
check("two errors in one run", both.code == 1 and both.err.find("'zero'") < both.err.find("'one'") != -1, both)

# Files that are none.
for name, path, message in [
    ("missing", "missing.gpt", "cannot read 'missing.gpt': No such file or directory"),
    ("directory", ".", "cannot read '.': it is a directory"),
    ("empty", write("empty.gpt", ""), "empty.gpt: the file is empty"),
    ("blank", write("blank.gpt", " \n\n"), "blank.gpt: the file is empty"),
]:
    for command in (["check", path], ["train", path, "--data", "text.txt", "-o", "run"],
          ["dump", path, "--stage", "gpt"]):
        result = gptc(*command)
        check(f"{name} model: {command[0]}",
              result.code == 1 and result.out == "" and message in result.err and result.err.count("\n") == 1, result)

# Settings of the command line: the message is at the file's place and gives the value that was meant.
for setting, message in [
    ("nope=3", "the model has no setting 'nope'"),
    ("widht=3", "the model has no setting 'widht'"),
    ("width", "--set width: expected NAME=VALUE"),
    ("=3", "--set =3: expected NAME=VALUE"),
    ("width=", "--set width=: expected NAME=VALUE"),
    ("width=abc", "tiny.gpt:2:23: error: setting 'width' cannot be 'abc': it is a number"),
    ("rate=nan", "setting 'rate' cannot be 'nan'"),
    ("rate=inf", "setting 'rate' cannot be 'inf'"),
    ("width=0", "a size is a positive integer, 'width' is 0"),
    ("width=-16", "a size is a positive integer, 'width' is -16"),
    ("width=16.5", "a size is a positive integer, 'width' is 16.5"),
    ("width=1e9", "a size is a positive integer, 'n' is 4000000000"),
    ("heads=3", "a size is a positive integer, 'd' is 5.33333"),
    ("layers=0", "a size is a positive integer, 'layers' is 0"),
    ("steps=-3", "error: 'steps' is a positive integer, not -3 (of --set)"),
    ("steps=1e300", "error: 'steps' is a positive integer, not 1e+300 (of --set)"),
    ("save_every=2.5", "error: 'save_every' is an integer, 0 for only at the end, not 2.5 (of --set)"),
    ("batch=1e12", "error: 'batch' is an integer between 1 and"),
    ("temperature=-1", "error: 'temperature' is a number between 0 and 1000000, not -1 (of --set)"),
    ("clip=-1", "error: 'clip' is a positive number, not -1 (of --set)"),
    ("batch=4000000", "GiB of memory, this process may have"),
]:
    result = gptc("train", tiny, "--data", "text.txt", "-o", "run", "--set", setting)
    check(f"--set {setting}", result.code == 1 and result.out == "" and message in result.err
          and "internal" not in result.err, result)
    check(f"--set {setting} leaves no run", not pathlib.Path("run").exists())
result = succeed("check", tiny, "--set", "width=32")
check("an override is echoed", "width = 32 (set on the command line)" in result.err
      and "width = 32 (--set)" in result.out,
      result)
finish()
