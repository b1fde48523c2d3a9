# RUN: %python %s %t
"""Wrong usage: exit 2, what is wrong in the first line, how to use the command behind it. Help and version."""
from harness import *

work_directory()
commands = ["check", "train", "generate", "eval", "run", "dump", "build"]

for words, message in [
    ([], "usage: gptc COMMAND"),
    (["trian"], "unknown command `trian`; did you mean `train`?"),
    (["--nonsense"], "unknown command `--nonsense`"),
    (["check"], "MODEL is missing"),
    (["check", "a", "b"], "`b` is one argument too many"),
    (["check", "a", "--dta", "x"], "unknown option `--dta`; did you mean `--data`?"),
    (["check", "a", "--data"], "`--data` needs a value"),
    (["check", "a", "--timing=3"], "`--timing` takes no value"),
    (["check", "a", "--dtype", "f16"], "`f16` is not one of f32|f64"),
    (["train", "a"], "--data is missing"),
    (["train", "a", "--data", "b"], "-o is missing"),
    (["train", "--data", "b", "-o", "c"], "give one of MODEL, --resume RUN and --from-ir FILE"),
    (["train", "a", "--resume", "b"], "give one of MODEL, --resume RUN and --from-ir FILE"),
    (["train", "--resume", "b", "-o", "c"], "--resume goes on in its own directory, without -o"),
    (["train", "--resume", "b", "--init", "c"], "--resume takes weights and type from the run"),
    (["train", "--resume", "b", "--dtype", "f64"], "--resume takes weights and type from the run"),
    (["train", "a", "--data", "b", "-o", "c", "--stage", "gpt"], "--stage goes with --from-ir"),
    (["train", "--from-ir", "a", "--data", "b", "-o", "c", "--set", "n=3"],
    "--from-ir takes settings and type from the IR"),
    (["train", "--from-ir", "a", "--data", "b", "-o", "c", "--dtype", "f64"], "--from-ir takes settings and type"),
    (["train", "--from-ir", "a", "--data", "b", "-o", "c", "--stage", "x"], "no stage is called `x`"),
    (["train", "a", "--data", "b", "-o", "c", "--seed", "-1"], "`-1` is not between 0 and 2147483647"),
    (["train", "a", "--data", "b", "-o", "c", "--seed", "99999999999999999999"], "is not an integer"),
    (["train", "a", "--data", "b", "-o", "c", "--keep", "0"], "`0` is not between 1 and"),
    (["train", "a", "--data", "b", "-o", "c", "--threads", "0"], "`0` is not between 1 and 1024"),
    (["train", "a", "--data", "b", "-o", "c", "--threads", "1000000"], "is not between 1 and 1024"),
    (["train", "a", "--data", "b", "-o", "c", "--threads", "two"], "`two` is not an integer"),
    (["generate"], "RUN is missing"),
    (["generate", "a", "--tokens", "-1"], "`-1` is not 0 or more"),
    (["generate", "a", "--tokens", "many"], "`many` is not an integer"),
    (["generate", "a", "--temperature", "nan"], "`nan` is not a number"),
    (["generate", "a", "--temperature", "-0.5"], "`-0.5` is not between 0 and 1000000"),
    (["generate", "a", "--top-p", "1.5"], "`1.5` is not between 0 and 1"),
    (["generate", "a", "--top-k", "-4"], "`-4` is not between 0 and 2147483647"),
    (["eval", "a"], "--data is missing"),
    (["eval", "a", "--data", "b", "--checkpoint", "worst"], "`worst` is not latest, best or step-N"),
    (["dump", "a"], "--stage is missing; the stages are ast, typed, gpt"),
    (["dump", "a", "--stage", "nope"], "no stage is called `nope`; the stages are ast, typed, gpt"),
    (["dump", "a", "--stage", "gpt", "--batch", "0"], "`0` is not between 1 and"),
    (["build", "a"], "-o is missing"),
]:
    result = gptc(*words)
    good = result.code == 2 and result.out == "" and message in result.err.splitlines()[0]
    check("usage: gptc " + " ".join(words), good and "usage" in result.err, result)

write("model.gpt", "param w = 0\nloss w\ntrain { steps: 1, optimizer: sgd(0.1) }\n")
result = gptc("dump", "model.gpt", "--stage", "grad", "--program", "eval")
check("a stage of training programs only", result.code == 2 and "the stage `grad` is not one of the program `eval`" in result.err, result)

for command in commands:
    for flag in ("--help", "-h"):
        result = gptc(command, flag)
        check(f"{command} {flag}", result.code == 0 and result.err == "" and result.out.startswith(f"gptc {command} ")
              and "Exit codes: 0 success, 1 bad input or failure, 2 wrong usage, 130 interrupted" in result.out, result)
    check(f"{command} --help in the middle", gptc(command, "x", "--help").code == 0)
for flag in ("--help", "-h", "help"):
    result = gptc(flag)
    check(flag, result.code == 0 and result.err == "" and all(f"\n  {name} " in result.out for name in commands),
          result)
check("dump --help lists the stages", all(f"\n  {stage} " in gptc("dump", "--help").out
                                          for stage in ("ast", "typed", "gpt", "batch", "llvm", "llvm-ir", "asm")))

result = gptc("--version")
config = run(["llvm-config", "--version"]) if shutil.which("llvm-config") else None
lines = result.out.splitlines()
check("--version", result.code == 0 and result.err == "" and lines[0].startswith("gptc ")
      and lines[1].startswith("LLVM 22.") and lines[2].startswith("CPU ") and lines[3].startswith("features "), result)
if config:
    check("--version says LLVM's", lines[1] == "LLVM " + config.out.strip(), result, config)
flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split()
for feature in ("avx2", "avx512f", "fma"):
    check(f"--version and /proc/cpuinfo agree on {feature}", (f"+{feature}" in lines[3].split(" ")[1].split(",")) ==
          (feature in flags), lines[3])
finish()
