"""Self-attention against the fixed window of step 6, on a longer text after as many steps."""
from texts import letters, tables, verses
from tools import examples

steps = 300

# As in step 6: twelve letters as learnt vectors, each place with weights of its own, and one letter to predict.
window = """text token[t: 12]: chars
param letter[vocabulary, 16] ~ normal(0.1)
param w1[12, 16, 128] ~ normal(0.07), b1[128] = 0,  w2[128, vocabulary] ~ normal(0.1), b2[vocabulary] = 0
let x[t, c] = letter[token[t], c]
let h[j] = relu(sum(t, c: x[t, c] * w1[t, c, j]) + b1[j])
let logits[w] = sum(j: h[j] * w2[j, w]) + b2[w]
output logits over vocabulary
loss cross_entropy(logits, next(token)[11])
train { batch: 16, steps: 1000, optimizer: adamw(lr: cosine(5e-3, to: 5e-4, warmup: 50)) }
"""


def run(gptc, work):
    train, held = work / "train.txt", work / "held.txt"
    text = letters(verses("gen1:1-gen50:26"))
    cut = len(text) * 9 // 10
    train.write_text(text[:cut])
    held.write_text(text[cut:])

    def held_out_loss(model):
        gptc("train", model, "--data", train, "-o", work / model.stem, "--set", f"steps={steps}", "--set", "batch=32")
        return gptc("eval", work / model.stem, "--data", held).number("loss")

    (work / "window.gpt").write_text(window)
    fixed, attention = held_out_loss(work / "window.gpt"), held_out_loss(examples / "attention.gpt")
    shown = gptc("run", work / "attention", "--prompt", "the cat sat", "--show", "weight", "--format", "table").out
    [(title, heads, rows)] = tables(shown)
    words = list("the␣cat␣sat")
    sums = all(abs(sum(values) - 1) < 0.06 for _, values in rows)  # of numbers with two decimals
    future = all(value == 0 for t, (_, values) in enumerate(rows) for value in values[t + 1:])
    where = [heads[max(range(len(values)), key=values.__getitem__)] for _, values in rows]
    return [
        (f"a held-out loss below step 6's after {steps} steps", f"{attention:.3f} against {fixed:.3f}",
         attention < fixed - 0.05),
        ("weights of a sentence, its letters as heads", title,
         heads == words and [head for head, _ in rows] == words),
        ("each letter's weights add up to 1, none to the future", f"the last t looks most at {where[-1]}",
         sums and future),
    ]
