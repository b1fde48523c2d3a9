# RUN: %python %s %t
"""Wrong texts, tables and prompts: one line with the place, exit 1, nothing on standard output, no run left behind."""
from harness import *

work_directory()
write("text.txt", text())
write("leaf.csv", table())
header = "red,green,blue,volume,kind\n"
train("run")
train("leaves", model=leaf, data="leaf.csv")
before = tree("run"), tree("leaves")


def wrong(name, words, message):
    result = gptc(*words)
    check(name, result.code == 1 and result.out == "" and message in result.err and "internal" not in result.err
          and sum(line.startswith("gptc: ") for line in result.err.splitlines()) == 1, " ".join(words), result)


for name, content, message in [
    ("missing", None, "cannot read 'missing.txt': No such file or directory"),
    ("empty", "", "empty.txt: empty, so there is no alphabet"),
    ("short", "short\n", "short.txt: the text is too short: its training part has 5 tokens, a window needs 17"),
    ("invalid", b"abc\nd\xff\xfe e\n" * 50, "invalid.txt:2: not valid UTF-8: byte 0xff at offset 5"),
    ("overlong", b"abc \xc0\xaf\n" * 50, "overlong.txt:1: not valid UTF-8: byte 0xc0 at offset 4"),
]:
    if content is not None:
        write(name + ".txt", content)
    wrong(f"text: {name}", ["train", tiny, "--data", name + ".txt", "-o", "new"], message)
wrong("text: a directory", ["train", tiny, "--data", "run", "-o", "new"], "cannot read 'run': it is a directory")

for name, content, message in [
    ("ragged", header + "1,2,3,4,leaf\n1,2,3,leaf\n", "ragged.csv:3:1: the row has 4 fields, the header 5"),
    ("column", "red,green,blue,kind\n1,2,3,leaf\n", "column.csv:1:1: there is no column 'volume'"),
    ("word", header + "1,2,x,4,leaf\n", "word.csv:2:5: 'x' is not a number (column 'blue')"),
    ("nothing", header + "1,2,,4,leaf\n", "nothing.csv:2:5: '' is not a number (column 'blue')"),
    ("nan", header + "1,2,nan,4,leaf\n", "nan.csv:2:5: 'nan' is not a number"),
    ("huge", header + "1,2,1e999,4,leaf\n", "huge.csv:2:5: '1e999' is more than f64 can hold (column 'blue')"),
    ("class", header + "1,2,3,4,tree\n", "class.csv:2:9: 'tree' is no class of column 'kind'; there are leaf, flower"),
    ("twice", "red,red,blue,volume,kind\n1,2,3,4,leaf\n", "twice.csv:1:5: two columns are called 'red'"),
    ("quote", header + '1,2,"3,4,leaf\n', "quote.csv:2:5: the quote is never closed"),
    ("rows", header, "rows.csv: there is a header and no row"),
    ("empty", "", "empty.csv: the file is empty; the first line must name the columns"),
]:
    write(name + ".csv", content)
    wrong(f"table: {name}", ["train", leaf, "--data", name + ".csv", "-o", "new"], message)
    if name not in ("class",):
        wrong(f"table: {name}, of a run", ["run", "leaves", "--data", name + ".csv"], message)
check("no run is left behind", not pathlib.Path("new").exists(), tree("new"))

for name, prompt, message in [
    ("empty", "", "the prompt is empty"),
    ("unknown", "the Sun", "the prompt:1:5: character 'S' (U+0053) is not in the alphabet of 20 characters"),
    ("unknown, second line", "the\ns\u00e9a", "the prompt:2:2: character '\u00e9' (U+00E9) is not in the alphabet"),
    ("not UTF-8", b"the \xff", "the prompt:1: not valid UTF-8: byte 0xff at offset 4"),
]:
    result = run(["gptc", "generate", "run", "--prompt", prompt])
    check(f"prompt: {name}", result.code == 1 and result.out == "" and message in result.err, result)

wrong("generate: no such run", ["generate", "nowhere"], "'nowhere' is not a run: there is no such directory")
wrong("generate: a file", ["generate", "text.txt"], "'text.txt' is not a run: it is no directory")
wrong("generate: some directory", ["generate", "."], "'.' is not a run: it has no config.json")
wrong("generate: rows", ["generate", "leaves"], "leaves was not trained on text, so it generates none")
wrong("eval: another alphabet", ["eval", "run", "--data", "leaf.csv"], "leaf.csv:1:4: character ',' (U+002C)")
wrong("run: another table", ["run", "leaves", "--data", "text.txt"], "text.txt:1:1: there is no column 'red'")
wrong("run: unknown value", ["run", "leaves", "--data", "leaf.csv", "--show", "hh"], "did you mean `h`?")
result = gptc("run", leaf)
check("run: no data", result.code == 2 and "--data is missing" in result.err, result)
result = gptc("run", "leaves", "--data", "leaf.csv", "--set", "hidden=4")
check("run: settings of a run", result.code == 2 and "a run has its settings and type already" in result.err, result)

# Resuming with what does not belong to the run leaves the run as it is.
for name, words, message in [
    ("seed", ["--seed", "5"], "run was started with seed 1, not 5"),
    ("setting", ["--set", "nope=1"], "the model has no setting 'nope'"),
    ("batch", ["--set", "batch=8"], "the run was started with batches of 4, not 8"),
    ("width", ["--set", "width=32"], "has shape [20, 16], the model wants [20, 32]"),
    ("other data", ["--data", "leaf.csv"], "the data of run changed"),
    ("data", ["--data", "leaf.csv", "--changed-data"], "is not in the alphabet"),
    ("short data", ["--data", "short.txt", "--changed-data"], "the text is too short"),
]:
    result = gptc("train", "--resume", "run", *words)
    check(f"resume: {name}", result.code == 1 and result.out == "" and message in result.err, result)
wrong("resume: no such run", ["train", "--resume", "nowhere"], "'nowhere' is not a run: there is no such directory")
check("wrong input changes no run", (tree("run"), tree("leaves")) == before)
finish()
