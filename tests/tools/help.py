# RUN: %python %s %t
"""Help, completion, the manual page, the version, and what is installed: all from one table, and all of it true."""
from harness import *

work_directory()
shell = run(["bash", "-c", "gptc --help"])
commands = [line.split()[0] for line in shell.out.split("\n\n")[1].splitlines() if line.startswith("  ") and line[2] != " "]
check("the list of commands", {"check", "train", "generate", "tokenizer", "completion", "man"} <= set(commands), shell)
pages = {name: succeed("help", name).out for name in commands}
for action in ("train", "encode", "decode", "show"):
    pages[f"tokenizer {action}"] = succeed("help", "tokenizer", action).out
pages["gptc"] = shell.out
for name, page in pages.items():
    wide = [line for line in page.splitlines() if len(line) > 80]
    check(f"{name}: at most 80 columns", not wide, *wide)
    check(f"{name}: an example", "or example:\n  gptc " in page, page)
    if name not in ("gptc", "tokenizer"):
        check(f"help {name} is --help", page == succeed(*name.split(), "--help").out)
for name in ("gptc help x", "gptc help trian", "gptc help tokenizer x"):
    result = run(name.split())
    check(name, result.code == 2 and result.out == "" and "there is no command" in result.err, result)
check("did you mean", "did you mean `train`?" in gptc("help", "trian").err)
check("version", succeed("version").out == succeed("--version").out)

# Defaults are those that hold.
for name, said in [("generate", "(default 300)"), ("generate", "how many tokens"), ("train", "(default f32)"),
                   ("generate", "--length-penalty A"), ("train", "--overwrite"), ("eval", "--checkpoint latest|best|step-N")]:
    check(f"{name} says {said}", said in pages[name], pages[name])
for name, fields in [("train", ["optimizer", "batch", "steps", "epochs", "clip", "average", "validation", "eval_every",
                                "save_every", "seed"]),
                     ("generate", ["tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
                                   "repetition_window", "stop", "end", "seed", "slide", "pad", "beam", "length_penalty"])]:
    listed = pages[name].split("Fields of ")[1]
    for field in fields:
        check(f"{name}: the field {field}", f"\n  {field} " in listed, listed)
    write("model.gpt", "param w = 0\nloss w\noutput w\ntrain { optimizer: sgd(0.1), nonsense: 1 }\n" if name == "train" else
          "param w = 0\noutput w\ngenerate { nonsense: 1 }\n")
    known = gptc("check", "model.gpt").err.split("its settings are ")[1].strip()
    check(f"{name}: all that the compiler takes", sorted(known.split(", ")) == sorted(fields), known)


# Completion, as bash does it.
def complete(*words):
    script = f"""source gptc.bash
COMP_WORDS=({' '.join("'" + w + "'" for w in words)}); COMP_CWORD={len(words) - 1}; _gptc; echo "${{COMPREPLY[@]}}" """
    return run(["bash", "-c", script]).out.split()


write("gptc.bash", succeed("completion", "bash").out)
check("commands are completed", complete("gptc", "tr") == ["train"], complete("gptc", "tr"))
check("all of them", set(commands) <= set(complete("gptc", "")), complete("gptc", ""))
check("options are", complete("gptc", "train", "--over") == ["--overwrite"], complete("gptc", "train", "--over"))
check("values are", complete("gptc", "train", "--dtype", "") == ["f32", "f64", "bf16"], complete("gptc", "train", "--dtype", ""))
check("of a command's actions, too", complete("gptc", "tokenizer", "e") == ["encode"])
check("and their options", "--pieces" in complete("gptc", "tokenizer", "encode", "--"))
check("tokenizer train is not train", "--resume" not in complete("gptc", "tokenizer", "train", "--"))
check("files are left to bash", complete("gptc", "train", "mod") == [])
for name, page in pages.items():
    words = [] if name in ("gptc", "tokenizer") else complete("gptc", *name.split(), "--")
    shown = {line.split()[0] for line in page.split("Fields of")[0].splitlines() if line.startswith("  --")}
    check(f"{name}: every option is completed", shown <= set(words), shown - set(words))
