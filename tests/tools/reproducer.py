# RUN: %python %s %t
"""An internal failure names the pass, keeps the IR from before it in a file and prints the command that fails alike."""
import re

from harness import *

work_directory()
write("leaf.csv", table())
write("model.gpt", read(leaf).decode().replace("batch: all", "batch: 8"))
# A module that verifies, but whose kernels ask for an extent that the program does not get.
result = succeed("dump", "model.gpt", "--data", "leaf.csv", "--stage", "outline")
check("the batch is an extent here", 'gpt.extents = ["b"]' in result.out, result.out[:2000])
write("good.mlir", result.out)
write("bad.mlir", result.out.replace('gpt.extents = ["b"]', 'gpt.extents = ["q"]'))
succeed("train", "--from-ir", "good.mlir", "--data", "leaf.csv", "-o", "good")
result = gptc("train", "--from-ir", "bad.mlir", "--data", "leaf.csv", "-o", "new")
check("exit 1, no result, no run", result.code == 1 and result.out == "" and not pathlib.Path("new").exists(), result)
check("it is called internal, with pass and place",
      re.search(r"^gptc: internal error in \S*gpt-[^:]*: ", result.err, re.M)
      and "model.gpt" in result.err, result)
files = list(pathlib.Path(".").glob("gptc-failure-*.mlir"))
command = re.search(r"to run it again:\n +(gptc-opt \S+ --pass-pipeline='[^']+')", result.err)
if check("a file and a command", len(files) == 1 and command, files, result):
    check("the file is the one of the command", files[0].name in command.group(1), command.group(1), files)
    said = re.search(r"internal error in [^:]*: (.*)", result.err).group(1)
    again = run(["sh", "-c", command.group(1)])
    check("the command fails the same way", again.code == 1 and said.split("\n")[0] in again.err, again, said)
    parsed = run(["gptc-opt", files[0]])
    check("the file is whole", parsed.code == 0, parsed)
    files[0].unlink()

# A stage printed by hand that a pass must refuse: the same through `gptc train --from-ir FILE --stage`.
result = gptc("train", "--from-ir", "good.mlir", "--stage", "gpt", "--data", "leaf.csv", "-o", "new")
check("a stage that is not true", result.code == 1 and "to run it again:" in result.err
      and not pathlib.Path("new").exists(),
      result)
for file in pathlib.Path(".").glob("gptc-failure-*.mlir"):
    file.unlink()

# Where the current directory cannot be written, the file is in the temporary one.
pathlib.Path("tmp").mkdir()
result = gptc("train", "--from-ir", os.path.abspath("bad.mlir"), "--data", os.path.abspath("leaf.csv"), "-o",
              os.path.abspath("new"), cwd="/proc", env=environment(TMPDIR=os.path.abspath("tmp")))
check("in the temporary directory", result.code == 1 and len(list(pathlib.Path("tmp").glob("gptc-failure-*"))) == 1,
      result)
finish()
