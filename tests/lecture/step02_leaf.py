"""Leaf or flower: a classifier of rows."""
import concurrent.futures
import json
import statistics

from tools import examples, log, near

seeds = range(1, 21)


def run(gptc, work):
    model, data = examples / "leaf.gpt", examples / "leaf.csv"
    rows = []

    # The lecture's loss: 0.6, 0.4 where 0.8, 0.2 was wanted.
    (work / "loss.gpt").write_text(
        "rows p[2] = columns(a, b), y[2] = distribution(leaf, flower)\n"
        "param w = 1\n"
        "loss sum(k: abs(w * p[k] - y[k]))\n"
        "train { steps: 1, batch: all, validation: 0, optimizer: sgd(0) }\n")
    (work / "one.csv").write_text("a,b,leaf,flower\n0.6,0.4,0.8,0.2\n")
    (work / "two.csv").write_text("a,b,leaf,flower\n0.6,0.4,0.8,0.2\n0.5,0.5,0.5,0.5\n")
    losses = []
    for name in ("one", "two"):
        gptc("train", work / "loss.gpt", "--data", work / f"{name}.csv", "-o", work / name)
        losses.append(log(work / name)[0]["loss"])
    rows.append(("0.6, 0.4 against 0.8, 0.2 is a loss of 0.4", f"{losses[0]:.6f}", near(losses[0], 0.4, 1e-6)))
    rows.append(("averaged over samples: 0.4 and 0 give 0.2", f"{losses[1]:.6f}", near(losses[1], 0.2, 1e-6)))

    def train(seed):
        where = work / f"seed{seed}"
        gptc("train", model, "--data", data, "-o", where, "--seed", seed, "--threads", 1)
        return gptc("eval", where, "--data", data, "--part", "validation", "--threads", 1)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        evaluations = list(pool.map(train, seeds))
    accuracies = [e.number("accuracy") for e in evaluations]
    good = sum(a > 0.95 for a in accuracies)
    rows.append(("above 95 % on rows held out, 19 of 20 seeds",
                 f"{good} of 20, median {statistics.median(accuracies):.1%}", good >= 19))

    # The table says the same as the accuracy.
    table = [line.split() for line in evaluations[0].out.splitlines()[-2:]]
    right = int(table[0][1]) + int(table[1][2])
    wrong = int(table[0][2]) + int(table[1][1])
    rows.append(("a table of what was taken for what", f"{right} right, {wrong} wrong",
                 [t[0] for t in table] == ["leaf", "flower"] and right + wrong == evaluations[0].number("rows") and
                 near(right / (right + wrong), accuracies[0], 1e-6)))

    # New rows have no label.
    (work / "new.csv").write_text("volume,blue,green,red\n11.2,56,107,32\n59.5,4,200,241\n")
    new = gptc("run", work / "seed1", "--data", work / "new.csv").table()
    names = [row["kind"] for row in new]
    sums = [float(row["p[leaf]"]) + float(row["p[flower]"]) for row in new]
    rows.append(("new rows are classified", ", ".join(names), names == ["leaf", "flower"]))
    rows.append(("probabilities add up to 1", ", ".join(f"{s:.6f}" for s in sums),
                 all(near(s, 1, 1e-6) for s in sums)))

    # The statistics of standardised columns belong to the run: a row by itself counts as in the whole table.
    lines = data.read_text().splitlines()
    (work / "alone.csv").write_text(lines[0] + "\n" + lines[2] + "\n")
    alone = gptc("run", work / "seed1", "--data", work / "alone.csv").table()[0]["p[leaf]"]
    among = gptc("run", work / "seed1", "--data", data).table()[1]["p[leaf]"]
    facts = json.loads((work / "seed1" / "config.json").read_text())["data"]["loader"]["x"]
    rows.append(("a row alone is standardised as in training", f"{float(alone):.4f} alone, {float(among):.4f} among 240",
                 alone == among and len(facts["mean"]) == 4 and all(d > 1 for d in facts["deviation"])))
    return rows
