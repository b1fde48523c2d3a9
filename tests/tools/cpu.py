# RUN: %python %s %t
"""One model, code for CPUs of other vector widths, in bf16, and with tiles of one's own: the same curve."""

from harness import *

work_directory()
write("text.txt", text())


def losses(name, *options):
    train(name, *options)
    return [json.loads(line)["loss"] for line in log(name)]


def furthest(one, other):
    return max(abs(x - y) for x, y in zip(one, other))


native = losses("native", "--cpu", "native")
check("native is what it takes by itself", losses("default") == native)
for cpu in ("x86-64", "x86-64-v3"):
    result = gptc("dump", tiny, "--data", "text.txt", "--stage", "asm", "--cpu", cpu)
    registers = {name: name in result.out for name in ("%zmm", "%ymm", "vfmadd")}
    check(f"{cpu}: code for it", registers == {"%zmm": False, "%ymm": cpu != "x86-64", "vfmadd": cpu != "x86-64"}, registers)
result = gptc("train", tiny, "--data", "text.txt", "-o", "narrow", "--cpu", "x86-64")
check("SSE2 runs everywhere", result.code == 0, result)
check("and computes the same", furthest([json.loads(line)["loss"] for line in log("narrow")], native) < 1e-3)
if "avx2" in read("/proc/cpuinfo").decode():
    check("AVX2 computes the same", furthest(losses("middle", "--cpu", "x86-64-v3"), native) < 1e-3)
check("so do tiles of another shape", furthest(losses("tile", "--tile", "4x1,16x32"), native) < 1e-3)

rounded = losses("bf16", "--dtype", "bf16")
check("bf16 is something else", rounded != native)
check("but not far from it", furthest(rounded, native) < 0.05, rounded, native)
check("its bits are the same on any number of threads", losses("bf16-1", "--dtype", "bf16", "--threads", "1") == rounded)
check("emulated bf16 is near", furthest(losses("bf16-sse", "--dtype", "bf16", "--cpu", "x86-64"), rounded) < 0.02)
result = gptc("eval", "bf16", "--data", "text.txt")
check("a run remembers its type", result.code == 0, result)

result = gptc("train", tiny, "--data", "text.txt", "-o", "no", "--cpu", "z80")
check("an unknown CPU is wrong usage", result.code == 2 and "z80" in result.err and "x86-64-v3" in result.err, result)
result = gptc("train", tiny, "--data", "text.txt", "-o", "no", "--cpu", "bdver4")
check("so is one whose code cannot run here", result.code == 2 and "does not have" in result.err, result)
check("its code can be looked at", gptc("dump", tiny, "--data", "text.txt", "--stage", "asm", "--cpu", "bdver4").code == 0)
result = gptc("train", tiny, "--data", "text.txt", "-o", "no", "--tile", "8")
check("a tile has two numbers", result.code == 2 and "8x2" in result.err, result)
finish()