for name in ("zsh", "fish"):
    script = succeed("completion", name).out
    write("script." + name, script)
    check(f"{name} has all options", all(option in script for option in ("overwrite", "length-penalty", "pieces")))
    if shutil.which(name):
        result = run([name, "-n", "script." + name])
        check(f"{name} reads it", result.code == 0, result)
result = gptc("completion", "tcsh")
check("another shell", result.code == 2 and "bash, zsh and fish" in result.err, result)

page = succeed("man").out
check("the manual page has every option", all(f"\\-\\-{name}" in page for name in ("overwrite", "length\\-penalty", "pieces")))
check("no line of it is an unknown request", all(line.split()[0] in (".TH", ".SH", ".SS", ".B", ".I", ".PP", ".TP", ".nf", ".fi")
                                                 for line in page.splitlines() if line.startswith(".")))
if shutil.which("groff"):
    write("gptc.1", page)
    result = run(["groff", "-man", "-Tutf8", "-ww", "gptc.1"])
    check("groff reads it", result.code == 0 and result.err == "", result)

# gptc-opt: our passes and MLIR's, not the options of other targets.
page = run(["gptc-opt", "--help"]).out
check("gptc-opt --help", "--gpt-autodiff" in page and "--pass-pipeline" in page and "--split-input-file" in page, page[:2000])
foreign = [line for line in page.splitlines() if any(word in line.split(" - ")[0].lower() for word in
           ("amdgpu", "aarch64", "arm-", "hexagon", "mips", "nvptx", "ppc", "riscv", "systemz", "wasm", "x86-"))
           and not line.startswith("        ")]
check("no foreign backend's options", not foreign, *foreign[:5])

# What cmake installs.
build = pathlib.Path(shutil.which("gptc")).resolve().parent.parent
result = run(["cmake", "--install", str(build), "--prefix", str(pathlib.Path("there").resolve())])
check("cmake --install", result.code == 0, result)
for name in ("bin/gptc", "bin/gptc-opt", "share/man/man1/gptc.1", "share/bash-completion/completions/gptc",
             "share/zsh/site-functions/_gptc", "share/fish/vendor_completions.d/gptc.fish"):
    check(f"installs {name}", pathlib.Path("there", name).is_file() and read("there/" + name))
check("the installed program runs", run(["there/bin/gptc", "version"]).out == succeed("version").out)

# --overwrite takes the place of a run when the new one has begun, and of nothing else.
write("text.txt", text())
train("run", "--set", "steps=2")
before = tree("run")
result = gptc("train", tiny, "--data", "text.txt", "-o", "run", "--set", "steps=2")
check("without it a run is not replaced", result.code == 1 and "already holds a run" in result.err and tree("run") == before, result)
result = gptc("train", tiny, "--data", "text.txt", "-o", "run", "--overwrite", "--set", "width=0")
check("a start that fails leaves the old run", result.code == 1 and tree("run") == before, result)
write("nan.gpt", pathlib.Path(tiny).read_text().replace("final(x)", "final(x) * nothing"))
result = gptc("train", "nan.gpt", "--data", "text.txt", "-o", "run", "--overwrite")
check("so does a model with a mistake", result.code == 1 and tree("run") == before, result)
train("run", "--overwrite", "--set", "steps=3")
check("the new run is there alone", checkpoints("run") == ["step-00000003"] and not list(pathlib.Path(".").glob("run.*")),
      checkpoints("run"))
pathlib.Path("other").mkdir()
write("other/thesis.txt", "years of work")
for name in ("other", "."):
    result = gptc("train", tiny, "--data", "text.txt", "-o", name, "--overwrite")
    check(f"{name} is no run", result.code == 1 and "stays as it is" in result.err and read("other/thesis.txt"), result)
write("run/notes.txt", "mine")
result = gptc("train", tiny, "--data", "text.txt", "-o", "run", "--overwrite")
check("files of others in a run are kept", result.code == 1 and "holds 'notes.txt', which is no part of a run" in result.err, result)
pathlib.Path("run/notes.txt").unlink()
train("fresh", "--overwrite", "--set", "steps=2")
check("where nothing is, --overwrite makes a run", checkpoints("fresh") == ["step-00000002"])
result = gptc("train", "--resume", "run", "--overwrite")
check("not with --resume", result.code == 2 and "--overwrite begins anew" in result.err, result)
finish()
