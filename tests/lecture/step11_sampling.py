"""Sampling: what is drawn, how often, and what the choice was."""
import math
import re

from texts import chi_square_tail, letters, verses
from tools import examples

# Every letter has its probability, whatever came before.
dice = """text token[t < 1]: alphabet("abcdefghij")
param score[vocabulary] = [2.0, 1.7, 1.1, 0.9, 0.2, 0, -0.4, -1.5, -4, -7]
let logits[t, k] = score[k] + 0 * score[token[t]]
output logits over vocabulary
loss mean(t: cross_entropy(logits[t], next(token)[t]))
train { batch: 1, steps: 1, optimizer: sgd(0) }
"""
scores = [2.0, 1.7, 1.1, 0.9, 0.2, 0, -0.4, -1.5, -4, -7]


def p_value(drawn, probabilities):
    """Of 100,000 draws; letters that should come fewer than 10 times are counted as one."""
    chi, cells, rare, rare_wanted = 0, 0, 0, 0
    for letter, p in zip("abcdefghij", probabilities):
        count, wanted = drawn.count(letter), p * len(drawn)
        if wanted == 0 and count:
            return 0
        if wanted < 10:
            rare, rare_wanted = rare + count, rare_wanted + wanted
        else:
            chi, cells = chi + (count - wanted) ** 2 / wanted, cells + 1
    if rare_wanted:
        chi, cells = chi + (rare - rare_wanted) ** 2 / rare_wanted, cells + 1
    return chi_square_tail(chi, cells - 1)


def run(gptc, work):
    model, sides = work / "dice.gpt", work / "sides.txt"
    model.write_text(dice)
    sides.write_text("abcdefghij" * 5)
    gptc("train", model, "--data", sides, "-o", work / "dice")

    def draw(*words):
        return gptc("generate", work / "dice", "--prompt", "a", "--tokens", 100000, "--seed", 5, *words).out[1:-1]

    def shares(temperature, keep):
        raised = [math.exp(s / temperature) if i < keep else 0 for i, s in enumerate(scores)]
        return [r / sum(raised) for r in raised]

    # Of 0.8 in all, the first three letters have 0.35 + 0.26 + 0.14, the fourth is the one that reaches it.
    ps = {
        "plain": p_value(draw(), shares(1, 10)),
        "temperature 0.5": p_value(draw("--temperature", 0.5), shares(0.5, 10)),
        "top-k 3": p_value(draw("--top-k", 3), shares(1, 3)),
        "top-p 0.8": p_value(draw("--top-p", 0.8), shares(1, 4)),
    }

    data = work / "text.txt"
    data.write_text(letters(verses("gen1:1-gen50:26")))
    gptc("train", examples / "attention.gpt", "--data", data, "-o", work / "run", "--set", "steps=100")

    def text(*words):
        return gptc("generate", work / "run", "--prompt", "and the ", "--tokens", 60, *words).out

    greedy = text("--greedy")
    shown = gptc("generate", work / "run", "--prompt", "and the ", "--tokens", 3, "--greedy", "--show-probs", 27).out
    lines = shown.splitlines()
    chosen = [line.split()[0] for line in lines[:3]]
    first = [line.split()[1] for line in lines[:3]]
    totals = [sum(float(n) for n in re.findall(r"([0-9.]+) %", line)) for line in lines[:3]]
    return [
        *((f"100,000 samples as likely as they should be: {name}", f"p = {p:.3f}", p > 1e-4) for name, p in ps.items()),
        ("--show-probs prints the candidates", ", ".join(lines[0].split(", ")[:3]).split(None, 1)[1],
         chosen == first and all(abs(t - 100) < 8 for t in totals)),
        ("greedy is temperature 0, whatever the seed", repr(greedy[:24]),
         greedy == text("--temperature", 0, "--seed", 9) == text("--top-k", 1, "--seed", 3)),
        ("a seed repeats its text, another gives another", repr(text("--seed", 4)[:24]),
         text("--seed", 4) == text("--seed", 4) != text("--seed", 5)),
    ]
