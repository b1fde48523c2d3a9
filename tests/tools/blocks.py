# RUN: %python %s %t
"""Logits over a large vocabulary are computed in blocks of tokens: no memory for all of them, and the same bits with any
number of threads."""
import random

from harness import *

work_directory()
vocabulary, context, batch = 30000, 32, 12
write("words.gpt", f"""
text token[t < {context}]: ids({vocabulary})
param embed[vocabulary, 24] ~ normal(0.5)
let x[t, c] = embed[token[t], c]
let logits[t, w] = sum(c: x[t, c] * embed[w, c])
output logits over vocabulary
loss mean(t: cross_entropy(logits[t], next(token)[t]))
train {{ batch: {batch}, steps: 3, eval_every: 0, save_every: 3, optimizer: sgd(lr: 0.5) }}
""")
chance = random.Random(3)
sequence = [chance.randrange(vocabulary) for _ in range(context)]
write("tokens.txt", " ".join(map(str, sequence * 40)))

logits = batch * context * vocabulary * 4
table = vocabulary * 24 * 4
placed = succeed("dump", "words.gpt", "--stage", "place", "--data", "tokens.txt").out
arena = int(placed.split("rt.arena_bytes = ")[1].split()[0])
check("the arena has room for one block and two tables", arena < logits / 2 + 2.1 * table, arena, logits, table)
text = succeed("dump", "words.gpt", "--stage", "outline", "--data", "tokens.txt").out
check("there is a loop over blocks", "gpt.repeat 2 inits" in text and f"tensor<{batch}x{context}x{vocabulary}x" not in text)

for threads in ("1", "2", "3"):
    train("run" + threads, "--threads", threads, model="words.gpt", data="tokens.txt")
    check(f"{threads} threads: the same bits", weights("run" + threads) == weights("run1"))

# Shifts of the sequence are drawn at random; the loss of a first step is near that of two examples.
train("few", "--set", "batch=2", model="words.gpt", data="tokens.txt")
losses = [json.loads(log(run)[0])["loss"] for run in ("run1", "few")]
check("the loss is that without blocks", abs(losses[0] - losses[1]) < 0.5, losses)
finish()
