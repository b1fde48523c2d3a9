# RUN: %python %s %t
"""Every stage of the table: printed, read back by gptc-opt, whose passes then give the same code, and trained from by
--from-ir with the losses of training from the file. The syntax tree is a model file; the IR names the model's lines."""
import re

from harness import *

work_directory()
write("text.txt", text())
shutil.copy(tiny, "tiny.gpt")
steps = ["--set", "steps=3", "--set", "eval_every=0"]
shared = ["tiny.gpt", "--data", "text.txt"] + steps
# A name of a stage follows two blanks; what was wrapped stands further in.
listed = re.sub(r"\n   +", " ", gptc("dump", "--help").out.split("Stages, in order:\n")[1].split("\n\n")[0])
table = [line.split()[0] for line in listed.splitlines() if "(prepare, step" not in line and "(extend only)" not in line]
check("the table", table[:3] == ["ast", "typed", "gpt"] and table[-2:] == ["llvm-ir", "asm"] and len(table) >= 15,
      table)
modules = table[2:-2]

printed = {stage: succeed("dump", *shared, "--stage", stage) for stage in table}
for stage, result in printed.items():
    check(f"{stage}: printed, an override is echoed", len(result.out) > 500 and "steps = 3 (set on" in result.err
          or stage == "ast", result.err)
check("each stage prints something of its own", len({result.out for result in printed.values()}) == len(table))
check("llvm-ir is LLVM IR", "define void @main(ptr" in printed["llvm-ir"].out, printed["llvm-ir"].out[:2000])
check("asm is assembly", re.search(r"^main:", printed["asm"].out, re.M) and "\tret" in printed["asm"].out)
assembler = shutil.which("llvm-mc")
if assembler:
    write("asm.s", printed["asm"].out)
    result = run([assembler, "-filetype=obj", "-mcpu=" + gptc("--version").out.split("CPU ")[1].split(",")[0],
          "asm.s", "-o",
                  "asm.o"])
    check("an assembler reads it", result.code == 0, result)

# The passes of each stage, as --dump-ir writes them beside what they made.
train("run", *steps, "--dump-ir", "ir", model="tiny.gpt")
reference = log("run")
passes = {stage: [] for stage in modules}
for file in sorted(pathlib.Path("ir/train").glob("*.mlir")):
    stage = file.name.split("-", 1)[1].split(".")[0]
    header = file.read_text().split("\n", 1)[0]
    if ".gpt-" in file.name or header.startswith("// gptc-opt"):
        passes[stage].append(re.fullmatch(r"// gptc-opt --pass-pipeline='builtin\.module\((.*)\)'", header).group(1))
check("every later stage has passes",
      all(passes[stage] for stage in modules if stage not in ("gpt", "tokens", "split", "random")),
      passes)
names = sorted(path.name for path in pathlib.Path("ir/train").iterdir())
check("files are numbered from the first stage", names[0] == "00-gpt.mlir" and "asm.s" in names
      and "llvm-ir.ll" in names
      and {"train", "init"} <= set(os.listdir("ir")), names, os.listdir("ir"))
check("only what changed something", len(names) < 2 + 2 * len(modules) + 4, names)


def normal(name):
    """The module without locations, comments and what only says where it stands."""
    result = run(["gptc-opt", name])
    if not check(f"gptc-opt reads {name}", result.code == 0, result):
        return None
    return re.sub(r'gpt\.(stage|file|source|settings|sizes|program) = ("(\\.|[^"\\])*"|\{[^}]*\}),? ?', "", result.out)


for stage in modules:
    write(stage + ".mlir", printed[stage].out)
final = normal("llvm.mlir")
for position, stage in enumerate(modules):
    rest = [one for later in modules[position + 1:] for one in passes[later]]
    result = run(["gptc-opt", stage + ".mlir", f"--pass-pipeline=builtin.module({','.join(rest)})", "-o", "on.mlir"])
    if check(f"{stage}: its next passes run", result.code == 0, result):
        check(f"{stage}: they end in the same code", normal("on.mlir") == final)
    result = gptc("train", "--from-ir", stage + ".mlir", "--data", "text.txt", "-o", "from-" + stage)
    if check(f"{stage}: trained from", result.code == 0 and result.out == "", result):
        check(f"{stage}: the same losses", log("from-" + stage) == reference, log("from-" + stage), reference)
        check(f"{stage}: the same bits", weights("from-" + stage) == weights("run"))

