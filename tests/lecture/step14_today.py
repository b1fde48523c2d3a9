"""A Llama-shaped model: its numbers against the formulas in plain Python, its gradients against differences."""
import math
import random
import re

from texts import save_weights, verses, weights
from tools import examples, log

model = examples / "llama.gpt"
sizes = {"context": 7, "width": 16, "heads": 4, "groups": 2, "inner": 10, "layers": 2}
tiny = [word for name, value in sizes.items() for word in ("--set", f"{name}={value}")]


def forward(tensors, tokens):
    """The logits, from the formulas: lists and loops, no library."""
    heads, groups, width = sizes["heads"], sizes["groups"], sizes["width"]
    d, share = width // heads, heads // groups

    def get(name, *index):
        shape, values = tensors[name]
        at = 0
        for size, i in zip(shape, index):
            at = at * size + i
        return values[at]

    def norm(x, name):
        size = math.sqrt(sum(v * v for v in x) / len(x) + 1e-5)
        return [v / size * get(name, c) for c, v in enumerate(x)]

    def linear(x, name):
        return [sum(v * get(name, c, j) for c, v in enumerate(x)) for j in range(tensors[name][0][1])]

    def turned(x, place):
        out = list(x)
        for e in range(d // 2):
            angle = place * 10000 ** (-2 * e / d)
            a, b = x[e], x[e + d // 2]
            out[e] = a * math.cos(angle) - b * math.sin(angle)
            out[e + d // 2] = b * math.cos(angle) + a * math.sin(angle)
        return out

    rows = [[get("embed", token, c) for c in range(width)] for token in tokens]
    for layer in range(sizes["layers"]):
        p = f"blocks.{layer}."
        a = [norm(x, p + "before.gain") for x in rows]
        project = lambda x, name, *at: [sum(v * get(p + name, c, *at, e) for c, v in enumerate(x)) for e in range(d)]
        mixes = [[] for _ in rows]
        for g in range(groups):
            keys = [turned(project(x, "attention.k", g), s) for s, x in enumerate(a)]
            values = [project(x, "attention.v", g) for x in a]
            for i in range(share):
                for t, x in enumerate(a):
                    query = turned(project(x, "attention.q", g, i), t)
                    scores = [sum(q * k for q, k in zip(query, keys[s])) / math.sqrt(d) for s in range(t + 1)]
                    powers = [math.exp(s - max(scores)) for s in scores]
                    mixes[t] += [sum(w * values[s][e] for s, w in enumerate(powers)) / sum(powers) for e in range(d)]
        rows = [[v + w for v, w in zip(x, linear(m, p + "attention.project.w"))] for x, m in zip(rows, mixes)]
        for t, x in enumerate(rows):
            b = norm(x, p + "after.gain")
            gate, up = linear(b, p + "feed.gate.w"), linear(b, p + "feed.up.w")
            inner = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up)]
            rows[t] = [v + w for v, w in zip(x, linear(inner, p + "feed.down.w"))]
    return [linear(norm(x, "final.gain"), "read.w") for x in rows]


def run(gptc, work):
    data = work / "text.txt"
    data.write_text(verses("gen1:1-gen3:24"))
    rng = random.Random(3)

    # Weights of some size, so that every formula matters.
    plain = [*tiny, "--dtype", "f64"]
    gptc("train", model, "--data", data, "-o", work / "first", *plain, "--set", "steps=1")
    start = {name: (shape, [rng.uniform(-0.5, 0.5) + ("gain" in name) for _ in values])
             for name, (shape, values) in weights(work / "first").items()}
    save_weights(work / "start.safetensors", start)
    # A file of the same model whose step is the gradient itself.
    step = re.sub(r"train \{.*?\n\}", "train { batch: 4, steps: 1, optimizer: sgd(1) }", model.read_text(), flags=re.S)
    (work / "step.gpt").write_text(step)

    def first_loss(name, tensors):
        path = work / f"{name}.safetensors"
        save_weights(path, tensors)
        gptc("train", work / "step.gpt", "--data", data, "-o", work / name, *plain, "--init", path)
        return log(work / name)[0]["loss"]

    first_loss("moved", start)
    after = weights(work / "moved")
    prompt = "In the "
    frozen = re.sub(r"sgd\(1\)", "sgd(0)", step)
    (work / "frozen.gpt").write_text(frozen)
    gptc("train", work / "frozen.gpt", "--data", data, "-o", work / "still", *plain, "--init", work / "start.safetensors")
    row = gptc("run", work / "still", "--prompt", prompt).table()[0]
    symbols = sorted(set(data.read_text()))
    wanted = forward(start, [symbols.index(letter) for letter in prompt])
    worst = max(abs(float(row[f"logits[{t} {k}]"]) - value)
                for t, values in enumerate(wanted) for k, value in enumerate(values))

    # Along a direction for each group of parameters: gradient times direction against the loss's difference.
    errors = {}
    for parts in (("embed", "read"), ("attention",), ("feed", "gain")):
        names = [name for name in start if any(part in name for part in parts)]
        way = {name: [rng.uniform(-1, 1) for _ in start[name][1]] for name in names}
        slope = sum((a - b) * w for name in names for a, b, w in zip(start[name][1], after[name][1], way[name]))
        ends = []
        for side in (1e-5, -1e-5):
            moved = dict(start)
            for name in names:
                moved[name] = (start[name][0], [v + side * w for v, w in zip(start[name][1], way[name])])
            ends.append(first_loss(f"{parts[0]}{'+' if side > 0 else '-'}", moved))
        difference = (ends[0] - ends[1]) / 2e-5
        errors[parts] = abs(slope - difference) / abs(difference)

    def ops(file):
        return set(re.findall(r"\bgpt\.[a-z_]+(?= |\()", re.sub(r"^module.*$", "", gptc(
            "dump", file, "--stage", "gpt", "--data", data).out, flags=re.M)))

    new = ops(model) - ops(examples / "shakespeare.gpt")
    return [
        ("the logits that plain Python gets", f"off by at most {worst:.0e}", worst < 1e-10),
        ("gradients agree with differences in f64", f"worst of {len(errors)} groups {max(errors.values()):.0e}",
         max(errors.values()) < 1e-6),
        ("no op besides those of the GPT", ", ".join(sorted(new)) or "none", not new),
    ]
