# RUN: %python %s %t
"""gptc build: one executable that trains and generates in an empty directory, with nothing but a text beside it."""
from harness import *

top = work_directory()
write("text.txt", text())
write("leaf.csv", table())
succeed("build", tiny, "-o", "words", "--set", "steps=30", "--data", "text.txt")
succeed("build", tiny, "-o", "unread", "--set", "steps=30")  # knows no vocabulary: compiles from the model's text
succeed("build", leaf, "-o", "leaves")
train("reference", "--set", "steps=30")
# No shared compiler, no model file, no environment.
bare = {"PATH": "/nowhere"}
for name in ("words", "unread"):
    (top / ("at-" + name)).mkdir()
    os.rename(name, f"at-{name}/{name}")
    place = top / ("at-" + name)
    shutil.copy("text.txt", place)
    result = run([f"./{name}", "train", "--data", "text.txt", "-o", "run"], cwd=place, env=bare)
    check(f"{name} trains", result.code == 0 and result.out == "" and result.err.startswith(f"{name}: "), result)
    check(f"{name}: the losses of gptc train", log(place / "run") == log("reference"), log(place / "run"),
          log("reference"))
    check(f"{name}: its bits", weights(place / "run") == weights("reference"))
    result = run([f"./{name}", "generate", "run", "--prompt", "the ", "--tokens", "20", "--seed", "3"], cwd=place,
          env=bare)
    check(f"{name} generates", result.code == 0 and result.out.startswith("the ") and result.err == "", result)
    check(f"{name}: what gptc generates", result.out
          == succeed("generate", "reference", "--prompt", "the ", "--tokens", "20",
                                                                "--seed", "3").out, result)
place = top / "at-words"
result = run(["./words", "train", "--data", "text.txt", "-o", "wide", "--set", "width=32"], cwd=place, env=bare)
check("settings can be changed", result.code == 0 and "width = 32 (set on the command line)" in result.err, result)
header, _ = safetensors(place / "wide/checkpoints/step-00000030/weights.safetensors")
check("and count", header["embed"]["shape"] == [20, 32], header["embed"])
result = run(["./words", "train", "--resume", "run"], cwd=place, env=bare)
check("it resumes", result.code == 0 and "all 30 steps are done already" in result.err, result)
result = run(["./words", "train", "--data", "text.txt", "-o", "double", "--dtype", "f64"], cwd=place, env=bare)
train("reference64", "--set", "steps=30", "--dtype", "f64")
check("--dtype of the command line counts", result.code == 0 and log(place / "double") == log("reference64"), result)
result = run(["./leaves", "train", "--data", "leaf.csv", "-o", "rows"], env=bare)
check("a table trains", result.code == 0 and json.loads(log("rows")[-1])["loss"] < json.loads(log("rows")[0])["loss"],
      result)

for words, code, message in [
    ([], 2, "the model "),
    (["dump"], 2, "unknown command `dump`"),
    (["train"], 2, "--data is missing"),
    (["train", "--data", "nothing.txt", "-o", "x"], 1, "cannot read 'nothing.txt'"),
    (["generate", "nowhere"], 1, "'nowhere' is not a run"),
]:
    result = run(["at-words/words", *words], env=bare)
    check("words " + " ".join(words), result.code == code and result.out == "" and message in result.err, result)
for words in (["--help"], ["train", "--help"], ["generate", "--help"]):
    result = run(["at-words/words", *words], env=bare)
    check("words " + " ".join(words), result.code == 0 and result.err == "" and "Exit codes" in result.out, result)

# Whatever is done to its file, a program has its model or says that it is damaged; it never is another program.
program = read("leaves")
damage = {"appended": program + b"something else\n" * 100, "cut": program[:-200], "nearly gone": program[:-1],
          "changed": program[:-100] + bytes([program[-100] ^ 1]) + program[-99:],
          "moved": program.replace(b"gptc payload 2\n{", b" " * 4096 + b"gptc payload 2\n{")}
for name, content in damage.items():
    write("hurt", content)
    os.chmod("hurt", 0o755)
    result = run(["./hurt", "--help"], env=bare)
    if name in ("appended", "moved"):
        check(f"{name}: the model is found", result.code == 0 and "the model" in result.out, result)
    else:
        check(f"{name}: it says so", result.code == 1 and result.out == "" and "this program is damaged" in result.err
              and result.err.count("\n") == 1, result)
for tool in (["strip", "-o", "hurt", "leaves"], ["objcopy", "leaves", "hurt"], ["strip", "--strip-debug", "-o", "hurt", "leaves"]):
    if not shutil.which(tool[0]):
        continue
    pathlib.Path("hurt").unlink(missing_ok=True)
    subprocess.run(tool, check=True)
    for words in ([], ["--help"], ["train", "--data", "leaf.csv", "-o", "never"], ["check", leaf]):
        result = run(["./hurt", *words], env=bare)
        check(f"{tool[0]}: it says so", result.code == 1 and result.out == "" and "this program is damaged" in result.err,
              result)

write("bad.gpt", "output x\n")
before = read("leaves")
for words, message in [
    (["bad.gpt"], "bad.gpt:1:8: error: unknown name 'x'"),
    ([tiny, "--set", "nope=1"], "no setting 'nope'"),
    ([tiny, "--data", "missing.txt"], "cannot read 'missing.txt'"),
]:
    result = gptc("build", *words, "-o", "leaves")
    check("build " + " ".join(words), result.code == 1 and result.out == "" and message in result.err
          and read("leaves") == before, result)
finish()