# A run from IR is a run like any other.
succeed("generate", "from-grad", "--prompt", "the ", "--tokens", "5")
result = gptc("train", "--from-ir", "grad.mlir", "--stage", "batch", "--data", "text.txt", "-o", "wrong")
check("--stage that is not true", result.code == 1 and result.out == "", result)

# The syntax tree is a model file with the same model, and printing it again changes nothing.
write("tree.gpt", printed["ast"].out)
again = succeed("dump", "tree.gpt", "--stage", "ast")
check("ast: canonical", again.out == printed["ast"].out, again.out)
write("tree.mlir", succeed("dump", "tree.gpt", "--data", "text.txt", *steps, "--stage", "gpt").out)
check("ast: the same gpt stage", normal("tree.mlir") == normal("gpt.mlir"), normal("tree.mlir"), normal("gpt.mlir"))
for example in sorted((here.parent.parent / "examples").glob("*.gpt")):
    first = gptc("dump", example, "--stage", "ast")
    write("example.gpt", first.out)
    second = gptc("dump", "example.gpt", "--stage", "ast")
    check(f"ast: {example.name} is a model file", first.code == 0 and second.out == first.out, first.err, second)

# Lines of the model beside what came from them, and as locations.
source = read("tiny.gpt").decode().splitlines()
line = next(n for n, text_of in enumerate(source, 1) if text_of.startswith("let logits"))
for stage in ("gpt", "batch", "grad", "kernels"):
    check(f"{stage}: the line of the model as comment", f"// tiny.gpt:{line}: {source[line - 1].split('#')[0].strip()}"
          in printed[stage].out, printed[stage].out[:3000])
    check(f"{stage}: the place as location", f'"logits"("tiny.gpt":{line}:' in printed[stage].out
          or f'"tiny.gpt":{line}:' in printed[stage].out)
check("lines of the library are named, too", re.search(r"^ *// blocks\.gpt:\d+$", printed["gpt"].out, re.M)
      and '"<library>/blocks.gpt":' in printed["gpt"].out)
check("llvm-ir: source lines", "!DILocation(line: " in printed["llvm-ir"].out and "tiny.gpt" in printed["llvm-ir"].out)
check("typed: dimensions and instances", "param blocks.attention.q: 2 x float[" in printed["typed"].out
      and "let logits: float[t<=16, w=" in printed["typed"].out, printed["typed"].out[:2000])

# Other programs than the training step, and f64.
for program in ("init", "eval", "outputs"):
    for stage in ("gpt", "place", "llvm", "asm"):
        result = succeed("dump", *shared, "--stage", stage, "--program", program)
        if stage != "asm":
            write("other.mlir", result.out)
            check(f"{program}, {stage}: gptc-opt reads it", run(["gptc-opt", "other.mlir"]).code == 0)
result = succeed("dump", *shared, "--stage", "gpt", "--dtype", "f64")
check("--dtype f64: no f32 in the IR", "f64" in result.out
      and not re.search(r"\bf32\b|xf32", result.out.split('gpt.source')[0]))
write("f64.mlir", result.out)
train("double", *steps, "--dtype", "f64", model="tiny.gpt")
result = succeed("train", "--from-ir", "f64.mlir", "--data", "text.txt", "-o", "from-f64")
check("--from-ir knows its type", log("from-f64") == log("double") != reference, log("from-f64"), log("double"))

# IR that is none, or not for this data.
write("other.txt", text().upper().replace("THE", "QXZ"))
for name, content, data, message in [
    ("text", "moon", "text.txt", "bad.mlir:1:1: "),
    ("empty", "", "text.txt", "does not say its stage and model"),
    ("cut", printed["grad"].out[:len(printed["grad"].out) // 2], "text.txt", "bad.mlir:"),
    ("invalid", printed["gpt"].out.replace("gpt.set ", "gpt.sat ", 1) if "gpt.set " in printed["gpt"].out
     else printed["gpt"].out.replace("gpt.batch_mean", "gpt.bitch_mean", 1), "text.txt", "bad.mlir:"),
    ("another vocabulary", printed["grad"].out, "other.txt", "vocabulary is"),
    ("another program", succeed("dump", *shared, "--stage", "gpt", "--program", "eval").out, "text.txt",
     "holds the program `eval`, not `train`"),
]:
    write("bad.mlir", content)
    result = gptc("train", "--from-ir", "bad.mlir", "--data", data, "-o", "new")
    check(f"--from-ir: {name}", result.code == 1 and result.out == "" and message in result.err
          and "bad.mlir" in result.err
          and not pathlib.Path("new").exists(), result)
finish()
