# RUN: %python %s %t
"""Sizes whose products do not fit: one error with the value's name and line, whatever holds the size; nothing runs."""
from harness import *

work_directory()
write("rows.csv", "a,b\n1,2\n3,4\n")
rows = "rows x[2] = columns(a, b)\n"
carried = "let h[i: 65536, j: 65536, k: 65536, l: 16384] = x[0]\nrepeat deep[2] { h = h * 2 }\noutput h\n"
text = "text token[t < 1000000000]: ids(5)\nparam e[vocabulary, 1000000000] ~ normal(1)\n"
trains = "train { batch: 16777216, steps: 1, optimizer: sgd(0.1) }\n"


def refused(name, model, message, *words):
    """Twice: the model read alone, and run."""
    write("model.gpt", model)
    for command in (["check", "model.gpt", *words], ["run", "model.gpt", "--data", "rows.csv", *words]):
        if command[0] == "run" and not model.startswith("rows"):
            continue
        result = gptc(*command)
        said = result.err.count("error:")
        check(f"{name}: {command[0]}", result.code == 1 and result.out == "" and message in result.err and said == 1
              and "internal" not in result.err, result)


refused("a value", rows + carried, "model.gpt:2:5: error: 'h' has 65536 x 65536 x 65536 x 16384 elements")
refused("a value of 2^64", rows + "let h[i: 65536, j: 65536, k: 65536, l: 65536] = x[0]\noutput h\n",
        "model.gpt:2:5: error: 'h' has 65536 x 65536 x 65536 x 65536 elements")
refused("more than 2^64", rows + "let h[i: 1000000000, j: 1000000000, k: 1000000000] = x[0]\noutput h\n", "'h' has")
refused("a parameter", rows + "param w[1000000000, 1000000000] = 1\nlet y = sum(i, j: w[i, j]) * x[0]\noutput y\n",
        "model.gpt:2:7: error: 'w' has 1000000000 x 1000000000 elements")
refused("copies of a parameter", rows + "let h = x * 1\nrepeat deep[1000000000] { h = Linear(2)(Linear(1000000)(h)) }\n"
        "output h\n", "error:")
refused("merged indices", rows + "setting n = 1000000000\nparam w[n] = 1\nlet z[(i j k)] = x[0] * w[i] * w[j] * w[k]\n"
        "output z\n", "error:")
refused("a group", rows + "setting g = 1000000000\nparam w[(g g g)] = 1\nlet y = sum(i: w[i]) * x[0]\noutput y\n",
        "'w' has")
refused("a batch", rows + "let h[i: 1000000, j: 1000000] = x[0] * float(i + j)\nparam w = 1\n"
        "loss sum(i, j: h[i, j]) * w\n" + trains, "model.gpt:2:5: error: 'h' has 1000000 x 1000000 elements for each of "
        "16777216 examples")
refused("copies for the backward pass", rows + "param w = 1\nlet h[i: 1000000, j: 1000000] = x[0] * w\n"
        "repeat deep[1000000] { h = tanh(h * w) }\nloss sum(i, j: h[i, j])\n" + trains.replace("16777216", "1"),
        "elements in each of 1000000 copies")
refused("a text", text + "let x[t, c] = e[token[t], c]\nlet y[t, w] = sum(c: x[t, c] * e[w, c])\noutput y over vocabulary\n",
        "model.gpt:3:5: error: 'x' has 1000000000 x 1000000000 elements")
refused("terms of a sum", rows + "setting n = 1000000000\nparam u[n] = 1\nlet y = sum(i, j, k: u[i] * u[j] * u[k])\n"
        "output y\n", "this takes 1000000000 x 1000000000 x 1000000000 terms")
refused("a setting", rows + "setting n = 2\nlet h[i: n, j: n, k: n] = x[0]\noutput h\n", "'h' has", "--set", "n=1000000000")
refused("an index", rows + "let y[i: 2] = x[i * 1000000000 * 1000000000 * 1000000000 * 16]\noutput y\n", "error:")

# What is only large, but has a size, says how much that is, and which value takes it.
write("model.gpt", rows + "let h[i: 1000000, j: 1000000] = tanh(x[0] * float(i + j))\nlet s[i: 1000000] = max(j: h[i, j]) + h[i, 5]\n"
      "output h\noutput s\n")
result = gptc("check", "model.gpt")
check("check says the size", result.code == 0 and "GiB" in result.out, result)
result = gptc("run", "model.gpt", "--data", "rows.csv")
check("run says what does not fit", result.code == 1 and "GiB of memory" in result.err and "'h'" in result.err
      and "model.gpt:2: let h" in result.err, result)

# Epochs, batches and bounds are integers within limits.
for setting, message in [("epochs=1e18", "'epochs' is an integer between"), ("batch=1e18", "'batch' is an integer between"),
                         ("steps=1e300", "'steps' is an integer"), ("seed=1e10", "'seed' is an integer")]:
    name = setting.split("=")[0]
    write("model.gpt", rows + f"param w = 1\nloss (x[0] * w)^2\ntrain {{ {name}: 1, optimizer: sgd(0.1) }}\n")
    result = gptc("check", "model.gpt", "--set", setting)
    check(setting, result.code == 1 and message in result.err, result)
finish()
