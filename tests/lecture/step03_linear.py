"""Without activation, layers are one layer."""
from tools import examples


def scores(gptc, run, rows, work):
    (work / "probe.csv").write_text("red,green,blue,volume\n" + "".join(
        ",".join(str(v) for v in row) + "\n" for row in rows))
    return [[float(line[f"score[{k}]"]) for k in range(2)]
            for line in gptc("run", run, "--data", work / "probe.csv", "--show", "score").table()]


def farthest_from_linear(gptc, run, work):
    """How far the scores lie from the one linear layer that agrees on five rows, in shares of their range."""
    corners = [[0, 0, 0, 0]] + [[100 * (i == j) for i in range(4)] for j in range(4)]
    others = [[32, 107, 56, 11.2], [241, 200, 4, 59.5], [10, 250, 250, 90], [255, 0, 120, 1], [60, 61, 62, 63]]
    found = scores(gptc, run, corners + others, work)
    base, span, worst = found[0], 1e-9, 0.0
    for row, outs in zip(others, found[5:]):
        for k in range(2):
            line = base[k] + sum(row[i] / 100 * (found[1 + i][k] - base[k]) for i in range(4))
            worst = max(worst, abs(line - outs[k]))
            span = max(span, abs(outs[k] - base[k]))
    return worst / span


def run(gptc, work):
    data = examples / "leaf.csv"
    gptc("train", examples / "linear.gpt", "--data", data, "-o", work / "linear", "--dtype", "f64")
    # The same model with ReLU must be told apart, or the comparison shows nothing.
    bent = (examples / "linear.gpt").read_text().replace("let h[j] = sum(", "let h[j] = relu(sum(").replace(
        "+ b1[j]\n", "+ b1[j])\n")
    (work / "bent.gpt").write_text(bent)
    gptc("train", work / "bent.gpt", "--data", data, "-o", work / "bent", "--dtype", "f64")
    straight, curved = (farthest_from_linear(gptc, work / name, work) for name in ("linear", "bent"))
    return [
        ("two layers without ReLU are one linear layer", f"off by {straight:.1e} of the scores", straight < 1e-9),
        ("two layers with ReLU are not", f"off by {curved:.2f} of the scores", curved > 0.01),
    ]
