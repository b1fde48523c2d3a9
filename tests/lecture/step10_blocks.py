"""Residual, layer norm, dropout: what a deep stack does with them and without."""
import math

from texts import letters, verses
from tools import examples, log

model = examples / "blocks.gpt"
small = ["--set", "width=32", "--set", "context=16", "--set", "batch=8"]


def run(gptc, work):
    data = work / "text.txt"
    data.write_text(letters(verses("gen1:1-gen50:26")))
    # What one gets who knows how often each letter comes, and nothing else.
    text = data.read_text()
    counts = [text.count(letter) for letter in set(text)]
    letter_loss = -sum(n / len(text) * math.log(n / len(text)) for n in counts)

    def train(name, *words, data=data):
        gptc("train", model, "--data", data, "-o", work / name, *small, *words)
        return log(work / name)

    deep = ["--set", "steps=200", "--set", "drop=0"]
    stack = {name: train(name, *deep, *words)[-1]["val_loss"] for name, words in {
        "with both": [],
        "without": ["--set", "skip=false", "--set", "norm=false"],
    }.items()}

    # Layer norm as it is written down: at first the scale is 1 and the bias 0.
    row = gptc("run", model, "--data", data, "--prompt", "in the beginning", "--dtype", "f64", *small, "--set",
               "layers=2", "--show", "x2", "--show", "final.y").table()[0]  # x2: x behind the layers
    worst = 0.0
    for t in range(len("in the beginning")):
        x = [float(row[f"x2[{t} {c}]"]) for c in range(32)]
        middle = sum(x) / 32
        spread = math.sqrt(sum((v - middle) ** 2 for v in x) / 32 + 1e-5)
        got = [float(row[f"final.y[{t} {c}]"]) for c in range(32)]
        worst = max(worst, *(abs((v - middle) / spread - y) for v, y in zip(x, got)))

    # The same masks whatever the thread count; others with another seed.
    short = ["--set", "steps=12", "--set", "drop=0.3", "--set", "layers=3"]
    losses = [[entry["loss"] for entry in train(f"threads{n}", *short, "--threads", n)] for n in (1, 2, 3)]

    # A small text is soon known by heart.
    page = work / "page.txt"
    page.write_text(letters(verses("gen1:1-gen2:25"))[:6000])
    gap = {}
    for drop in (0, 0.3):
        entries = train(f"drop{drop}", "--set", f"drop={drop}", "--set", "layers=2", "--set", "steps=2000", "--set",
                        "batch=16", data=page)
        seen = gptc("eval", work / f"drop{drop}", "--data", page).number("loss")
        gap[drop] = entries[-1]["val_loss"], seen
    return [
        ("12 layers learn with residual and layer norm", f"{stack['with both']:.2f}, letters alone {letter_loss:.2f}",
         stack["with both"] < letter_loss - 0.3),
        ("and not without", f"{stack['without']:.2f}", stack["without"] > letter_loss - 0.1),
        ("layer norm is (x - M) / S", f"off by at most {worst:.0e}", worst < 1e-12),
        ("dropout: same bits with 1, 2 and 3 threads", f"{losses[0][-1]:.6f}", losses[0] == losses[1] == losses[2]),
        ("a small text is overfitted less with dropout",
         f"validation {gap[0][0]:.2f} without, {gap[0.3][0]:.2f} with; whole text {gap[0][1]:.2f}, {gap[0.3][1]:.2f}",
         gap[0.3][0] < gap[0][0] - 0.08 and gap[0][1] < gap[0.3][1]),
    ]
