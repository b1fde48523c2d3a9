"""Parallel heads: one line of step 8's file changed."""
import difflib

from texts import letters, tables, verses
from tools import examples, log

steps = 800


def run(gptc, work):
    files = {name: (examples / f"{name}.gpt").read_text().splitlines() for name in ("attention", "heads")}
    changed = [line for line in difflib.ndiff(files["attention"], files["heads"]) if line[0] in "+-"]
    data = work / "text.txt"
    data.write_text(letters(verses("gen1:1-gen50:26")))
    loss = {}
    for name in files:
        gptc("train", examples / f"{name}.gpt", "--data", data, "-o", work / name, "--set", f"steps={steps}")
        loss[name] = log(work / name)[-1]["val_loss"]
    shown = gptc("run", work / "heads", "--prompt", "the cat sat", "--show", "weight", "--format", "table").out
    heads = tables(shown)
    last = [rows[-1][1] for _, _, rows in heads]
    differ = all(max(abs(x - y) for x, y in zip(last[i], last[j])) > 0.02 for i in range(4) for j in range(i))
    return [
        ("one line changed", changed[-1][2:], len(changed) == 2),
        (f"learns as well after {steps} steps", f"{loss['heads']:.3f} against {loss['attention']:.3f}",
         loss["heads"] < loss["attention"] + 0.03),
        ("four heads look at different letters", ", ".join(title.split(",")[0] for title, _, _ in heads),
         len(heads) == 4 and differ),
    ]
