# RUN: %python %s %t
"""Norms of gradients whose squares f32 does not hold: the norm is a number, clipping uses it, the step is taken."""
from harness import *

work_directory()
write("model.gpt", """setting size = 1e25
rows x = columns(a)
param w[3] = [0.1, -0.1, 0], v = 0
loss size * (x * (w[0] + w[1] + w[2]) + x * v)
output w
train { steps: 1, validation: 0, clip: 1, optimizer: sgd(1) }
""")
write("data.csv", "a\n1\n")
for size, dtype in [("1e15", "f32"), ("1e20", "f32"), ("1e25", "f32"), ("3e38", "f32"), ("1e25", "bf16"), ("1e200", "f64")]:
    name = f"run-{size}-{dtype}"
    model = write("now.gpt", pathlib.Path("model.gpt").read_text().replace("1e25", size))
    result = gptc("train", model, "--data", "data.csv", "-o", name, "--dtype", dtype, "--show-gradients", "1")
    if not check(name, result.code == 0, result):
        continue
    entry = json.loads(log(name)[0])
    expected = 2 * float(size)
    check(f"{name}: the norm", abs(entry["grad_norm"] / expected - 1) < 1e-6, entry)
    norms = entry["gradients"]
    check(f"{name}: of each parameter", abs(norms["w"] / (3 ** 0.5 * float(size)) - 1) < 1e-6
          and abs(norms["v"] / float(size) - 1) < 1e-6, entry)
    moved = succeed("weights", name, "--show", "v").out.split()[-1]
    check(f"{name}: clipped to a step of 1/2", abs(float(moved) + 0.5) < 1e-5, moved)

# A gradient that is not finite is still no step.
write("inf.gpt", "rows x = columns(a)\nparam w = 0\nloss 3e38 * (x * w + 9 * (x * w))\noutput w\n"
      "train { steps: 1, validation: 0, clip: 1, optimizer: sgd(1) }\n")
result = gptc("train", "inf.gpt", "--data", "data.csv", "-o", "inf")
check("an infinite gradient stops training", result.code == 1 and "gradient's norm is inf" in result.err, result)
finish()
